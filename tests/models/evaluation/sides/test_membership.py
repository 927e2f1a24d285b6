"""`models.evaluation.sides.membership`: likelihoods of training rows and of held-out ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward.models.data import Rows, TwoMoons
from pushforward.models.errors import BadCheckpoint
from pushforward.models.evaluation.baselines import GaussianBaseline
from pushforward.models.evaluation.measurement import finished
from pushforward.models.evaluation.metrics.ranks import area_under_curve
from pushforward.models.evaluation.sides.membership import Members, likelihoods, members
from pushforward.models.family import Scores
from pushforward.models.library import load, train
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.storage.model import Model
from pushforward.models.training.data import TrainingData, load_data


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, TrainingData]:
    """900 rows train it, 100 are held out."""
    folder = tmp_path_factory.mktemp("moons")
    np.save(folder / "moons.npy", TwoMoons().draw(1_000, np.random.default_rng(0)))
    family = {"family": "flow", "width": 8, "n_transforms": 1}
    data = {"source": "npy", "path": "moons.npy"}
    run = Run.model_validate({"family": family, "data": data, "budget": {"steps": 1}})
    train(run, folder / "model", data_root=folder)
    return load(folder / "model"), load_data(run, folder)


def of(moons: tuple[Model, TrainingData]) -> Members:
    model, data = moons
    assert isinstance(data.train, Rows)
    return members(model.family, data, data.train, seed=0)


def test_as_many_training_rows_as_a_training_scores_of_held_out_ones(moons: tuple[Model, TrainingData]) -> None:
    _, data = moons
    found = of(moons)
    assert isinstance(data.train, Rows)
    assert (len(found.training.x), len(found.held_out.x)) == (512, 100)
    assert np.isin(found.training.x, data.train.x).all()
    assert len(np.unique(found.training.x, axis=0)) == 512
    assert (found.held_out.x == data.validation.x).all()


def test_likelihoods_are_those_of_the_model(moons: tuple[Model, TrainingData]) -> None:
    model, data = moons
    family, asked = model.family, of(moons)
    assert isinstance(family, Scores)
    found = finished(likelihoods(model, data, asked, torch.device("cpu")))
    for rows, log_p in zip(asked, found, strict=True):
        x, c = torch.from_numpy(rows.x), torch.empty(len(rows.x), 0)
        exact = family.log_prob(model.nets, x, c, Noise.rows(0, len(x)), family.ScoreOptions()).value
        assert log_p == pytest.approx(exact.numpy(), abs=1e-5)


def test_rows_that_a_gaussian_knows_by_heart_have_the_higher_likelihoods() -> None:
    """The moments of thirty rows of twenty columns; then as many rows that nothing was fitted to."""
    x, y, z = (np.random.default_rng(seed).standard_normal((30, 20)) for seed in range(3))
    gaussian = GaussianBaseline(x.mean(0), x.std(0), np.corrcoef(x.T), 0.0)
    knows = area_under_curve(*Members(Rows(x, None), Rows(y, None)).under(gaussian))
    guesses = area_under_curve(*Members(Rows(z, None), Rows(y, None)).under(gaussian))
    assert knows.value > 0.9
    assert guesses.value == pytest.approx(0.5, abs=4 * (guesses.std_error or 0))


def test_a_model_without_likelihoods_has_none(tmp_path: Path) -> None:
    run = Run.model_validate({"family": {"family": "gan"}, "data": {"source": "two_moons"}, "budget": {"steps": 1}})
    data = load_data(run, tmp_path)
    with pytest.raises(BadCheckpoint, match="no likelihood"):
        members(run.family, data, data.validation, seed=0)
