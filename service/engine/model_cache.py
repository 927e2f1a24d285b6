"""Which models are in memory: the least recently asked leave when the measured bytes pass the budget.

A model is loaded by a thread of its own while its questions wait, once for all who want it. A version deleted and
made anew is loaded anew; who holds the old one keeps it until he lets go.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import final

import torch

from pushforward.models.errors import BadCheckpoint, Hindered
from pushforward.models.storage.model import Model, load_model
from pushforward.service.domain.errors import Failed, NotFound, Unavailable
from pushforward.service.engine.compile.compiler import Compiler
from pushforward.service.telemetry.worker import WorkerTelemetry

Stamp = tuple[int, int]  # inode and mtime in ns of the weights: a version deleted and made anew has another


@dataclass(eq=False)
class _Resident:
    reference: str
    stamp: Stamp | None
    model: Future[Model] = field(default_factory=Future)
    n_bytes: int = 0
    pins: int = 0
    stale: bool = False  # the files have changed since

    @property
    def is_loaded(self) -> bool:
        return self.model.done()


@final
class Hold:
    """A claim to a model: it stays in memory until `release`."""

    def __init__(self, residency: Residency, resident: _Resident) -> None:
        self._residency = residency
        self._resident = resident

    @property
    def reference(self) -> str:
        """Name and version."""
        return self._resident.reference

    @property
    def ready(self) -> bool:
        """Whether `model` answers at once."""
        return self._resident.is_loaded

    @property
    def model(self) -> Model:
        """Waits until it is loaded. Raises NotFound, Failed."""
        return self._resident.model.result()

    @property
    def is_current(self) -> bool:
        """Whether the version on disk is still the one that is held."""
        return self._resident.stamp == self._residency.stamp(self.reference)

    @staticmethod
    def wait_for_any(holds: Iterable[Hold], timeout_s: float) -> None:
        """Until one is ready, but no longer."""
        wait([hold._resident.model for hold in holds], timeout_s, FIRST_COMPLETED)

    def release(self) -> None:
        """Let go, once."""
        self._residency.let_go(self._resident)


@final
class Residency:
    """Loaded models by reference. Any thread may call."""

    def __init__(
        self,
        store: Path,
        device: torch.device,
        budget_bytes: int,
        telemetry: WorkerTelemetry | None = None,
        compiler: Compiler | None = None,
    ) -> None:
        self._compiler = compiler
        self._store = store
        self._device = device
        self._budget_bytes = budget_bytes
        self._telemetry = telemetry
        self._residents: dict[tuple[str, Stamp | None], _Resident] = {}  # least recently asked first
        self._loader = ThreadPoolExecutor(1, "loader")
        self._lock = threading.Lock()

    @property
    def references(self) -> tuple[str, ...]:
        """What is in memory."""
        with self._lock:
            return tuple(dict.fromkeys(each.reference for each in self._residents.values() if each.is_loaded))

    @property
    def n_bytes(self) -> int:
        """Of all weights in memory."""
        with self._lock:
            return sum(each.n_bytes for each in self._residents.values())

    def hold(self, reference: str) -> Hold:
        """Claim a model; it is loaded if it is not there. Returns at once."""
        stamp = self.stamp(reference)
        with self._lock:
            resident = self._residents.pop((reference, stamp), None)
            if resident is None:
                for each in self._residents.values():
                    each.stale |= each.reference == reference
                resident = _Resident(reference, stamp)
                self._loader.submit(self._load, resident)
            self._residents[reference, stamp] = resident
            resident.pins += 1
        return Hold(self, resident)

    def let_go(self, resident: _Resident) -> None:
        """The end of a hold."""
        with self._lock:
            resident.pins -= 1
            self._evict()

    def stamp(self, reference: str) -> Stamp | None:
        """None where the version is gone."""
        try:
            status = os.stat(f"{self._folder(reference)}/weights.safetensors")  # noqa: PTH116  once for each ask
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _load(self, resident: _Resident) -> None:
        since = perf_counter()
        try:
            model = self._read(resident.reference)
            tensors = [*model.nets.parameters(), *model.nets.buffers()]
            resident.n_bytes = sum(t.numel() * t.element_size() for t in tensors)
            if self._telemetry is not None:
                self._telemetry.loaded(resident.reference, perf_counter() - since)
        except Exception as error:
            with self._lock:  # so that who asks next tries again
                self._residents.pop((resident.reference, resident.stamp), None)
            resident.model.set_exception(error)
            return
        resident.model.set_result(model)
        with self._lock:
            self._evict()

    def _read(self, reference: str) -> Model:
        if self.stamp(reference) is None:
            raise NotFound(f"the model {reference} is gone; list the models for those there are")
        try:
            model = load_model(Path(self._folder(reference)), self._device)
            return model if self._compiler is None else self._compiler.serve(model)
        except BadCheckpoint as error:
            if self.stamp(reference) is None:
                raise NotFound(f"the model {reference} is gone; list the models for those there are") from error
            raise Failed(f"the model {reference} cannot be loaded: {error.message}; train it again") from error
        except Hindered as error:
            raise Unavailable(f"the model {reference} cannot be loaded: {error.message}", retry_after_s=5.0) from error
        except torch.OutOfMemoryError as error:
            raise Failed(f"the model {reference} does not fit into the device's memory") from error

    def _evict(self) -> None:
        """Let go of models that nobody holds: old versions at once, others until the rest fits. Needs the lock."""
        total = sum(each.n_bytes for each in self._residents.values())
        for place, each in list(self._residents.items()):
            if each.pins == 0 and each.is_loaded and (each.stale or total > self._budget_bytes):
                del self._residents[place]
                total -= each.n_bytes

    def _folder(self, reference: str) -> str:
        return f"{self._store}/{reference.replace('@', '/')}"
