r"""Tables: whether columns, and pairs of columns, have the distributions of those of the rows.

Rows are as networks see them (`models.tables.coding`); the ranks of a column's numbers, and so all of these values,
are those of the numbers themselves.

    column_shapes       of numbers 1 - sup_t |F(t) - G(t)|, Kolmogorov & Smirnov's distance, of those that are there;
                        of categories 1 - TV,  TV = 1/2 sum_k |p_k - q_k|;  the mean over the columns
    column_pairs        of two numbers 1 - |rho - rho'| / 2, rho the correlation of what networks see, about normal;
                        of other pairs 1 - TV of their tables of counts, numbers in `BINS` bins of equal counts;
                        the mean over the pairs
    missing_similarity  1 - |share of missing cells - share of missing cells|, over the columns that have some

References:
    | Modeling Tabular Data using Conditional GAN (Xu et al., 2019), https://arxiv.org/abs/1907.00503
"""

from __future__ import annotations

from itertools import combinations
from typing import final

import numpy as np

from pushforward.models.evaluation.metrics.metric import Known, Labels, Metric, Reals, Side
from pushforward.models.storage.evaluation import MetricValue
from pushforward.models.tables.columns import Category
from pushforward.models.tables.table import Table

BINS = 10
MAX_PAIRS = 2_000


@final
class ColumnShapes(Metric):
    """Mean over the columns of 1 minus the distance of their distributions; the same distribution has 1."""

    name = "column_shapes"
    better = "higher"
    needs = ("table",)

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        table = known.of_table
        scores = [
            _likeness(column, other) for column, other in zip(_columns(table, samples.x), _columns(table, reference.x),
                                                              strict=True)
        ]  # fmt: skip
        return MetricValue(value=float(np.mean(scores)))


@final
class ColumnPairs(Metric):
    """Mean over the pairs of columns of 1 minus the distance of their joint distributions; the same has 1."""

    name = "column_pairs"
    better = "higher"
    needs = ("table",)

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        table = known.of_table
        ours, theirs = _columns(table, samples.x), _columns(table, reference.x)
        pairs = list(combinations(range(len(ours)), 2))
        rng = known.rng(20)
        if len(pairs) > MAX_PAIRS:
            pairs = [pairs[i] for i in rng.permutation(len(pairs))[:MAX_PAIRS]]
        scores = [_pair((ours[i], ours[j]), (theirs[i], theirs[j])) for i, j in pairs]
        return MetricValue(value=float(np.mean(scores)) if scores else 1.0)


@final
class MissingSimilarity(Metric):
    """1 minus the difference of the shares of missing cells, the mean over the columns that have some."""

    name = "missing_similarity"
    better = "higher"
    needs = ("table", "missing")

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        table = known.of_table
        ours, theirs = (_missing(table, side.x) for side in (samples, reference))
        return MetricValue(value=float(np.mean(1 - np.abs(ours - theirs))))


class _Column:
    """The cells of a column: numbers, NaN where there is none, or cases."""

    def __init__(self, numbers: Reals | None, cases: Labels | None, n_cases: int) -> None:
        self.numbers, self.cases, self.n_cases = numbers, cases, n_cases

    @property
    def present(self) -> Reals:
        if self.numbers is None:
            raise TypeError("the column has no numbers")
        return self.numbers[~np.isnan(self.numbers)]


def _columns(table: Table, v: Reals) -> list[_Column]:
    """The columns of coded rows, (n, W)."""
    cases = _cases(table, v)
    choice_of = {choice.cell: i for i, choice in enumerate(table.choices)}
    number_of = {number.cell: j for j, number in enumerate(table.numbers)}
    columns = []
    for cell, column in enumerate(table.modelled):
        if isinstance(column, Category):
            columns.append(_Column(None, cases[choice_of[cell]], column.n_cases))
        else:
            there = cases[choice_of[cell]] == 0 if cell in choice_of else np.ones(len(v), bool)
            columns.append(_Column(np.where(there, v[:, number_of[cell]], np.nan), None, 0))
    return columns


def _cases(table: Table, v: Reals) -> list[Labels]:
    """The case of each choice, (n,) each."""
    borders = np.cumsum(table.sizes)[:-1]
    blocks = np.split(v[:, len(table.numbers) :], borders, axis=1) if table.sizes else []
    return [block.argmax(1) for block in blocks]


def _missing(table: Table, v: Reals) -> Reals:
    """The share of missing cells of each column that may have them."""
    cases = _cases(table, v)
    shares = []
    for choice, found in zip(table.choices, cases, strict=True):
        column = table.modelled[choice.cell]
        if column.missing:
            case = len(column.values) if isinstance(column, Category) else 1
            shares.append(float((found == case).mean()))
    return np.array(shares)


def _likeness(a: _Column, b: _Column) -> float:
    if a.cases is not None and b.cases is not None:
        return 1.0 - _total_variation(a.cases, b.cases, a.n_cases)
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


def _pair(ours: tuple[_Column, _Column], theirs: tuple[_Column, _Column]) -> float:
    if all(column.numbers is not None for column in ours):
        rho, other = _correlation(*ours), _correlation(*theirs)
        if rho is not None and other is not None:
            return 1.0 - abs(rho - other) / 2
    (a, b, n_first), (c, d, n) = (_binned(x, y) for x, y in zip(ours, theirs, strict=True))
    return 1.0 - _total_variation(a * n + c, b * n + d, n_first * n)


def _correlation(a: _Column, b: _Column) -> float | None:
    """The correlation of the rows where both are there; None where there is none."""
    if a.numbers is None or b.numbers is None:
        return None
    both = ~np.isnan(a.numbers) & ~np.isnan(b.numbers)
    x, y = a.numbers[both], b.numbers[both]
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def _binned(ours: _Column, theirs: _Column) -> tuple[Labels, Labels, int]:
    """Both as cases: numbers in bins with as many of the reference rows each, and one for those that are not there."""
    if ours.cases is not None and theirs.cases is not None:
        return ours.cases, theirs.cases, ours.n_cases
    quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
    borders = np.unique(np.quantile(theirs.present, quantiles)) if len(theirs.present) else np.empty(0)

    def cases(column: _Column) -> Labels:
        numbers = column.numbers if column.numbers is not None else np.empty(0)
        return np.where(np.isnan(numbers), BINS, np.searchsorted(borders, numbers, "right"))

    return cases(ours), cases(theirs), BINS + 1


def _total_variation(a: Labels, b: Labels, n_cases: int) -> float:
    p, q = (np.bincount(cases, minlength=n_cases) / max(1, len(cases)) for cases in (a, b))
    return float(np.abs(p - q).sum() / 2)
