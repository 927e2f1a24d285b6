r"""Boosted trees: whether they can tell samples from rows of data, and what they learn from samples.

    c2st_boosted_trees   area under the curve of trees that tell samples from held-out rows, on rows they did not see
    train_on_synthetic   how well trees predict a column of held-out rows, trained on samples

Trees see what logistic regression does not: steps, interactions, cells that are missing where another is large. Both
sides have as many rows, at most `ROWS`, and are divided into K folds; the trees of each fold are trained on the others,
and the value is the mean of the areas A_k. Of two equal distributions it is a half, of two that do not overlap 1. The
standard error treats the folds as independent, though they share training rows: sqrt(sum_k std_error(A_k)^2) / K.

`train_on_synthetic` (TSTR) is measured of training rows too, as its floor: that is "trained on real, tested on real"
(TRTR), by as many rows. Categories are scored by the balanced accuracy, 1/K sum_k P(found k | k) over the values that
held-out rows have, numbers by R^2 = 1 - sum (y - f)^2 / sum (y - mean y)^2 over the rows that have one. The column is
the one that is asked for; else the last category, else the last number or time.

Of tables trees see the cells: numbers, missing ones as such, and categories as such where there are at most
`MOST_CATEGORIES`; by their index where there are more. Rows of images are left out: they have too many elements.

References:
    | Revisiting Classifier Two-Sample Tests (Lopez-Paz & Oquab, 2016), https://arxiv.org/abs/1610.06545
    | Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs (Esteban, Hyland & Rätsch, 2017),
    | https://arxiv.org/abs/1706.02633: TSTR
    | LightGBM: A Highly Efficient Gradient Boosting Decision Tree (Ke et al., 2017), NeurIPS 30
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.evaluation.metrics.metric import Known, Labels, Metric, Reals, Side
from pushforward.models.evaluation.metrics.ranks import area_under_curve
from pushforward.models.evaluation.metrics.tables.cells import cells
from pushforward.models.storage.evaluation import MetricValue
from pushforward.models.tables.columns import Category
from pushforward.models.tables.table import Table

FOLDS = 3
FEWEST = 30  # rows of a side, below which trees whose leaves hold 20 rows cannot split those of two folds
ROWS = 2_000  # of a side that trees learn from, at most
TREES = 60
MOST_CATEGORIES = 200  # of a column, for trees that see them as such


@final
class BoostedTrees(Metric):
    """Area under the curve of boosted trees that tell samples from data, on rows they did not see; 0.5 is guessing."""

    name = "c2st_boosted_trees"
    needs = ("vectors",)

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 0.5

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        rng = known.rng(22)
        n = min(len(samples.x), len(reference.x), ROWS)
        x = [_features(side, known.table)[rng.permutation(len(side.x))[:n]] for side in (samples, reference)]
        return cross_fitted(x[0], x[1], _categorical(known.table, None), known.seed)


@final
class TrainOnSynthetic(Metric):
    """How well boosted trees predict a column of data, trained on samples: balanced accuracy, or R^2 of numbers."""

    name = "train_on_synthetic"
    better = "higher"
    needs = ("table", "columns")

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        table = known.of_table
        cell = default_target(table) if known.target is None else known.target
        x, y = (cells(table, side.x)[:ROWS] for side in (samples, reference))
        others = np.arange(table.n_cells) != cell
        trees = _of_category if isinstance(table.modelled[cell], Category) else _of_number
        return trees(x[:, others], x[:, cell], y[:, others], y[:, cell], _categorical(table, cell), known.seed)


def default_target(table: Table) -> int:
    """The cell of the column that is predicted where none is named: the last category, else the last number."""
    categories = [cell for cell, column in enumerate(table.modelled) if isinstance(column, Category)]
    return categories[-1] if categories else table.n_cells - 1


def cross_fitted(x: Reals, y: Reals, categorical: list[int], seed: int) -> MetricValue:
    """The mean over the folds of the areas under the curve of x, (n, D), against y, (n, D); NaN of few rows."""
    n = len(x)
    if n < FEWEST:
        return MetricValue(value=float("nan"))
    fold, areas = np.arange(n) % FOLDS, list[MetricValue]()
    for k in range(FOLDS):
        rest = fold != k
        sides = np.repeat([1, 0], int(rest.sum()))
        trees = _classifier(categorical, seed).fit(np.concatenate([x[rest], y[rest]]), sides)
        areas.append(area_under_curve(*(trees.predict_proba(each[~rest])[:, 1] for each in (x, y))))
    error = float(np.sqrt(sum((area.std_error or 0.0) ** 2 for area in areas))) / FOLDS
    return MetricValue(value=float(np.mean([area.value for area in areas])), std_error=error)


def balanced_accuracy(found: Labels, right: Labels) -> MetricValue:
    """The mean over the labels of the share that is found, and its standard error."""
    shares, variances = list[float](), list[float]()
    for label in np.unique(right):
        p = float((found[right == label] == label).mean())
        shares.append(p)
        variances.append(p * (1 - p) / int((right == label).sum()))
    return MetricValue(value=float(np.mean(shares)), std_error=sum(variances) ** 0.5 / len(shares))


def r_squared(found: Reals, right: Reals) -> MetricValue:
    """1 - sum (y - f)^2 / sum (y - mean y)^2; NaN where y does not vary."""
    total = float(np.square(right - right.mean()).sum()) if len(right) else 0.0
    return MetricValue(value=1 - float(np.square(right - found).sum()) / total if total > 0 else float("nan"))


def _of_category(x: Reals, u: Reals, y: Reals, v: Reals, categorical: list[int], seed: int) -> MetricValue:
    """Of a category, missing among its values: u predicted by x in training, v by y where it is tested."""
    known, right = (np.nan_to_num(each, nan=-1.0).astype(np.int64) for each in (u, v))
    if (known == known[0]).all():
        return balanced_accuracy(np.full(len(right), known[0]), right)
    return balanced_accuracy(_classifier(categorical, seed).fit(x, known).predict(y), right)


def _of_number(x: Reals, u: Reals, y: Reals, v: Reals, categorical: list[int], seed: int) -> MetricValue:
    """Of a number, over the rows that have one."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    known, tested = ~np.isnan(u), ~np.isnan(v)
    if known.sum() < 2 or not tested.any():
        return MetricValue(value=float("nan"))
    trees = HistGradientBoostingRegressor(
        max_iter=TREES, categorical_features=categorical, early_stopping=False, random_state=seed % 2**32
    )
    return r_squared(trees.fit(x[known], u[known]).predict(y[tested]), v[tested])


def _classifier(categorical: list[int], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=TREES, categorical_features=categorical, early_stopping=False, random_state=seed % 2**32
    )


def _features(side: Side, table: Table | None) -> NDArray[Any]:
    return side.z if table is None else cells(table, side.x)


def _categorical(table: Table | None, without: int | None) -> list[int]:
    """The features that trees see as categories; one column may be left out."""
    modelled = () if table is None else table.modelled
    kept = [column for cell, column in enumerate(modelled) if cell != without]
    return [i for i, each in enumerate(kept) if isinstance(each, Category) and each.n_cases <= MOST_CATEGORIES]
