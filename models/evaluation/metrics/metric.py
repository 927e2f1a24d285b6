"""What a metric is: it compares samples with reference rows, and says what its value means.

The same metric is measured three times against the same reference rows: of the model's samples, of training rows (the
floor) and of draws of a Gaussian. Importing this does not import torch; a metric imports scikit-learn and SciPy when it
measures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pushforward.models.evaluation.metrics.distances import Search
from pushforward.models.storage.evaluation import Better, MetricValue
from pushforward.models.tables.table import Table

Reals = NDArray[np.float64]
Labels = NDArray[np.int64]
Classify = Callable[[Reals], Labels]  # rows in data units, (n, D), to labels, (n,)
Need = Literal[  # what a model or its data must have
    "labels", "images", "vectors", "modes", "label_condition", "likelihood",
    "table", "columns", "numbers", "categories", "missing",
]  # fmt: skip

LACKS: dict[Need, str] = {
    "labels": "its data have no labels",
    "images": "its data are not images of 5x5 to 64x64",
    "vectors": "its data are images",
    "modes": "the modes of its data are not known",
    "label_condition": "it is not conditioned on labels",
    "likelihood": "it has no likelihood",
    "table": "its data are no table",
    "columns": "its data are no table of two columns or more",
    "numbers": "its data are no table with numbers",
    "categories": "its data are no table with categories",
    "missing": "its data have no missing cells",
}


class Likelihoods(NamedTuple):
    """Log-likelihoods under the distribution that a side was drawn from."""

    training: Reals  # (a,) nats, of training rows
    held_out: Reals  # (b,) nats, of rows held out from training


class Side(NamedTuple):
    """Rows of one side of a comparison."""

    x: Reals  # (n, D) data units
    z: Reals  # (n, D) in standard deviations of the training rows
    labels: Labels | None = None  # (n,) that the rows come with, or were drawn under
    found: Labels | None = None  # (n,) by the classifier
    features: Reals | None = None  # (n, F) of the classifier
    places: Labels | None = None  # (n,) of training rows: their places among those of `Known.training`
    trained_on: NDArray[np.bool_] | None = None  # (n,) of another source: whether each row equals a training row
    likelihoods: Likelihoods | None = None  # of the distribution that the rows were drawn from, where it has any


class KnownModes(NamedTuple):
    """Equal round Gaussians that the data are a mixture of."""

    centers: Reals  # (M, D) data units
    std: float


@dataclass(frozen=True)
class Known:
    """What a metric may use beside the two sides."""

    training: Side
    seed: int
    modes: KnownModes | None = None
    fit: Callable[[Reals, Labels], Classify] | None = None  # a classifier, trained on these rows and labels
    table: Table | None = None  # whose rows all these are, as networks see them
    target: int | None = None  # the cell of the column that `train_on_synthetic` predicts; None: by its rule

    @cached_property
    def search(self) -> Search:
        """The search for nearest training rows."""
        return Search(self.training.z, self.table)

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

    def applies_to(self, samples: Side) -> bool:
        """Whether a side has what is measured."""
        return "likelihood" not in self.needs or samples.likelihoods is not None

    def ideal(self, n: int, m: int, known: Known) -> float:
        """The value, or its mean, where n samples and m reference rows have one distribution."""
        return 0.0

    @abstractmethod
    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        """The value of these samples. All that it needs is there."""


def ratio(value: float, usual: float) -> float:
    """Value / usual; NaN where the latter is 0, as of distances among copies."""
    return value / usual if usual > 0 else float("nan")


def mean(values: Reals) -> MetricValue:
    """The mean of independent values, (n,), with its standard error."""
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return MetricValue(value=float(values.mean()), std_error=error)
