"""Samplers of diffusions: from noise to data over falling noise levels, a row for each.

A sampler is a table of coefficients for `LinearSteps`, or a small class. A new one is a row of `SAMPLERS`.
"""

from __future__ import annotations

from collections.abc import Callable

from models.denoising import DenoisingOptions
from models.objectives.schedules import Floats
from models.samplers.dpm_solver import DPMSolver
from models.samplers.heun import Heun
from models.samplers.linear import LinearSteps, ancestral, corrected, ddim, euler_maruyama, reverse_sde
from models.samplers.predictor import Denoising, Predictor
from models.samplers.probability_flow import MOVES, AdaptiveFlow, FlowSteps, FlowWalk

Builder = Callable[[Predictor, Floats, DenoisingOptions], Denoising]  # of levels, noisiest first


def _flow(predict: Predictor, log_snr: Floats, options: DenoisingOptions) -> Denoising:
    if options.solver == "rk4":
        return FlowSteps(predict, log_snr[:-1], log_snr[-1])
    return AdaptiveFlow(predict, log_snr[:-1], log_snr[-1], options.tolerance)


SAMPLERS: dict[str, Builder] = {
    "ddim": lambda predict, levels, options: LinearSteps(predict, levels, ddim(levels, options.eta)),
    "ancestral": lambda predict, levels, options: LinearSteps(predict, levels, ancestral(levels, options.variance)),
    "sde": lambda predict, levels, _: LinearSteps(predict, levels, reverse_sde(levels)),
    "euler_maruyama": lambda predict, levels, _: LinearSteps(predict, levels, euler_maruyama(levels)),
    "predictor_corrector": lambda predict, levels, options: LinearSteps(predict, *corrected(levels, options.snr)),
    "heun": lambda predict, levels, _: Heun(predict, levels),
    "dpm_solver": lambda predict, levels, _: DPMSolver(predict, levels),
    "ode": _flow,
}

__all__ = [
    "MOVES",
    "SAMPLERS",
    "AdaptiveFlow",
    "DPMSolver",
    "FlowSteps",
    "FlowWalk",
    "Heun",
    "LinearSteps",
    "Predictor",
    "ancestral",
    "corrected",
    "ddim",
    "euler_maruyama",
    "reverse_sde",
]
