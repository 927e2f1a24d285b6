r"""What may be chosen when a diffusion is asked, and the noise levels that follow from it.

The levels of a sampler lie between the schedule's first, lambda_1, and last, lambda_T:

    levels:   S of the schedule's own T, evenly by their number
    karras:   sigma / alpha evenly in its seventh root, as in EDM
    log_snr:  lambda evenly

The last two begin no fainter than alpha = `FAINTEST`: beyond it the flow moves a row by less than a hundredth of the
data's scale, and the cosine schedule, whose alpha_T is 5e-5, would spend a third of the steps there.

Defaults are chosen by the spread of what samplers make of Gaussian data by their exact denoiser
(`benchmarks/samplers.py`, docs/results/samplers.md): `ode`, twelve steps of four forward passes each, is within 1 % of
what its first level allows, at the cost of 50 steps of DDIM, which narrow data by 3 to 30 %.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, log1p
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidInput
from pushforward.models.flows.divergence import Divergence
from pushforward.models.paths.schedules import Floats, karras

FAINTEST = 0.01  # alpha
FEWEST_TRIES, TRIES = 16, 32  # of the adaptive solver

SamplerName = Literal["ddim", "ancestral", "sde", "euler_maruyama", "predictor_corrector", "heun", "dpm_solver", "ode"]
GridName = Literal["levels", "karras", "log_snr"]


class Defaults(NamedTuple):
    """What a sampler does unless asked otherwise."""

    steps: int | None  # None: all T
    grid: GridName
    takes: frozenset[str] = frozenset()  # options that no other sampler has
    n_ends: int = 0  # levels it needs beyond one for each step


DEFAULTS: dict[str, Defaults] = {
    "ddim": Defaults(50, "levels", frozenset({"eta"})),
    "ancestral": Defaults(None, "levels", frozenset({"variance"})),
    "sde": Defaults(None, "levels"),
    "euler_maruyama": Defaults(None, "levels"),
    "predictor_corrector": Defaults(None, "levels", frozenset({"snr"})),
    "heun": Defaults(32, "log_snr"),
    "dpm_solver": Defaults(24, "log_snr"),
    "ode": Defaults(12, "log_snr", frozenset({"solver", "tolerance"}), 1),
}


class DenoisingOptions(Options):
    """How noise becomes data."""

    sampler: SamplerName = "ode"
    """The sampler."""
    # None: 12 for ode (four forward passes each), 24 dpm_solver, 32 heun, 50 ddim, else all T; 32 for adaptive
    steps: PositiveInt | None = Field(None, le=4000)
    """Steps of the sampler; left out: as many as suit it."""
    grid: GridName | None = None
    """How steps are spaced; left out: as suits the sampler."""
    eta: float = Field(0.0, ge=0.0, le=1.0)
    """Noise of ddim: 0 is its deterministic map, 1 ancestral sampling."""
    variance: Literal["posterior", "beta"] = "posterior"
    """Variance of a step of ancestral: one of DDPM's two."""
    snr: float = Field(0.16, gt=0.0, le=1.0)
    """Signal-to-noise ratio of predictor_corrector's Langevin steps."""
    solver: Literal["rk4", "adaptive"] = "rk4"
    """Solver of ode."""
    tolerance: float = Field(1e-4, ge=1e-7, le=0.1)
    """Error of one step that the adaptive solver allows."""
    guidance: float = Field(0.0, ge=-1.0, le=100.0)
    """Guidance w: eps = (1 + w) eps(c) - w eps(none); 0 follows the condition alone, -1 ignores it."""
    clip: bool = True
    """Whether predicted data are clipped to their range, where they have one."""

    @model_validator(mode="after")
    def _options_of_others_are_left_out(self) -> Self:
        for sampler, default in DEFAULTS.items():
            for name in default.takes:
                self.reserve(name, "sampler", sampler)
        self.reserve("tolerance", "solver", "adaptive")
        if self.solver == "adaptive" and self.grid is not None:
            raise ValueError("grid is for samplers of given steps; leave it out for the solver adaptive")
        if self.solver == "adaptive" and self.steps is not None and self.steps < FEWEST_TRIES:
            raise ValueError(f"steps is {self.steps}; the solver adaptive needs {FEWEST_TRIES} tries or more")
        return self

    def levels(self, schedule: Floats) -> Floats:
        """Lambda of each step's start, and of the last one's end for ode, noisiest first.

        Arguments:
            schedule: the model's levels, (T,), least noisy first.

        Raises:
            InvalidInput: more steps than levels.
        """
        T, default = len(schedule), DEFAULTS[self.sampler]
        steps = self.steps or (TRIES if self.solver == "adaptive" else min(default.steps or T, T))
        grid = self.grid or default.grid
        most = T - default.n_ends
        if grid == "levels" and steps > most:
            raise InvalidInput(
                f"is {steps}, but the model has {T} noise levels; ask for 1 to {most}", field="options.steps"
            )
        return GRIDS[grid](schedule, steps + default.n_ends)


class ScoringOptions(Options):
    """How log p is found. The cost grows as `steps` x `draws`."""

    method: Literal["flow", "bound"] = "flow"
    """An estimate by the probability flow, or the variational lower bound."""
    steps: int = Field(16, ge=4, le=200)
    """Steps of the flow, four forward passes each; or levels of the bound, one call each."""
    draws: int = Field(4, ge=1, le=64)
    """Draws averaged: probes of the divergence, places within the level, noise."""
    divergence: Divergence = "auto"
    """How the divergence of the flow is computed: exactly, or by Hutchinson's estimate; auto: exactly for few
    elements."""

    @model_validator(mode="after")
    def _divergence_is_of_the_flow(self) -> Self:
        self.reserve("divergence", "method", "flow")
        return self


class MixedStepsOptions(Options):
    """How noise becomes rows of a table."""

    steps: PositiveInt = Field(100, le=4000)
    """Steps, one forward pass each, over the model's noise levels; at most as many as these."""
    variance: Literal["posterior", "beta"] = "posterior"
    """Variance of a step of the numbers: one of DDPM's two."""
    guidance: float = Field(0.0, ge=-1.0, le=100.0)
    """Guidance w: (1 + w) f(c) - w f(none), of noise and logits; 0 follows the condition alone, -1 ignores it."""

    def levels(self, schedule: Floats) -> Floats:
        """Lambda of each step's start, noisiest first.  schedule: (T,), least noisy first."""
        return GRIDS["levels"](schedule, min(self.steps, len(schedule)))


class MixedBoundOptions(Options):
    """How tight the estimate of a bound is. The cost grows as `steps` x `draws`."""

    steps: int = Field(16, ge=4, le=1000)
    """Noise levels of a draw, one forward pass each."""
    draws: int = Field(4, ge=1, le=64)
    """Draws averaged; one has no standard error."""


class InversionOptions(Options):
    """How data become codes, and codes data: by default as the default sampler leads its draws."""

    solver: Literal["rk4", "ddim"] = "rk4"
    """Solver of the probability flow: four forward passes a step, or one."""
    steps: int = Field(12, ge=1, le=1000)
    """Steps of the probability flow."""

    def levels(self, schedule: Floats) -> Floats:
        """Lambda of the ends of steps, (steps + 1,), noisiest first."""
        return GRIDS["log_snr"](schedule, self.steps + 1)


def noisiest(schedule: Floats) -> float:
    """Lambda where the grids of samplers and codes begin: lambda_T, or that of the faintest signal that matters."""
    return max(float(schedule[-1]), 2 * log(FAINTEST) - log1p(-(FAINTEST**2)))


GRIDS: dict[GridName, Callable[[Floats, int], Floats]] = {
    "levels": lambda levels, n: levels[np.linspace(len(levels) - 1, 0, n).round().astype(int)],
    "karras": lambda levels, n: karras(noisiest(levels), levels[0], n),
    "log_snr": lambda levels, n: np.linspace(noisiest(levels), levels[0], n),
}
