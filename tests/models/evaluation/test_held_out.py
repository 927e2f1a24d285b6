"""What a finished training reached, in numbers that can be compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.data import Rows
from pushforward.models.evaluation.held_out import evaluate, evaluation
from pushforward.models.evaluation.measurement import EvaluationStage
from pushforward.models.evaluation.samples import far_out, rows_drawn
from pushforward.models.evaluation.scores import compared
from pushforward.models.run import Run
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")
PREFIX = "sliced_wasserstein"


def untrained(family: dict[str, Any], source: dict[str, Any], root: Path) -> tuple[TrainingData, TrainingState]:
    run = Run.model_validate({"family": family, "data": source})
    data = load_data(run, root)
    return data, fresh(run, data, CPU)


def of_array(x: np.ndarray, root: Path, family: str = "gan") -> dict[str, float]:
    np.save(root / "x.npy", x)
    return evaluate(*untrained({"family": family, "width": 8}, {"source": "npy", "path": "x.npy"}, root))


def test_distances_in_standard_deviations_do_not_depend_on_units(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((300, 2))
    plain, scaled = of_array(x, tmp_path), of_array(x * [2.0**20, 2.0**-20], tmp_path)
    for which in ("", "_floor", "_gaussian"):
        name = f"{PREFIX}_standardized{which}"
        assert scaled[name] == pytest.approx(plain[name], rel=1e-4)
    assert scaled[PREFIX] > 1e5 * plain[PREFIX]


def test_distances_are_of_as_many_rows_for_every_family(tmp_path: Path) -> None:
    families = ("gan", "autoregressive", "wae")  # of 1, 64 and 1 steps
    found = [evaluate(*untrained({"family": family}, {"source": "digits"}, tmp_path)) for family in families]
    assert {metrics[f"{PREFIX}_rows"] for metrics in found} == {128.0}
    assert len({metrics[f"{PREFIX}_standardized_floor"] for metrics in found}) == 1
    assert len({metrics[f"{PREFIX}_standardized_gaussian"] for metrics in found}) == 1


def test_few_held_out_rows_are_met_by_as_many_samples(tmp_path: Path) -> None:
    metrics = of_array(np.random.default_rng(0).standard_normal((100, 2)), tmp_path)
    assert metrics[f"{PREFIX}_rows"] == 10


@pytest.mark.parametrize(
    ("shape", "steps", "rows"),
    [((2,), 1_000, 2_500), ((1, 8, 8), 1, 128), ((1, 8, 8), 1_024, 128), ((3, 32, 32), 3_072, 42)],
)
def test_fewer_images_are_drawn_only_where_a_sampler_takes_thousands_of_steps(
    shape: tuple[int, ...], steps: int, rows: int
) -> None:
    assert rows_drawn(shape, steps) == rows


def test_a_baseline_is_compared_row_by_row() -> None:
    log_p, baseline = np.array([1.0, 2.0, 6.0]), np.array([0.0, 2.0, 4.0])
    metrics = compared("gaussian", baseline, log_p, None)
    assert metrics["gaussian_log_prob_nats"] == 2
    assert metrics["nats_above_gaussian"] == 1
    assert metrics["nats_above_gaussian_std_error"] == pytest.approx((1 / 3) ** 0.5)


def test_data_with_levels_have_baselines_in_bits(tmp_path: Path) -> None:
    metrics = evaluate(*untrained({"family": "autoregressive"}, {"source": "digits"}, tmp_path))
    assert metrics["independent_columns_bits_per_dim"] == pytest.approx(2.42, abs=0.05)
    assert metrics["independent_columns_log_prob_nats"] < 0


def test_a_binarized_likelihood_is_compared_with_no_baseline(tmp_path: Path) -> None:
    family = {"family": "vae", "width": 8, "likelihood": {"likelihood": "bernoulli"}}
    metrics = evaluate(*untrained(family, {"source": "digits"}, tmp_path))
    assert "nats_above_gaussian" not in metrics
    assert f"{PREFIX}_standardized_gaussian" in metrics


def test_an_integrand_s_proposal_is_compared_with_no_baseline(tmp_path: Path) -> None:
    metrics = evaluate(*untrained({"family": "nis", "width": 8}, {"source": "unit_cube"}, tmp_path))
    assert not [name for name in metrics if "gaussian" in name or "independent" in name]


def test_a_number_that_is_not_finite_is_told(tmp_path: Path) -> None:
    data, state = untrained({"family": "gan", "width": 8}, {"source": "two_moons"}, tmp_path)
    with torch.no_grad():
        for weight in state.average.parameters():
            weight.fill_(torch.nan)
    metrics = evaluate(replace(data, validation=Rows(data.validation.x[:50], None)), state)
    assert np.isnan(metrics[PREFIX])
    assert metrics["samples_not_finite"] == 1


def test_an_evaluation_says_how_far_it_is(tmp_path: Path) -> None:
    family = {"family": "diffusion", "width": 8, "depth": 1, "steps": 50}
    data, state = untrained(family, {"source": "two_moons"}, tmp_path)
    stages = list(evaluation(replace(data, validation=Rows(data.validation.x[:40], None)), state))
    assert all(isinstance(stage, EvaluationStage) and 0 <= stage.done <= stage.total for stage in stages)
    for what in ("scores held-out rows", "draws samples"):
        done = [stage.done for stage in stages if stage.what == what]
        assert len(done) > 10
        assert done == sorted(done)
        assert done[-1] == stages[[stage.what for stage in stages].index(what)].total


def test_far_out_is_further_out_than_the_training_rows_are_wide() -> None:
    train = np.array([[0.0, 5.0], [2.0, 5.0]])  # the second column is constant
    assert far_out(np.array([[3.9, 5.0], [4.1, 5.0], [-2.1, 5.0], [1.0, 9.0]]), train) == 0.5
