"""What a metric is: it compares samples with reference rows, and says what its value means.

The same metric is measured three times against the same reference rows: of the model's samples, of training rows (the
floor) and of draws of a Gaussian. Importing this does not import torch; a metric imports scikit-learn and SciPy when it
measures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pushforward.models.storage.evaluation import Better, MetricValue
from pushforward.models.tables.table import Table

Reals = NDArray[np.float64]
Labels = NDArray[np.int64]
Classify = Callable[[Reals], Labels]  # rows in data units, (n, D), to labels, (n,)
Need = Literal["labels", "images", "modes", "label_condition", "table", "missing"]  # what a model or its data must have

LACKS: dict[Need, str] = {
    "labels": "its data have no labels",
    "images": "its data are not images of 5x5 to 64x64",
    "modes": "the modes of its data are not known",
    "label_condition": "it is not conditioned on labels",
    "table": "its data are no table",
    "missing": "its data have no missing cells",
}


class Side(NamedTuple):
    """Rows of one side of a comparison."""

    x: Reals  # (n, D) data units
    z: Reals  # (n, D) in standard deviations of the training rows
    labels: Labels | None = None  # (n,) that the rows come with, or were drawn under
    found: Labels | None = None  # (n,) by the classifier
    features: Reals | None = None  # (n, F) of the classifier
    places: Labels | None = None  # (n,) of training rows: their places among those of `Known.training`
    trained_on: NDArray[np.bool_] | None = None  # (n,) of another source: whether each row equals a training row


class KnownModes(NamedTuple):
    """Equal round Gaussians that the data are a mixture of."""

    centers: Reals  # (M, D) data units
    std: float


@dataclass(frozen=True)
class Known:
    """What a metric may use beside the two sides."""

    training: Reals  # (N, D) training rows, in their standard deviations
    seed: int
    modes: KnownModes | None = None
    fit: Callable[[Reals, Labels], Classify] | None = None  # a classifier, trained on these rows and labels
    table: Table | None = None  # whose rows all these are, as networks see them

    @property
    def of_table(self) -> Table:
        """The table. Raises TypeError where the rows are those of none."""
        if self.table is None:
            raise TypeError("the rows are no table's")
        return self.table

    def rng(self, stream: int) -> np.random.Generator:
        """The generator of a metric's own stream."""
        return np.random.default_rng([self.seed, stream])


class Metric(ABC):
    """A comparison of samples with reference rows. The docstring's first line is its summary."""

    name: ClassVar[str]
    better: ClassVar[Better] = "lower"
    needs: ClassVar[tuple[Need, ...]] = ()

    def ideal(self, n: int, m: int, known: Known) -> float:
        """The value, or its mean, where n samples and m reference rows have one distribution."""
        return 0.0

    @abstractmethod
    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        """The value of these samples. All that it needs is there."""


def mean(values: Reals) -> MetricValue:
    """The mean of independent values, (n,), with its standard error."""
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return MetricValue(value=float(values.mean()), std_error=error)
