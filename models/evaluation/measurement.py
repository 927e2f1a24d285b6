"""What an evaluation yields on its way, and what it gives at its end."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

EVALUATION_SEED = 0

Numbers = dict[str, float]  # by name, the unit in it
Reals = NDArray[np.float64]
T = TypeVar("T")


class EvaluationStage(NamedTuple):
    """How far an evaluation has come."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class HeldOutMeasurement:
    """What a model reaches on held-out rows."""

    metrics: Numbers
    log_prob: tuple[float, ...] | None  # of each row that was scored, ascending; None without a likelihood


Evaluation = Generator[EvaluationStage, None, T]  # progress on the way, what was measured at the end


def finished(evaluation: Evaluation[T]) -> T:
    """What an evaluation returns at its end."""
    while True:
        try:
            next(evaluation)
        except StopIteration as end:
            measured: T = end.value
            return measured
