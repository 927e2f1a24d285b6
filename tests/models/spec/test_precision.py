"""Every family, on data in other units: x and a x + b, from 1e-12 to 1e12 and offset by up to 1e9 spreads.

Networks see the same numbers, so log-densities differ by D log a, samples by the same map, and codes not at all:
exactly where a is a power of two and b = 0, and else but for what float64 rounds off.
"""

from dataclasses import dataclass
from functools import cache
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.capabilities import capabilities
from pushforward.models.config.config import Options
from pushforward.models.families import FAMILIES
from pushforward.models.family import Conditions, Decodes, Encodes, Samples, Scores, Translates
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.stepwise.sampling import sample
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.training.data import TrainingData, conditions, in_data_units, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh
from tests.models.test_families import CPU, SMALL, small_options

N, D = 96, 3
OWN_DATA = {"nis", "puzzle_gan", "text_to_image"}  # the unit cube in its own units; images
EXACT = ((2.0**-40, 0.0),)  # a, b
ROUNDED = ((1e-12, 1e-3), (1e12, -1e21))  # 1e9 spreads away


def rows(kind: str) -> np.ndarray:
    """What the columns are in their own units, (N, D), each around 0 with a spread of about 1."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, D)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -0.5], [0.0, 0.0, 0.5]])
    match kind:
        case "free":
            return x
        case "bounded":
            return np.round(2**20 * x.clip(-2, 2)) / 2**20
    return (2 * x).round().clip(-4, 4) / 4


def source(kind: str, path: str, a: float, b: float) -> dict[str, Any]:
    ends = {"bounded": 2.0, "levels": 1.0}
    if kind == "free":
        return {"source": "npy", "path": path}
    levels = {"levels": 9} if kind == "levels" else {}
    return {"source": "npy", "path": path, "low": -ends[kind] * a + b, "high": ends[kind] * a + b, **levels}


@dataclass(frozen=True)
class Trained:
    data: TrainingData
    state: TrainingState

    @property
    def x(self) -> torch.Tensor:
        return in_data_units(self.data, self.data.validation, CPU)

    @property
    def c(self) -> torch.Tensor:
        return conditions(self.data, self.data.validation, CPU)

    def score(self) -> LogProb:
        family, noise = self.state.run.family, Noise.rows(3, len(self.x))
        assert isinstance(family, Scores)
        with torch.no_grad():
            return family.log_prob(self.state.average, self.x, self.c, noise, self.options("ScoreOptions"))

    def options(self, name: str) -> Options:
        return small_options(getattr(self.state.run.family, name))


@cache
def reference(name: str, kind: str, root: Path) -> Trained:
    return trained(name, kind, root, 1.0, 0.0)


def trained(name: str, kind: str, root: Path, a: float, b: float) -> Trained:
    path = f"{name}-{kind}-{a}-{b}.npz"
    takes = issubclass(FAMILIES[name], Conditions)
    beside = np.random.default_rng(1).standard_normal((N, 2))
    np.savez(root / path, x=a * rows(kind) + b, c=a * beside + b)
    family: dict[str, Any] = {"family": name} | {k: v for k, v in SMALL.items() if k in FAMILIES[name].model_fields}
    run = Run.model_validate({
        "family": family,
        "data": source(kind, path, a, b) | ({"condition": "vector"} if takes else {}),
        "optimizer": {"batch_size": 32, "ema": 0.5},
        "budget": {"steps": 2},
    })  # fmt: skip
    data = load_data(run, root)
    state = fresh(run, data, CPU)
    for _ in train(data, state):
        pass
    return Trained(data, state)


def kinds(name: str) -> list[str]:
    if name == "autoregressive":
        return ["levels"]
    return ["free", "bounded", "levels"] if issubclass(FAMILIES[name], Scores) else ["free"]


FREE = [name for name, cls in FAMILIES.items() if name not in OWN_DATA and not issubclass(cls, Translates)]
CASES = [(name, kind) for name in FREE for kind in kinds(name)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("units")


@pytest.mark.parametrize(("a", "b"), EXACT + ROUNDED)
@pytest.mark.parametrize(("name", "kind"), CASES, ids=map("-".join, CASES))
def test_a_model_does_not_depend_on_the_units_of_its_data(name: str, kind: str, root: Path, a: float, b: float) -> None:
    one, other = reference(name, kind, root), trained(name, kind, root, a, b)
    family, tolerance = one.state.run.family, 0.0 if (a, b) in EXACT else 2e-3
    if isinstance(family, Scores):
        volume = 0.0 if other.data.spec.levels else D * log(a)
        found, expected = other.score().value + volume, one.score().value
        torch.testing.assert_close(found, expected, rtol=1e-9 + tolerance, atol=1e-9 + tolerance)
    if isinstance(family, Samples) and "sample" in capabilities(family):
        drawn = [
            each.data.spec.quantize(sample(family.sampler(each.state.average, each.options("SampleOptions")),
                                           Noise.rows(5, 8), each.c[:8]))
            for each in (one, other)
        ]  # fmt: skip
        assert drawn[1].dtype == getattr(torch, other.data.spec.dtype)
        torch.testing.assert_close((drawn[1].double() - b) / a, drawn[0].double(), rtol=1e-6, atol=1e-6 + tolerance)
    if isinstance(family, Encodes):
        with torch.no_grad():
            z = [family.encode(each.state.average, each.x, each.c) for each in (one, other)]
        assert z[1].dtype == torch.float32
        torch.testing.assert_close(z[1], z[0], rtol=tolerance, atol=tolerance)
    if isinstance(family, Decodes):
        with torch.no_grad():
            z0 = family.prior(one.state.average, Noise.rows(6, 4), one.c[:4])
            x = [family.decode(each.state.average, z0, each.c[:4]).double() for each in (one, other)]
        torch.testing.assert_close((x[1] - b) / a, x[0], rtol=1e-6, atol=1e-6 + tolerance)
