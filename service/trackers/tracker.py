"""What a tracker is told of a training, and the numbers in it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pushforward.service.domain.jobs import Job, State
from pushforward.service.domain.ports import Update

Scalar = str | bool | float | int


class Tracker(ABC):
    """Writes down trainings, each under its job's id. Called by one thread; may raise anything."""

    name: ClassVar[str]

    @abstractmethod
    def begin(self, job: Job) -> None:
        """An attempt begins; where it is not the first, it goes on with what is there."""

    @abstractmethod
    def record(self, job_id: str, update: Update) -> None:
        """Something happened in the attempt."""

    @abstractmethod
    def end(self, job_id: str, state: State | None, metrics: Mapping[str, float]) -> None:
        """The attempt is over; the state of its job, as far as known, and the metrics of a finished model."""

    @abstractmethod
    def flush(self) -> None:
        """Nothing more came for a while."""


def scalars(progress: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a progress update, by name."""
    found = {f"losses/{name}": float(value) for name, value in progress["losses"].items()}
    for name in ("steps_per_s", "rows_per_s", "memory_bytes", "seconds_left"):
        if progress.get(name) is not None:
            found[name] = float(progress[name])
    for loss, norms in progress.get("gradient_norms", {}).items():
        found |= {f"gradient_norms/{loss}/{name}": float(value) for name, value in norms.items()}
    return found


def points(progress: Mapping[str, Any], after: int) -> Iterator[tuple[str, int, float]]:
    """Name, step and value of the points of the held-out curve after a step."""
    curve = progress.get("curve")
    if curve is not None:
        for step, value in zip(curve["steps"], curve["values"], strict=True):
            if step > after:
                yield f"held_out/{curve['name']}", step, float(value)


def parameters(run: Mapping[str, Any], before: str = "") -> dict[str, Scalar]:
    """The fields of a run by their paths; lists as JSON, and fields without a value left out."""
    found: dict[str, Scalar] = {}
    for name, value in run.items():
        if isinstance(value, Mapping):
            found |= parameters(value, f"{before}{name}.")
        elif value is not None:
            found[f"{before}{name}"] = value if isinstance(value, Scalar) else json.dumps(value)
    return found
