"""What may be chosen of the ordinary differential equation of a flow: its solver, its steps, and the divergence.

A likelihood costs evaluations of the field x draws: docs/results/samplers.md says how many steps are enough.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from pushforward.models.config.config import Options
from pushforward.models.flows.divergence import Divergence
from pushforward.models.solvers import ode

if TYPE_CHECKING:
    from pushforward.models.paths.schedules import Floats
    from pushforward.models.solvers.ode import Solver

EVALUATIONS = {"euler": 1, "heun": 2, "rk4": 4, "adaptive": 7}  # of the field, for a step

MIN_CNF_ATTEMPTS = 10  # of the adaptive solver, at least
# Steps that do not make narrow data several times as wide: docs/results/samplers.md.
MIN_MATCHING_STEPS = {"euler": 1, "heun": 5, "rk4": 3, "adaptive": 10}


class SolverOptions(Options, ABC):
    """How the ordinary differential equation between noise and data is solved."""

    solver: str  # a Literal in each final class
    steps: int
    tolerance: float

    @model_validator(mode="after")
    def _tolerance_is_of_adaptive(self) -> Self:
        self.reserve("tolerance", "solver", "adaptive")
        return self

    @property
    def n_evaluations(self) -> int:
        """Evaluations of the field, at most."""
        return self.steps * EVALUATIONS[self.solver]

    @abstractmethod
    def grid(self, start: float, end: float) -> Floats:
        """The times between fixed steps, (steps + 1,)."""

    def between(self, start: float, end: float) -> Solver:
        """The solver from one time to another."""
        match self.solver:
            case "euler":
                return ode.Euler(self.grid(start, end))
            case "heun":
                return ode.Heun(self.grid(start, end))
            case "rk4":
                return ode.RungeKutta(self.grid(start, end))
            case _:
                return ode.DormandPrince(start, end, self.tolerance, self.steps)


class CNFSolverOptions(SolverOptions):
    """How closely the flow is followed."""

    solver: Literal["rk4", "adaptive"] = "rk4"
    """How the ordinary differential equation is solved."""
    steps: int = Field(32, ge=2, le=400)
    """Steps of the solver; of the adaptive one, steps tried at most."""
    tolerance: float = Field(1e-5, ge=1e-6, le=0.1)
    """Error of one step that the adaptive solver allows, in network units."""

    @model_validator(mode="after")
    def _attempts_are_enough(self) -> Self:
        if self.solver == "adaptive" and self.steps < MIN_CNF_ATTEMPTS:
            raise ValueError(f"steps is {self.steps}; the solver adaptive needs {MIN_CNF_ATTEMPTS} attempts or more")
        return self

    def grid(self, start: float, end: float) -> Floats:
        return np.linspace(start, end, self.steps + 1)


class CNFLikelihoodOptions(CNFSolverOptions):
    """How closely the flow and its volume are followed."""

    draws: int = Field(4, ge=1, le=64)
    """Draws averaged: probes of the divergence, and places within the level of data with levels."""
    divergence: Divergence = "auto"
    """How the divergence of the field is computed: exactly, or by Hutchinson's estimate; auto: exactly for few
    elements."""


class MatchingSolverOptions(SolverOptions):
    """How the way between noise and data is solved. Fixed steps are shorter near the data, where the field bends."""

    solver: Literal["euler", "heun", "rk4", "adaptive"] = "rk4"
    """How the ordinary differential equation is solved."""
    steps: int = Field(16, ge=1, le=1000)
    """Steps of the solver; of the adaptive one, steps tried at most."""
    tolerance: float = Field(1e-4, ge=1e-6, le=1e-1)
    """Error of one step that the adaptive solver allows, in network units."""

    @model_validator(mode="after")
    def _steps_are_enough(self) -> Self:
        if self.steps < (fewest := MIN_MATCHING_STEPS[self.solver]):
            raise ValueError(
                f"steps is {self.steps}, so few that narrow data come out several times too wide; "
                f"take {fewest} or more of {self.solver}, or the solver euler"
            )
        return self

    def grid(self, start: float, end: float) -> Floats:
        distance: Floats = np.linspace((1 - start) ** 0.5, (1 - end) ** 0.5, self.steps + 1)
        return 1 - distance**2


class MatchingSampleOptions(MatchingSolverOptions):
    """How noise becomes data."""

    guidance: float = Field(0.0, ge=0.0, le=100.0)
    """Guidance w: 0 follows the condition alone, more moves away from the data as a whole."""


class MatchingLikelihoodOptions(MatchingSolverOptions):
    """How closely data are followed back to noise. The cost grows as `steps` x `draws`."""

    draws: int = Field(4, ge=1, le=64)
    """Draws averaged: probes of the divergence, places within the level, noise."""
    divergence: Divergence = "auto"
    """How the divergence of the flow is computed: exactly, or by Hutchinson's estimate; auto: exactly for few
    elements."""
