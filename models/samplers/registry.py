"""Samplers of diffusions by name: from noise to data over falling noise levels.

A sampler is a table of coefficients for `LinearSteps`, or a small class. A new one is a row of `SAMPLERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from pushforward.models.flows.continuous import FlowMap
from pushforward.models.paths.schedules import Floats
from pushforward.models.samplers.dpm_solver import DPMSolver
from pushforward.models.samplers.heun import LONGEST, HeunSampler
from pushforward.models.samplers.linear import (
    LinearSteps,
    ancestral,
    corrected,
    ddim,
    euler_maruyama,
    reverse_sde,
    steadied,
)
from pushforward.models.samplers.ode import DDIM, FlowDecoder, FlowRungeKutta, flow_sampler
from pushforward.models.samplers.options import DenoisingOptions
from pushforward.models.samplers.predictor import Predictor
from pushforward.models.solvers.ode import DormandPrince, Solver
from pushforward.models.stepwise.sampling import Sampler

if TYPE_CHECKING:
    from torch import Tensor

Map: TypeAlias = "Callable[[Tensor], Tensor]"
Builder = Callable[[Predictor, Floats, DenoisingOptions], Sampler]  # of levels, noisiest first

SOLVERS: dict[str, Callable[[Floats, float], Solver]] = {  # of the ends of steps, and a tolerance
    "rk4": lambda ends, _: FlowRungeKutta(ends),
    "ddim": lambda ends, _: DDIM(ends),
    "adaptive": lambda ends, tolerance: DormandPrince(ends[0], ends[-1], tolerance, len(ends) - 1),
}


def _flow(predict: Predictor, log_snr: Floats, options: DenoisingOptions) -> Sampler:
    return flow_sampler(FlowDecoder(predict, SOLVERS[options.solver](log_snr, options.tolerance), log_snr[-1]))


def _frozen(predict: Predictor, log_snr: Floats, coefficients: Floats) -> Sampler:
    return LinearSteps(predict, log_snr, steadied(coefficients, log_snr))


SAMPLERS: dict[str, Builder] = {
    "ddim": lambda predict, levels, options: LinearSteps(predict, levels, ddim(levels, options.eta)),
    "ancestral": lambda predict, levels, options: LinearSteps(predict, levels, ancestral(levels, options.variance)),
    "sde": lambda predict, levels, _: _frozen(predict, levels, reverse_sde(levels)),
    "euler_maruyama": lambda predict, levels, _: _frozen(predict, levels, euler_maruyama(levels)),
    "predictor_corrector": lambda predict, levels, options: LinearSteps(predict, *corrected(levels, options.snr)),
    "heun": lambda predict, levels, _: HeunSampler(predict, levels, LONGEST),
    "dpm_solver": lambda predict, levels, _: DPMSolver(predict, levels),
    "ode": _flow,
}


def flow_map(predict: Predictor, ends: Floats, solver: str, enter: Map, leave: Map) -> FlowMap:
    """Rows along the flow, by Runge and Kutta's steps or DDIM's.  ends: (S + 1,), lambda, in the order of the steps."""
    if solver == "ddim":
        return FlowMap(predict.noise, DDIM(ends), enter, leave)
    return FlowMap(predict.flow, FlowRungeKutta(ends), enter, leave)


def decoder(predict: Predictor, ends: Floats, solver: str) -> FlowDecoder:
    """Codes along the flow to data, as `ode` maps draws of the prior.  ends: (S + 1,), lambda, noisiest first."""
    return FlowDecoder(predict, SOLVERS[solver](ends, 0.0), ends[-1])
