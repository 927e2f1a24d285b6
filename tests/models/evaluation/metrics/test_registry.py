"""What holds for every metric, because it is in the registry."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from pushforward.models.data import Digits, EightGaussians, TwoMoons
from pushforward.models.evaluation.metrics.metric import LACKS, Known, Likelihoods, Metric, Side
from pushforward.models.evaluation.metrics.registry import METRICS, applicable, has, why_not
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tables.coding import coded_rows
from tests.models.evaluation.metrics.sides import known, ring, side
from tests.models.tables.small_tables import category, number, table

ALL = pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
ROWS, LABELS = ring(600, 0)
KNOWN = known(ROWS)
REFERENCE = side(*ring(400, 1))
GOOD = side(*ring(400, 2))._replace(likelihoods=Likelihoods(np.arange(8.0), np.arange(8.0)))


TABLE = table(category("a", "x", "y", "z"), number("r", missing=True), number("s"))


class Sides(NamedTuple):
    """Sides that a metric can be measured of."""

    good: Side
    bad: Side
    reference: Side
    known: Known


def rows_of_a_table(n: int, seed: int, missing: float, mean: float) -> Side:
    """A category, a number that depends on it and is sometimes missing, and one that depends on that.

    Without a mean the category is one that other rows have not, in the place of one that they have.
    """
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, n).astype(np.float64)
    r = rng.normal(mean * (2 * a - 1), 0.5)
    s = r + rng.normal(0, 0.5, n)
    r[rng.random(n) < missing] = np.nan
    a = a if mean else 2 * a
    v = coded_rows(TABLE, torch.from_numpy(np.stack([a, r, s], 1))).double().numpy()
    return Side(v, v)


def sides_of(metric: Metric) -> Sides:
    if "table" in metric.needs:
        good, reference = (rows_of_a_table(400, seed, 0.2, 1.0) for seed in (1, 2))
        return Sides(good, rows_of_a_table(400, 3, 0.6, 0.0), reference, Known(good, 0, table=TABLE))
    rng = np.random.default_rng(3)
    copies = ROWS[LABELS == 0][rng.integers((LABELS == 0).sum(), size=200)]
    noise = 3 + rng.standard_normal((200, 2))
    bad = side(np.concatenate([copies, noise]), rng.integers(2, size=400))
    by_heart = Likelihoods(np.arange(8.0) + 4, np.arange(8.0))
    return Sides(GOOD, bad._replace(likelihoods=by_heart), REFERENCE, KNOWN)


def off(metric: Metric, value: float) -> float:
    """How far a value is from what it should be; less is better."""
    ideal = metric.ideal(400, 400, KNOWN)
    return {"lower": value, "higher": -value, "nearer": abs(value - ideal)}[metric.better]


@ALL
def test_it_says_what_it_is(metric: Metric) -> None:
    assert (metric.__doc__ or "").count("\n") == 0
    assert metric.better in ("lower", "higher", "nearer")
    assert np.isfinite(metric.ideal(400, 400, KNOWN))
    assert set(metric.needs) <= set(LACKS)


@ALL
def test_samples_of_the_data_are_better_than_copies_of_one_mode_and_noise(metric: Metric) -> None:
    of = sides_of(metric)
    good, fake = (metric.measure(each, of.reference, of.known).value for each in (of.good, of.bad))
    assert off(metric, good) < off(metric, fake)


@ALL
def test_the_same_seed_gives_the_same_value(metric: Metric) -> None:
    of = sides_of(metric)
    assert metric.measure(of.good, of.reference, of.known) == metric.measure(of.good, of.reference, of.known)


@ALL
def test_samples_of_the_data_are_no_surprise(metric: Metric) -> None:
    of = sides_of(metric)
    measured = metric.measure(of.good, of.reference, of.known)
    assert measured.p_value is None or measured.p_value > 0.001
    assert measured.std_error is None or measured.std_error >= 0


@ALL
def test_the_rows_themselves_in_another_order_are_at_no_distance(metric: Metric) -> None:
    """A metric is of sets of rows: only metrics that split rows by chance see an order."""
    order, of = np.random.default_rng(0).permutation(400), sides_of(metric)
    turned = side(of.good.x[order], None if of.good.labels is None else of.good.labels[order])
    turned = turned._replace(likelihoods=of.good.likelihoods)
    one, other = (metric.measure(each, of.reference, of.known).value for each in (of.good, turned))
    assert one == pytest.approx(other, rel=1e-9, abs=1e-12) or metric.name.startswith("c2st")


def test_what_applies_follows_from_the_data() -> None:
    digits = DataSpec(shape=(1, 8, 8), n_classes=10)
    plain = has(DataSpec(shape=(2,)), TwoMoons(), ("sample",))
    assert plain == {"vectors"}
    assert has(DataSpec(shape=(2,)), EightGaussians(), ("sample", "likelihood")) == {"vectors", "modes", "likelihood"}
    assert has(digits, Digits(), ()) == {"labels", "images"}
    both = {"vectors", "table", "columns", "numbers", "categories", "missing"}
    assert has(DataSpec(shape=(3,), table=TABLE), TwoMoons(), ()) == both
    assert has(DataSpec(shape=(1,), table=table(number("r"))), TwoMoons(), ()) == {"vectors", "table", "numbers"}
    conditioned = digits.model_copy(update={"condition": Labels(n_classes=10)})
    assert has(conditioned, Digits(condition="label"), ()) == {"labels", "images", "label_condition"}
    assert "FD_cnn" not in applicable(plain)
    assert "FD_cnn" in applicable(has(digits, Digits(), ()))
    assert "classification_accuracy" not in applicable(has(digits, Digits(), ()))
    assert applicable(LACKS) == [*METRICS]


def test_a_metric_that_does_not_apply_says_why() -> None:
    assert why_not(METRICS["modes_found"], {"labels"}) == "the modes of its data are not known"
    assert why_not(METRICS["FD_cnn"], ()) == "its data have no labels and its data are not images of 5x5 to 64x64"
    assert why_not(METRICS["mmd2"], ()) == ""
