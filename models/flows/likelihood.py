"""The likelihood of a continuous flow with chosen draws and divergence, within the budget of one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pushforward.models.flows.continuous import FlowLikelihood, Velocity
from pushforward.models.flows.divergence import Divergence, draws_needed, is_exact
from pushforward.models.solvers.ode import Solver
from pushforward.models.spec.data_spec import DataSpec, Shape

if TYPE_CHECKING:
    from torch import Tensor


def flow_likelihood(
    velocity: Velocity,
    solver: Solver,
    enter: Callable[[Tensor], tuple[Tensor, Tensor]],
    spec: DataSpec,
    shape: Shape,
    *,
    draws: int,
    divergence: Divergence,
    n_evaluations: int,
) -> FlowLikelihood:
    """Log p(x) of the flow, step by step.

    Arguments:
        velocity: x, t, c to dx/dt.
        solver: from data to noise.
        enter: data to where the flow runs, and its log |det|, (B,) nats.
        spec: of the data.
        shape: of a row where the flow runs.
        draws: averaged where the likelihood is random.
        divergence: exact or estimated.
        n_evaluations: evaluations of the field for one draw, at most.

    Raises:
        InvalidInput: a row would cost too many vector-Jacobian products.
    """
    exact = is_exact(divergence, spec)
    needed = draws_needed(spec, draws, n_evaluations, exact=exact)
    return FlowLikelihood(velocity, solver, enter, spec, shape, needed, exact)
