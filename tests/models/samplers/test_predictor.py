"""Guidance and clipping."""

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.paths.schedules import Level
from pushforward.models.samplers.predictor import Predictor
from pushforward.models.spec.data_spec import DataSpec
from tests.models.samplers.gaussians import LINE, GaussianNoise, predictor

LEVELS = torch.tensor([-3.0, 0.5, 4.0], dtype=torch.float64)


class Shifted(nn.Module):
    """Data N(c, 1/4) given c, and N(0, 1/4) of none."""

    def forward(self, x: Tensor, log_snr: Tensor, c: Tensor) -> Tensor:
        level = Level.at(log_snr, x)
        return level.sigma * (x - level.alpha * c) / (0.25 * level.alpha**2 + level.sigma**2)


def guided(w: float) -> Predictor:
    return Predictor(Shifted(), LINE, guidance=w)


X = torch.tensor([[0.3], [-1.0], [2.0]], dtype=torch.float64)
C = torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64)


def test_no_guidance_is_the_conditional_model() -> None:
    """T73: w = 0."""
    torch.testing.assert_close(guided(0.0).noise(X, LEVELS, C), Shifted()(X, LEVELS, C))


def test_guidance_of_minus_one_is_the_unconditional_model() -> None:
    """T73: w = -1, which is what no condition gives at any w."""
    nothing = torch.zeros_like(C)
    torch.testing.assert_close(guided(-1.0).noise(X, LEVELS, C), Shifted()(X, LEVELS, nothing))
    torch.testing.assert_close(guided(3.0).noise(X, LEVELS, nothing), Shifted()(X, LEVELS, nothing))


def test_guidance_is_the_score_of_a_sharpened_condition() -> None:
    """T73: s_c + w (s_c - s_0), the gradient of log p(x|c) + w log p(c|x)."""
    eps_c, eps_0 = Shifted()(X, LEVELS, C), Shifted()(X, LEVELS, torch.zeros_like(C))
    level = Level.at(LEVELS, X)
    expected = level.score(eps_c) + 2.0 * (level.score(eps_c) - level.score(eps_0))
    torch.testing.assert_close(level.score(guided(2.0).noise(X, LEVELS, C)), expected)


def test_data_and_noise_tell_the_same() -> None:
    level = Level.at(LEVELS, X)
    nothing = torch.empty(3, 0)
    for predict in (predictor(), Predictor(GaussianNoise(), DataSpec(shape=(1,), low=0, high=1), (0.2, 0.6))):
        eps = predict.noise(X, LEVELS, nothing)
        torch.testing.assert_close(level.data(X, eps), predict.data(X, LEVELS, nothing))


@pytest.mark.parametrize("w", [0.0, 2.0])
def test_data_are_clipped_after_they_were_guided(w: float) -> None:
    spec = DataSpec(shape=(1,), low=0, high=16, shift=(8.0,), scale=(8.0,))
    x0 = Predictor(Shifted(), spec, (0.0, 16.0), w).data(X, LEVELS, C)
    free = Predictor(Shifted(), spec, None, w).data(X, LEVELS, C)
    torch.testing.assert_close(x0, free.clamp(-1, 1))
    assert not torch.equal(x0, free)
