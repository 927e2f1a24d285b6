"""Autoencoders that were told the label of each row draw rows like those of the label that is asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.family import Samples
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.stepwise.sampling import sample
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

MEANS, SIGMA = np.array([[1.0, -1.0], [-1.0, 1.0]]), 0.7
LINEAR = {"latent": 2, "depth": 0}
FAMILIES: dict[str, dict[str, Any]] = {
    "wae": LINEAR,
    "wae-sliced": LINEAR | {"penalty": {"penalty": "sliced", "directions": 32}},
    "wae-adversarial": LINEAR | {"penalty": {"penalty": "adversarial", "width": 16}},
    "ae": LINEAR | {"density": {"density": "gaussian"}},
    "avb": LINEAR | {"noise": 1, "adversary_steps": 1},
    "discrete_vae": {"codes": 2, "categories": 4, "width": 16, "depth": 1},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the rows are: a Gaussian for each of two labels."""
    y = np.arange(1024) % 2
    x = MEANS[y] + SIGMA * np.random.default_rng(0).standard_normal((1024, 2))
    np.savez(tmp_path_factory.getbasetemp() / "two_gaussians.npz", x=x, y=y)
    return tmp_path_factory.getbasetemp()


@pytest.mark.parametrize("name", FAMILIES)
def test_samples_of_a_label_look_like_its_rows(name: str, root: Path) -> None:
    run = Run.model_validate({
        "family": {"family": name.partition("-")[0]} | FAMILIES[name],
        "data": {"source": "npy", "path": "two_gaussians.npz", "condition": "label"},
        "optimizer": {"lr": 0.1 if name.startswith("wae") else 0.03, "batch_size": 64, "decay": "cosine"},
        "budget": {"steps": 150},
    })  # fmt: skip
    data = load_data(run, root)
    state = fresh(run, data, torch.device("cpu"))
    for _ in train(data, state):
        pass
    family = run.family
    assert isinstance(family, Samples)
    for label, mean in enumerate(MEANS):
        c = torch.eye(2)[[label]].expand(500, -1)
        x = sample(family.sampler(state.served, family.SampleOptions()), Noise.rows(0, 500), c).numpy()
        assert x.mean(0) == pytest.approx(mean, abs=0.4)
        assert x.std(0) == pytest.approx(SIGMA, abs=0.3)
