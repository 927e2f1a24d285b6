"""What may be served, and what one is told of it first."""

from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.data import Rows
from pushforward.models.errors import Diverged
from pushforward.models.evaluation.judgement import check, check_curve, judge, notes, of_curve
from pushforward.models.evaluation.measurement import finished
from pushforward.models.families import FAMILIES
from pushforward.models.run import Run
from pushforward.models.storage.card import Curve
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")
STEPS = tuple(range(50, 2_051, 50))
TRAINED = 1.0 + 4 * np.exp(-np.arange(40) / 3)  # a curve that has come to its end


@pytest.fixture
def moons(tmp_path: Path) -> TrainingData:
    data = load_data(run_of({}), tmp_path)
    return replace(data, validation=Rows(data.validation.x[:100], None))


def run_of(family: dict[str, Any], steps: int = 8, **optimizer: Any) -> Run:
    return Run.model_validate({
        "family": {"family": "flow", "n_transforms": 2, "width": 16, **family},
        "data": {"source": "two_moons"},
        "optimizer": {"batch_size": 64, **optimizer},
        "budget": {"steps": steps},
    })  # fmt: skip


def curve_of(values: np.ndarray | list[float]) -> Curve:
    values = [float(value) for value in values]
    best = int(np.nanargmin(values))
    return Curve(name="nll_nats", rows=99, steps=STEPS[: len(values)], values=tuple(values), best_step=STEPS[best])


def told(data: TrainingData, curve: Curve | None = None, **metrics: float) -> list[str]:
    return list(notes(data, curve, metrics))


def trained(run: Run, data: TrainingData) -> TrainingState:
    state = fresh(run, data, CPU)
    for _ in train(data, state):
        pass
    return state


@pytest.mark.parametrize("lr", [50, 1e9])
def test_a_training_with_a_learning_rate_far_too_large_is_not_to_be_served(lr: float, moons: TrainingData) -> None:
    with pytest.raises(Diverged, match=r"lower optimizer\.lr"):
        finished(judge(moons, trained(run_of({}, 60, lr=lr), moons)))


@pytest.mark.parametrize("family", ["flow", "gan", "vae", "flow_matching", "wae"])
def test_weights_that_are_no_numbers_are_not_to_be_served(family: str, moons: TrainingData) -> None:
    state = fresh(Run.model_validate({"family": {"family": family}, "data": {"source": "two_moons"}}), moons, CPU)
    with torch.no_grad():
        for weight in state.average.parameters():
            weight.fill_(nan)
    with pytest.raises(Diverged, match="finite"):
        finished(judge(moons, state))


def test_a_finite_model_that_came_to_nothing_is_told_to_lose_to_a_gaussian(moons: TrainingData) -> None:
    run = Run.model_validate({
        "family": {"family": "vae", "latent": 2, "width": 8, "likelihood": {"likelihood": "gaussian"}},
        "data": {"source": "two_moons"},
        "optimizer": {"lr": 1},
        "budget": {"steps": 20},
    })  # fmt: skip
    verdict = finished(judge(moons, trained(run, moons)))
    assert verdict.metrics["nats_above_gaussian"] < 0
    assert any(note.startswith("An ordinary Gaussian fits held-out rows better: -1.9") for note in verdict.notes)


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_curve_that_ends_in_no_number_has_diverged(value: float) -> None:
    check_curve(curve_of([1.0, value, 0.5]))
    with pytest.raises(Diverged, match="nll_nats"):
        check_curve(curve_of([1.0, 0.5, value]))


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"validation_log_prob_nats_exact": -inf}, "held-out rows have no finite score"),
        ({"validation_rmse": nan}, "held-out rows have no finite score"),
        ({"samples_not_finite": 0.004}, "0.40% of its samples are not finite"),
        ({"rows_that_do_not_return": 0.06}, "6% of held-out rows do not come back"),
    ],
)
def test_what_fails_says_what_and_how_to_mend_it(metrics: dict[str, float], words: str) -> None:
    with pytest.raises(Diverged, match=words) as error:
        check(FAMILIES["flow"](), metrics)
    assert "lower optimizer.lr" in error.value.message


def test_codes_need_not_come_back_where_no_family_says_so() -> None:
    check(FAMILIES["vae"](), {"rows_that_do_not_return": 1.0, "validation_rmse": 3.0, "variance_reduction": nan})


def test_every_family_that_says_it_inverts_is_measured_for_it(moons: TrainingData) -> None:
    claiming = [name for name, cls in FAMILIES.items() if getattr(cls, "inverts", False)]
    assert claiming == ["cnf", "flow"]


def test_a_curve_that_has_come_to_its_end_needs_no_note() -> None:
    rng = np.random.default_rng(0)
    for level in (0.0, 0.001, 0.05):
        assert list(of_curve(curve_of(TRAINED + level * rng.standard_normal(40)))) == []


def test_a_curve_that_rises_again_is_overfitted() -> None:
    values = np.concatenate([np.linspace(3, 1, 10), np.linspace(1, 4, 30)])
    [note] = of_curve(curve_of(values))
    assert note.startswith("Overfitted: the held-out nll_nats was lowest at step 500 (1) and rose to 4 at step 2000")
    assert note.endswith("the weights of that step are served.")


def test_a_curve_that_still_falls_asks_for_a_larger_budget() -> None:
    [note] = of_curve(curve_of(np.linspace(5, 1, 40)))
    assert note.startswith("Still falling: the held-out nll_nats fell from 2.026 to 1 in the last quarter")


def test_a_short_curve_says_nothing() -> None:
    assert list(of_curve(curve_of([3.0, 1.0, 5.0]))) == []
    assert list(of_curve(None)) == []


def test_points_that_were_not_finite_are_told() -> None:
    assert list(of_curve(curve_of([nan, *TRAINED]))) == [
        "The held-out nll_nats was not finite at 1 of 41 points of the training."
    ]


def test_few_rows_are_told(moons: TrainingData) -> None:
    few = replace(moons, train=Rows(np.zeros((129, 2)), None))
    assert told(few) == ["Few rows: 129 trained it and 100 were held out, so its numbers are rough."]
    assert told(replace(moons, train=Rows(np.zeros((1_000, 2)), None))) == []


@pytest.mark.parametrize(("above", "is_told"), [(-0.3, True), (-0.19, False), (0.5, False)])
def test_a_baseline_is_told_of_where_it_is_better_beyond_noise(
    above: float, is_told: bool, moons: TrainingData
) -> None:
    metrics = {"nats_above_gaussian": above, "nats_above_gaussian_std_error": 0.1, "gaussian_log_prob_nats": -2.0}
    found = told(moons, **metrics)
    assert found == (
        ["An ordinary Gaussian fits held-out rows better: -2 nats a row, 0.3 ± 0.1 more than this model."]
        if is_told
        else []
    )


@pytest.mark.parametrize(("ours", "is_told"), [(0.5, True), (0.12, False)])
def test_samples_farther_than_a_gaussian_s_are_told_where_there_is_no_likelihood(
    ours: float, is_told: bool, moons: TrainingData
) -> None:
    prefix = "sliced_wasserstein_standardized"
    metrics = {prefix: ours, f"{prefix}_gaussian": 0.1, f"{prefix}_floor": 0.05}
    note = (
        "Samples are 0.5 standard deviations away from held-out rows, those of an ordinary Gaussian 0.1, training rows "
        "0.05 (sliced Wasserstein distances)."
    )
    assert told(moons, **metrics) == ([note] if is_told else [])
    assert told(moons, **metrics, nats_above_gaussian=1.0, nats_above_gaussian_std_error=0.1) == []


def test_samples_far_out_rows_that_do_not_return_and_numbers_that_are_none_are_told(moons: TrainingData) -> None:
    assert told(moons, samples_far_out=0.02, rows_that_do_not_return=0.01, effective_share=nan) == [
        "2.00% of samples lie further outside the range of the training rows than that range is wide.",
        "1.00% of held-out rows do not come back from their codes.",
        "Not finite: effective_share.",
    ]


def test_a_mutual_information_at_its_ceiling_is_a_matter_of_metrics_alone(moons: TrainingData) -> None:
    metrics = {"mutual_information_ceiling_nats": 5.193, "mutual_information_upper_bound_nats": 21.3}
    assert told(moons, **metrics, mutual_information_nats=5.19) == []
