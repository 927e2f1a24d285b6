"""A cache of loaded models: the least recently used are evicted when the measured bytes exceed the budget.

Another thread loads a model while its requests wait, once for all of them. A version that was deleted and made again is
loaded again; the old one stays in memory until its last pin is released.
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

Stamp = tuple[int, int]  # inode and mtime in ns of the weights: a version that was deleted and made again has another


@dataclass(eq=False)
class _CachedModel:
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
class Pin:
    """A model in use: it stays in memory until `release`."""

    def __init__(self, cache: ModelCache, cached: _CachedModel) -> None:
        self._cache = cache
        self._cached = cached

    @property
    def reference(self) -> str:
        """Name and version."""
        return self._cached.reference

    @property
    def ready(self) -> bool:
        """Whether `model` returns at once."""
        return self._cached.is_loaded

    @property
    def model(self) -> Model:
        """The model, once it is loaded. Raises NotFound, Failed, Unavailable."""
        return self._cached.model.result()

    @property
    def is_current(self) -> bool:
        """Whether the version on disk is still this one."""
        return self._cached.stamp == self._cache.stamp(self.reference)

    @staticmethod
    def wait_for_any(pins: Iterable[Pin], timeout_s: float) -> None:
        """Wait until one is ready, at most so long."""
        wait([pin._cached.model for pin in pins], timeout_s, FIRST_COMPLETED)

    def release(self) -> None:
        """Allow eviction. To be called once."""
        self._cache.unpin(self._cached)


@final
class ModelCache:
    """Loaded models by reference. Thread-safe."""

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
        self._models: dict[tuple[str, Stamp | None], _CachedModel] = {}  # least recently used first
        self._loader = ThreadPoolExecutor(1, "loader")
        self._lock = threading.Lock()

    @property
    def references(self) -> tuple[str, ...]:
        """The models in memory."""
        with self._lock:
            return tuple(dict.fromkeys(each.reference for each in self._models.values() if each.is_loaded))

    @property
    def n_bytes(self) -> int:
        """Of the weights of all models in memory."""
        with self._lock:
            return sum(each.n_bytes for each in self._models.values())

    def pin(self, reference: str) -> Pin:
        """Use a model; it is loaded in the background if it is not in memory. Returns at once."""
        stamp = self.stamp(reference)
        with self._lock:
            cached = self._models.pop((reference, stamp), None)
            if cached is None:
                for each in self._models.values():
                    each.stale |= each.reference == reference
                cached = _CachedModel(reference, stamp)
                self._loader.submit(self._load, cached)
            self._models[reference, stamp] = cached
            cached.pins += 1
        return Pin(self, cached)

    def unpin(self, cached: _CachedModel) -> None:
        """The end of a use, by `Pin.release`."""
        with self._lock:
            cached.pins -= 1
            self._evict()

    def stamp(self, reference: str) -> Stamp | None:
        """What identifies the files of a version; None where it was deleted."""
        try:
            status = os.stat(f"{self._folder(reference)}/weights.safetensors")  # noqa: PTH116  once for each ask
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _load(self, cached: _CachedModel) -> None:
        since = perf_counter()
        try:
            model = self._read(cached.reference)
            tensors = [*model.nets.parameters(), *model.nets.buffers()]
            cached.n_bytes = sum(t.numel() * t.element_size() for t in tensors)
            if self._telemetry is not None:
                self._telemetry.loaded(cached.reference, perf_counter() - since)
        except Exception as error:
            with self._lock:  # so that the next request tries again
                self._models.pop((cached.reference, cached.stamp), None)
            cached.model.set_exception(error)
            return
        cached.model.set_result(model)
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
        """Evict models that are not in use: stale ones at once, others until the rest fits. Needs the lock."""
        total = sum(each.n_bytes for each in self._models.values())
        for place, each in list(self._models.items()):
            if each.pins == 0 and each.is_loaded and (each.stale or total > self._budget_bytes):
                del self._models[place]
                total -= each.n_bytes

    def _folder(self, reference: str) -> str:
        return f"{self._store}/{reference.replace('@', '/')}"
