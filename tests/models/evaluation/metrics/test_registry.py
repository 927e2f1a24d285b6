"""What holds for every metric, because it is in the registry."""

import numpy as np
import pytest

from pushforward.models.data import Digits, EightGaussians, TwoMoons
from pushforward.models.evaluation.metrics.metric import LACKS, Metric
from pushforward.models.evaluation.metrics.registry import METRICS, applicable, has, why_not
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from tests.models.evaluation.metrics.sides import known, ring, side

ALL = pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
ROWS, LABELS = ring(600, 0)
KNOWN = known(ROWS)
REFERENCE = side(*ring(400, 1))
GOOD = side(*ring(400, 2))


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
    rng = np.random.default_rng(3)
    copies = ROWS[LABELS == 0][rng.integers((LABELS == 0).sum(), size=200)]
    noise = 3 + rng.standard_normal((200, 2))
    bad = side(np.concatenate([copies, noise]), rng.integers(2, size=400))
    good, fake = (metric.measure(each, REFERENCE, KNOWN).value for each in (GOOD, bad))
    assert off(metric, good) < off(metric, fake)


@ALL
def test_the_same_seed_gives_the_same_value(metric: Metric) -> None:
    assert metric.measure(GOOD, REFERENCE, KNOWN) == metric.measure(GOOD, REFERENCE, KNOWN)


@ALL
def test_samples_of_the_data_are_no_surprise(metric: Metric) -> None:
    measured = metric.measure(GOOD, REFERENCE, KNOWN)
    assert measured.p_value is None or measured.p_value > 0.001
    assert measured.std_error is None or measured.std_error >= 0


@ALL
def test_the_rows_themselves_in_another_order_are_at_no_distance(metric: Metric) -> None:
    """A metric is of sets of rows: only metrics that split rows by chance see an order."""
    order = np.random.default_rng(0).permutation(400)
    turned = side(GOOD.x[order], None if GOOD.labels is None else GOOD.labels[order])
    one, other = (metric.measure(each, REFERENCE, KNOWN).value for each in (GOOD, turned))
    assert one == pytest.approx(other, rel=1e-9, abs=1e-12) or metric.name.startswith("c2st")


def test_what_applies_follows_from_the_data() -> None:
    digits = DataSpec(shape=(1, 8, 8), n_classes=10)
    plain = has(DataSpec(shape=(2,)), TwoMoons())
    assert plain == set()
    assert has(DataSpec(shape=(2,)), EightGaussians()) == {"modes"}
    assert has(digits, Digits()) == {"labels", "images"}
    conditioned = digits.model_copy(update={"condition": Labels(n_classes=10)})
    assert has(conditioned, Digits(condition="label")) == {"labels", "images", "label_condition"}
    assert "FD_cnn" not in applicable(plain)
    assert "FD_cnn" in applicable(has(digits, Digits()))
    assert "classification_accuracy" not in applicable(has(digits, Digits()))
    assert applicable({"labels", "images", "modes", "label_condition"}) == [*METRICS]


def test_a_metric_that_does_not_apply_says_why() -> None:
    assert why_not(METRICS["modes_found"], {"labels"}) == "the modes of its data are not known"
    assert why_not(METRICS["FD_cnn"], ()) == "its data have no labels and its data are not images of 5x5 to 64x64"
    assert why_not(METRICS["mmd2"], ()) == ""
