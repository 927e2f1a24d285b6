"""The three sides that a comparison measures against reference rows: samples, training rows, draws of a Gaussian."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data import Rows, Toy
from pushforward.models.evaluation import classifier
from pushforward.models.evaluation.measurement import finished
from pushforward.models.evaluation.metrics.metric import (
    Classify,
    Known,
    KnownModes,
    Labels,
    Likelihoods,
    Metric,
    Reals,
    Side,
)
from pushforward.models.evaluation.sides import sides
from pushforward.models.evaluation.sides.membership import Members
from pushforward.models.evaluation.sides.sides import Sides, n_classes
from pushforward.models.evaluation.table_baseline import rounded
from pushforward.models.storage.evaluation import LabelCounts, MetricValue
from pushforward.models.tables.table import Table
from pushforward.models.training.data import TrainingData


class LabeledSamples(NamedTuple):
    """Samples, and the labels that they were drawn under."""

    x: NDArray[Any]  # (n, *shape)
    labels: Labels | None


@dataclass(frozen=True)
class ComparedRows:
    """All rows of a comparison, those of tables as networks see them."""

    drawn: LabeledSamples
    training: Rows
    reference: Rows
    trained_on: NDArray[np.bool_] | None  # which reference rows equal training rows, where that is known
    table: Table | None
    members: Members | None = None  # whose likelihoods are compared
    likelihoods: Likelihoods | None = None  # theirs, under the model


class ThreeSides:
    """The sides that are compared with the reference rows."""

    def __init__(self, of: Sides, rows: ComparedRows, data: TrainingData, seed: int) -> None:
        """Make the sides; `data` as networks see them."""
        self._of, self._rows, self._seed, self._data = of, rows, seed, data
        drawn, training = rows.drawn, rows.training
        n, rng = len(drawn.x), np.random.default_rng([seed, 10])
        places = rng.permutation(len(training.x))[:n]
        some = training.of(places)
        self.reference = of.of(rows.reference.x, rows.reference.y)._replace(trained_on=rows.trained_on)
        self.samples = of.of(drawn.x, drawn.labels)._replace(likelihoods=rows.likelihoods)
        self.floor = of.of(some.x, some.y, places)
        self.gaussian = self._gaussian(n, rng)
        labeled = None if drawn.labels is None else sides.labeled_draws(training, drawn.labels, data.spec, rng)
        self.labeled_gaussian = None if labeled is None else of.of(labeled, drawn.labels)

    def _gaussian(self, n: int, rng: np.random.Generator) -> Side | None:
        """Draws of a Gaussian, and the likelihoods that it has; None where rows are too long for one."""
        rows, spec = self._rows, self._data.spec
        gaussian = sides.gaussian_of(rows.training, spec)
        if gaussian is None:
            return None
        x = sides.draws(gaussian, n, spec, rng)
        side = self._of.of(x if rows.table is None else rounded(rows.table, x))
        return side if rows.members is None else side._replace(likelihoods=rows.members.under(gaussian))

    def known(self, target: int | None = None) -> Known:
        """What metrics may use beside the sides."""
        source = self._data.source
        modes = None
        if isinstance(source, Toy) and source.centers is not None and source.mode_std is not None:
            modes = KnownModes(source.centers.astype(np.float64), source.mode_std)
        training = self._of.plain(self._rows.training.x)
        return Known(training, self._seed, modes, self._fit, self._rows.table, target)

    def values(self, metric: Metric, known: Known) -> Iterator[tuple[str, MetricValue]]:
        """The metric of each side that it applies to, by the side's name."""
        labeled = "label_condition" in metric.needs
        gaussian = self.labeled_gaussian if labeled else self.gaussian
        for name, side in (("model", self.samples), ("floor", self.floor), ("gaussian", gaussian)):
            if side is not None and metric.applies_to(side):
                yield name, metric.measure(side, self.reference, known)

    def labels(self) -> LabelCounts | None:
        """The labels that the classifier finds; None without one."""
        samples, reference = self.samples.found, self.reference.found
        if samples is None or reference is None:
            return None
        counts = [np.bincount(found, minlength=n_classes(self._data)).tolist() for found in (samples, reference)]
        return LabelCounts(samples=tuple(counts[0]), reference=tuple(counts[1]))

    def _fit(self, x: Reals, labels: Labels) -> Classify:
        """A classifier of these rows, (n, D), by the network that also gives the features."""
        spec, device = self._data.spec, self._of.device

        def rows(x: Reals) -> NDArray[Any]:
            return x.reshape(len(x), *spec.shape)

        training = classifier.trained(rows(x), labels, spec, n_classes(self._data), seed=self._seed, device=device)
        net = finished(training)
        return lambda x: classifier.read(net, rows(x), device)[1]
