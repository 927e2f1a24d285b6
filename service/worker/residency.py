"""Which models are in memory: the least recently asked leave when the measured bytes pass the budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from models.checkpoint import Model, load_model
from models.errors import BadCheckpoint
from service.errors import Failed, NotFound

Stamp = tuple[int, int]  # inode and mtime in ns of the weights: a version deleted and made anew has another


@dataclass(eq=False)
class _Resident:
    model: Model
    stamp: Stamp
    n_bytes: int
    pins: int = 0


@final
class Residency:
    """Loaded models by reference. Any thread may call."""

    def __init__(self, store: Path, device: torch.device, budget_bytes: int) -> None:
        self._store = store
        self._device = device
        self._budget_bytes = budget_bytes
        self._residents: OrderedDict[str, _Resident] = OrderedDict()  # least recently asked first
        self._gates: dict[str, threading.Lock] = {}  # one load at a time of a version
        self._lock = threading.Lock()

    @property
    def references(self) -> tuple[str, ...]:
        """What is in memory."""
        with self._lock:
            return tuple(self._residents)

    @property
    def n_bytes(self) -> int:
        """Of all weights in memory."""
        with self._lock:
            return sum(resident.n_bytes for resident in self._residents.values())

    @contextmanager
    def use(self, reference: str) -> Iterator[Model]:
        """A model that stays in memory inside the `with`. Raises NotFound, Failed."""
        resident = self._pin(reference)
        try:
            yield resident.model
        finally:
            with self._lock:
                resident.pins -= 1
                self._evict()

    def _pin(self, reference: str) -> _Resident:
        with self._lock:
            gate = self._gates.setdefault(reference, threading.Lock())
        with gate:
            folder = self._folder(reference)
            stamp = _stamp(folder)
            with self._lock:
                resident = self._residents.get(reference)
                if resident is not None and resident.stamp != stamp:
                    del self._residents[reference]
                    resident = None
                if resident is not None:
                    self._residents.move_to_end(reference)
                    resident.pins += 1
                    return resident
            if stamp is None:
                with self._lock:
                    self._gates.pop(reference, None)
                raise NotFound(f"the model {reference} is gone; see GET /models for those there are")
            resident = self._load(reference, folder, stamp)
            with self._lock:
                self._residents[reference] = resident
                self._evict()
            return resident

    def _load(self, reference: str, folder: Path, stamp: Stamp) -> _Resident:
        try:
            model = load_model(folder, self._device)
        except BadCheckpoint as error:
            if _stamp(folder) is None:
                raise NotFound(f"the model {reference} is gone; see GET /models for those there are") from error
            raise Failed(f"the model {reference} cannot be loaded: {error.message}; train it again") from error
        tensors = [*model.nets.parameters(), *model.nets.buffers()]
        return _Resident(model, stamp, sum(t.numel() * t.element_size() for t in tensors), pins=1)

    def _evict(self) -> None:
        """Let go of unpinned models until the rest fits. The caller holds the lock."""
        total = sum(resident.n_bytes for resident in self._residents.values())
        for reference, resident in list(self._residents.items()):
            if total <= self._budget_bytes:
                return
            if resident.pins == 0:
                del self._residents[reference]
                total -= resident.n_bytes

    def _folder(self, reference: str) -> Path:
        name, _, version = reference.partition("@")
        return self._store / name / version


def _stamp(folder: Path) -> Stamp | None:
    """None where the version is gone."""
    try:
        status = (folder / "weights.safetensors").stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
