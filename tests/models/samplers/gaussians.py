"""The exact denoiser of Gaussian data on a line, and what a sampler makes of it: all maps are affine, in float64."""

import torch
from torch import Tensor, nn

from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Level
from pushforward.models.samplers.predictor import Predictor
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.program import State
from pushforward.models.stepwise.sampling import Sampler, no_condition

LINE = DataSpec(shape=(1,))
MEAN, VARIANCE = 0.8, 0.25


class GaussianNoise(nn.Module):
    """E[eps | x] for data N(mean, variance)."""

    def __init__(self, mean: float = MEAN, variance: float = VARIANCE) -> None:
        super().__init__()
        self.mean, self.variance = mean, variance

    def forward(self, x: Tensor, log_snr: Tensor) -> Tensor:
        level = Level.at(log_snr, x)
        return level.sigma * (x - level.alpha * self.mean) / (level.alpha**2 * self.variance + level.sigma**2)


def predictor(mean: float = MEAN, variance: float = VARIANCE) -> Predictor:
    return Predictor(GaussianNoise(mean, variance), LINE)


def begin(sampler: Sampler, x: list[float]) -> State:
    """The state before step 0 with x in the place of the prior's draw."""
    rows = torch.tensor(x, dtype=torch.float64)[:, None]
    state = sampler.init((no_condition(rows),), Noise.rows(0, len(rows)))
    return rows, *(part.double() if part.is_floating_point() else part for part in state[1:])


def affine(sampler: Sampler) -> tuple[float, float]:
    """Slope and intercept of the map of a deterministic sampler."""
    state = begin(sampler, [0.0, 1.0])
    for k in range(sampler.steps):
        state = sampler.step(state, torch.full((2,), k), Noise.rows(0, 2))
    x = sampler.finish(state, Noise.rows(0, 2))
    return (x[1] - x[0]).item(), x[0].item()
