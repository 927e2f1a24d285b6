r"""Tables: whether columns, and pairs of columns, have the distributions of those of the rows, and all their values.

Rows are as networks see them (`models.tables.coding`); the ranks of a column's numbers, and so the first two of these
values, are those of the numbers themselves.

    column_shapes       of numbers 1 - sup_t |F(t) - G(t)|, Kolmogorov & Smirnov's distance, of those that are there;
                        of categories 1 - TV,  TV = 1/2 sum_k |p_k - q_k|;  the mean over the columns
    column_pairs        of two numbers 1 - |rho - rho'| / 2, rho the correlation of what networks see, about normal;
                        of other pairs 1 - TV of their tables of counts, numbers in `BINS` bins of equal counts;
                        the mean over the pairs
    missing_similarity  1 - |share of missing cells - share of missing cells|, over the columns that have some
    range_coverage      of numbers, in their own units: the part of the range of training rows, [a, b], that samples
                        span, (min(max x, b) - max(min x, a)) / (b - a), at least 0;  over the columns that vary
    category_coverage   share of the values in training rows that samples have, missing among them
    category_adherence  share of cells whose value is in training rows: not 1 where a value was only in held-out rows

Fewer samples than training rows span less of a range and have fewer of the rare values: the floor, as many training
rows, says how much.

References:
    | Modeling Tabular Data using Conditional GAN (Xu et al., 2019), https://arxiv.org/abs/1907.00503
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar, final

import numpy as np

from pushforward.models.evaluation.metrics.metric import Known, Labels, Metric, Need, Reals, Side
from pushforward.models.evaluation.metrics.tables.cells import Cells, cells, columns
from pushforward.models.storage.evaluation import MetricValue
from pushforward.models.tables.columns import Category

BINS = 10
MAX_PAIRS = 2_000


class MeanOverColumns(Metric):
    """The mean over columns, or pairs of them, of scores that are 1 at best."""

    better = "higher"
    needs: ClassVar[tuple[Need, ...]] = ("table",)

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        scores = self.scores(samples, reference, known)
        return MetricValue(value=float(np.mean(scores)) if scores else 1.0)

    @abstractmethod
    def scores(self, samples: Side, reference: Side, known: Known) -> Sequence[float]:
        """A score, from 0 to 1, of each column or pair of columns."""


@final
class ColumnShapes(MeanOverColumns):
    """Mean over the columns of 1 minus the distance of their distributions; the same distribution has 1."""

    name = "column_shapes"

    def scores(self, samples: Side, reference: Side, known: Known) -> Sequence[float]:
        ours, theirs = (columns(known.of_table, side.x) for side in (samples, reference))
        return [_likeness(a, b) for a, b in zip(ours, theirs, strict=True)]


@final
class ColumnPairs(MeanOverColumns):
    """Mean over the pairs of columns of 1 minus the distance of their joint distributions; the same has 1."""

    name = "column_pairs"

    def scores(self, samples: Side, reference: Side, known: Known) -> Sequence[float]:
        ours, theirs = (columns(known.of_table, side.x) for side in (samples, reference))
        pairs = list(combinations(range(len(ours)), 2))
        rng = known.rng(20)
        if len(pairs) > MAX_PAIRS:
            pairs = [pairs[i] for i in rng.permutation(len(pairs))[:MAX_PAIRS]]
        return [_pair((ours[i], ours[j]), (theirs[i], theirs[j])) for i, j in pairs]


@final
class MissingSimilarity(MeanOverColumns):
    """1 minus the difference of the shares of missing cells, the mean over the columns that have some."""

    name = "missing_similarity"
    needs = ("table", "missing")

    def scores(self, samples: Side, reference: Side, known: Known) -> Sequence[float]:
        ours, theirs = (columns(known.of_table, side.x) for side in (samples, reference))
        return [
            1 - abs(a.missing_share - b.missing_share)
            for a, b in zip(ours, theirs, strict=True)
            if a.missing is not None
        ]


@final
class RangeCoverage(MeanOverColumns):
    """Mean over the numbers of the part of the range of training rows that samples span."""

    name = "range_coverage"
    needs = ("table", "numbers")

    def scores(self, samples: Side, reference: Side, known: Known) -> Sequence[float]:
        table = known.of_table
        ours, trained = (cells(table, side.x) for side in (samples, known.training))
        numbers = [cell for cell, column in enumerate(table.modelled) if not isinstance(column, Category)]
        found = (spanned(*(x[~np.isnan(x[:, cell]), cell] for x in (ours, trained))) for cell in numbers)
        return [share for share in found if share is not None]


@final
class CategoryCoverage(MeanOverColumns):
    """Mean over the categories of the share of the values in training rows that samples have."""

    name = "category_coverage"
    needs = ("table", "categories")

    def scores(self, samples: Side, reference: Side, known: Known) -> Sequence[float]:
        return [float(np.isin(trained, ours).mean()) for ours, trained in _values(samples, known)]


@final
class CategoryAdherence(MeanOverColumns):
    """Mean over the categories of the share of cells whose value is in training rows."""

    name = "category_adherence"
    needs = ("table", "categories")

    def scores(self, samples: Side, reference: Side, known: Known) -> Sequence[float]:
        return [float(np.isin(ours, trained).mean()) for ours, trained in _values(samples, known)]


def spanned(x: Reals, training: Reals) -> float | None:
    """The part of the range of training that x spans, which may be empty; None where there is no range."""
    if len(training) == 0 or training.max() == training.min():
        return None
    if len(x) == 0:
        return 0.0
    common = min(x.max(), training.max()) - max(x.min(), training.min())
    return float(max(0.0, common) / (training.max() - training.min()))


def _values(samples: Side, known: Known) -> list[tuple[Labels, Labels]]:
    """The cases of samples, (n,), and those that training rows have, for each category."""
    ours, trained = (columns(known.of_table, side.x) for side in (samples, known.training))
    return [
        (a.category, np.unique(b.category))
        for a, b in zip(ours, trained, strict=True)
        if a.category is not None and b.category is not None
    ]


def _likeness(a: Cells, b: Cells) -> float:
    if a.category is not None and b.category is not None:
        return 1.0 - _total_variation(a.category, b.category, a.n_cases)
    x, y = a.present, b.present
    if len(x) == 0 or len(y) == 0:
        return float(len(x) == len(y))
    return 1.0 - kolmogorov_smirnov(x, y)


def kolmogorov_smirnov(x: Reals, y: Reals) -> float:
    """The greatest difference of two empirical distribution functions."""
    x, y = np.sort(x), np.sort(y)
    both = np.concatenate([x, y])
    f, g = (np.searchsorted(side, both, "right") / len(side) for side in (x, y))
    return float(np.abs(f - g).max())


def _pair(ours: tuple[Cells, Cells], theirs: tuple[Cells, Cells]) -> float:
    if all(column.numbers is not None for column in ours):
        rho, other = _correlation(*ours), _correlation(*theirs)
        if rho is not None and other is not None:
            return 1.0 - abs(rho - other) / 2
    (a, b, n_first), (c, d, n) = (_binned(x, y) for x, y in zip(ours, theirs, strict=True))
    return 1.0 - _total_variation(a * n + c, b * n + d, n_first * n)


def _correlation(a: Cells, b: Cells) -> float | None:
    """The correlation of the rows where both are there; None where there is none."""
    if a.numbers is None or b.numbers is None:
        return None
    both = ~np.isnan(a.numbers) & ~np.isnan(b.numbers)
    x, y = a.numbers[both], b.numbers[both]
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _binned(ours: Cells, theirs: Cells) -> tuple[Labels, Labels, int]:
    """Both as cases: numbers in bins with as many of the reference rows each, and one for those that are not there."""
    if ours.category is not None and theirs.category is not None:
        return ours.category, theirs.category, ours.n_cases
    quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
    borders = np.unique(np.quantile(theirs.present, quantiles)) if len(theirs.present) else np.empty(0)

    def cases(column: Cells) -> Labels:
        numbers = column.numbers if column.numbers is not None else np.empty(0)
        return np.where(np.isnan(numbers), BINS, np.searchsorted(borders, numbers, "right"))

    return cases(ours), cases(theirs), BINS + 1


def _total_variation(a: Labels, b: Labels, n_cases: int) -> float:
    p, q = (np.bincount(cases, minlength=n_cases) / max(1, len(cases)) for cases in (a, b))
    return float(np.abs(p - q).sum() / 2)
