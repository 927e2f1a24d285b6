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

from models.errors import InvalidInput
from models.family import Options
from models.objectives.schedules import Floats, karras

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
    # None: 12 for ode (four forward passes each), 24 dpm_solver, 32 heun, 50 ddim, else all T; 32 for adaptive
    steps: PositiveInt | None = Field(None, le=4000)
    grid: GridName | None = None  # where they lie. None: log_snr for heun, dpm_solver and ode, else levels
    eta: float = Field(0.0, ge=0.0, le=1.0)  # of ddim: from its deterministic map, 0, to ancestral sampling, 1
    variance: Literal["posterior", "beta"] = "posterior"  # of ancestral: DDPM's two
    snr: float = Field(0.16, gt=0.0, le=1.0)  # of predictor_corrector: the size of a Langevin step
    solver: Literal["rk4", "adaptive"] = "rk4"  # of ode; adaptive takes at most `steps` tries
    tolerance: float = Field(1e-4, ge=1e-7, le=0.1)  # of the adaptive solver: the error of one step
    guidance: float = Field(0.0, ge=-1.0, le=100.0)  # w: noise (1 + w) eps_c - w eps_0; 0 conditional, -1 unconditional
    clip: bool = True  # the predicted data to their range, where they have one

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


class LikelihoodOptions(Options):
    """How log p is found. The cost grows as `steps` x `draws`."""

    method: Literal["flow", "bound"] = "flow"  # an estimate by the probability flow, or the variational lower bound
    steps: int = Field(16, ge=4, le=200)  # of the flow, four forward passes each; levels of the bound, one call each
    draws: int = Field(4, ge=1, le=64)  # averaged, of what is random: the place within the level, the probe, the noise
    divergence: Literal["auto", "exact", "hutchinson"] = "auto"  # of the flow. auto: exact for rows of up to 8 elements

    @model_validator(mode="after")
    def _divergence_is_of_the_flow(self) -> Self:
        self.reserve("divergence", "method", "flow")
        return self


class InversionOptions(Options):
    """How data become codes, and codes data: by default as the default sampler leads its draws."""

    solver: Literal["rk4", "ddim"] = "rk4"  # four forward passes a step, or one
    steps: int = Field(12, ge=1, le=1000)

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
