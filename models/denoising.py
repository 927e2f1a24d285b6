r"""What may be chosen when a diffusion is asked, and the noise levels that follow from it.

The levels of a sampler lie between the schedule's first, lambda_1, and last, lambda_T:

    levels:   S of the schedule's own T, evenly by their number
    karras:   sigma / alpha evenly in its seventh root, as in EDM
    log_snr:  lambda evenly
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from models.errors import InvalidInput
from models.family import Options
from models.objectives.schedules import Floats, karras

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
    "heun": Defaults(18, "log_snr"),
    "dpm_solver": Defaults(20, "log_snr"),
    "ode": Defaults(32, "log_snr", frozenset({"solver", "tolerance"}), 1),
}


class DenoisingOptions(Options):
    """How noise becomes data."""

    sampler: SamplerName = "ddim"
    steps: PositiveInt | None = Field(None, le=4000)  # None: 50 for ddim, 18 heun, 20 dpm_solver, 32 ode, else all T
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
        return self

    def levels(self, schedule: Floats) -> Floats:
        """Lambda of each step's start, and of the last one's end for ode, noisiest first.

        Arguments:
            schedule: the model's levels, (T,), least noisy first.

        Raises:
            InvalidInput: more steps than levels.
        """
        T, default = len(schedule), DEFAULTS[self.sampler]
        steps = self.steps or min(default.steps or T, T)
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
    steps: int = Field(16, ge=4, le=200)  # of the flow, four network calls each; levels of the bound, one call each
    draws: int = Field(4, ge=1, le=64)  # averaged, of what is random: the place within the level, the probe, the noise
    divergence: Literal["auto", "exact", "hutchinson"] = "auto"  # of the flow. auto: exact for rows of up to 8 elements

    @model_validator(mode="after")
    def _divergence_is_of_the_flow(self) -> Self:
        self.reserve("divergence", "method", "flow")
        return self


class InversionOptions(Options):
    """How data become codes, and codes data."""

    solver: Literal["rk4", "ddim"] = "rk4"  # four network calls a step, or one
    steps: int = Field(12, ge=1, le=1000)


GRIDS: dict[GridName, Callable[[Floats, int], Floats]] = {
    "levels": lambda levels, n: levels[np.linspace(len(levels) - 1, 0, n).round().astype(int)],
    "karras": lambda levels, n: karras(levels[-1], levels[0], n),
    "log_snr": lambda levels, n: np.linspace(levels[-1], levels[0], n),
}
