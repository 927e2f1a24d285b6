"""How wide samples of Gaussian data come out with the exact network, by sampler, schedule and number of steps.

Data N(0, sd^2), in network units, have a linear denoiser and a linear velocity field, so each step is an affine map and
the deviation of what comes out is exact: no training, no drawing, some seconds. 1 is right. What is below 1 at many
steps is owed to the first noise level, which hides data as narrow as itself.

    python benchmarks/samplers.py > docs/results/samplers.md
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pushforward.models.families.diffusion import Diffusion
from pushforward.models.families.flow_matching import FlowMatching
from pushforward.models.flows.options import MatchingSampleOptions
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Level
from pushforward.models.samplers.linear import LinearSteps
from pushforward.models.samplers.options import DEFAULTS, DenoisingOptions
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import Sampler, no_condition

LINE = DataSpec(shape=(1,))
WIDTHS = (1.0, 0.3, 0.1, 0.03)
SCHEDULES = ("cosine", "linear", "ou", "edm")
STEPS = (1, 2, 3, 5, 10, 20, 50, 100, None)
HEAD = f"| | steps | calls | {' | '.join(f'sd {width:g}' for width in WIDTHS)} |\n|---|---|---|{'---|' * len(WIDTHS)}"


class Denoiser(nn.Module):
    """E[eps | x]."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, log_snr: Tensor) -> Tensor:
        level = Level.at(log_snr, x)
        return level.sigma * x / ((level.alpha * self.width) ** 2 + level.sigma**2)


class Field(nn.Module):
    """E[x_1 - x_0 | x_t]."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        t = t[:, None]
        variance = self.width**2
        return (t * variance - (1 - t)) / (t**2 * variance + (1 - t) ** 2) * x


def deviation(sampler: Sampler) -> float:
    """The standard deviation of samples: the variance carried through the steps' slopes."""
    variance, twins = 1.0, Noise.join([Noise.rows(0, 1), Noise.rows(0, 1)])  # both rows meet the same noise
    rows = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    state = sampler.init((no_condition(rows),), twins)
    start = tuple(rows if part.shape == rows.shape and i == place(state) else part for i, part in enumerate(state))
    if not isinstance(sampler, LinearSteps):
        for k in range(sampler.steps):
            start = sampler.step(start, torch.full((2,), k), twins)
        zero, one = sampler.finish(start, twins)
        return float((one - zero).item())
    for k in range(sampler.steps):
        zero, one = sampler.step(start, torch.full((2,), k), twins)[0]
        variance = (one - zero).item() ** 2 * variance + sampler.coefficients[k, 2] ** 2
    return float(variance**0.5)


def place(state: tuple[Tensor, ...]) -> int:
    """Which part of a state says where rows are: flows matched keep their condition before it."""
    return 0 if state[0].shape[1] else 1


def calls(name: str, steps: int) -> int:
    """Of the network."""
    each = {"heun": 2, "ode": 4, "rk4": 4, "adaptive": 7}.get(name, 1)
    return each * steps + {"heun": -1, "ode": 1}.get(name, 0)


def line(name: str, samplers: list[Sampler], kind: str, *, default: bool) -> str:
    steps = samplers[0].steps
    spreads = (deviation(s) / width for s, width in zip(samplers, WIDTHS, strict=True))
    note = " (default)" if default else ""
    return f"| {name} | {steps}{note} | {calls(kind, steps)} | {' | '.join(f'{spread:.3f}' for spread in spreads)} |"


def diffusions(schedule: str) -> Iterator[str]:
    family = Diffusion.model_validate({"schedule": {"schedule": schedule}})
    for name in DEFAULTS:
        for steps in STEPS:
            options = DenoisingOptions.model_validate({"sampler": name, "steps": steps})
            samplers = [family.sampler(Nets(LINE, denoiser=Denoiser(width)), options) for width in WIDTHS]
            yield line(name, samplers, name, default=steps is None)


def matched() -> Iterator[str]:
    for name in ("euler", "heun", "rk4", "adaptive"):
        for steps in STEPS:
            options = MatchingSampleOptions.model_validate(
                {"solver": name} | ({} if steps is None else {"steps": steps})
            )
            samplers = [FlowMatching().sampler(Nets(LINE, velocity=Field(width)), options) for width in WIDTHS]
            yield line(name, samplers, name, default=steps is None)


def main() -> None:
    print("# Samplers with the exact network of Gaussian data\n")
    print("The standard deviation of samples as a share of the data's, `sd` in network units; 1 is right. Made by")
    print("`python benchmarks/samplers.py`, which says how. A step that is too long for its method is DDIM's or")
    print("ancestral sampling's (decision 27): few steps give data that are too narrow, not samples that run away.")
    for schedule in SCHEDULES:
        print(f"\n## Diffusion, {schedule} levels\n\n{HEAD}")
        print("\n".join(diffusions(schedule)))
    print(f"\n## Flow matching\n\n{HEAD}")
    print("\n".join(matched()))


if __name__ == "__main__":
    main()
