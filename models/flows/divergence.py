r"""Log-likelihood by an ordinary differential equation.

Along dx/dl = f(x, l), densities obey d log p(x(l)) / dl = -div f, so a point at l_0 carried to l_1 has

    log p_0(x_0) = log p_1(x_1) + integral_{l_0}^{l_1} div f(x(l), l) dl.

A solver of x alone carries both, as the state (x, log-volume) of `augmented`. The divergence is the trace of the
Jacobian, D vector-Jacobian products, or Hutchinson's estimate of it, E v^T (df/dx) v over signs v fixed along the path:
one product, unbiased.

Training takes few steps, and a solver of few steps can be deceived: where a field stretches within one step by more
than a polynomial of its order can, the integral of the divergence counts volume that the map does not gain, and the
likelihood rises without end. Fields that were trained pay for what they do on the way, in kinetic energy and in the
square of the Jacobian's Frobenius norm; the latter, E | v^T df/dx |^2, costs no further product.

References:
    | Neural Ordinary Differential Equations (Chen et al., 2018), https://arxiv.org/abs/1806.07366
    | FFJORD (Grathwohl et al., 2018), https://arxiv.org/abs/1810.01367
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
    | How to Train Your Neural ODE: the World of Jacobian and Kinetic Regularization (Finlay et al., 2020),
      https://arxiv.org/abs/2002.02798
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from pushforward.models.errors import InvalidInput
from pushforward.models.lazy import torch
from pushforward.models.solvers.dormand_prince import VectorField
from pushforward.models.solvers.gradients import with_gradients
from pushforward.models.spec.data_spec import DataSpec, Shape

if TYPE_CHECKING:
    from torch import Tensor

EXACT_UP_TO = 8  # elements of a row whose divergence is exact unless asked otherwise
PRODUCTS_LIMIT = 20_000  # vector-Jacobian products that the likelihood of one row may cost: a minute, for digits

Divergence = Literal["auto", "exact", "hutchinson"]  # auto: exact for rows of up to 8 elements


def is_exact(divergence: Divergence, spec: DataSpec) -> bool:
    """Whether the divergence is the trace, not an estimate."""
    return divergence == "exact" or (divergence == "auto" and spec.size <= EXACT_UP_TO)


def draws_needed(spec: DataSpec, draws: int, n_evaluations: int, *, exact: bool) -> int:
    """How many draws a likelihood averages: one where nothing is random, neither a probe nor a place within a level.

    Arguments:
        draws: the number in the request.
        n_evaluations: of the field for one of them, at most.
        exact: whether the divergence is the trace, not an estimate.

    Raises:
        InvalidInput: they cost more than 20,000 products a row.
    """
    needed = 1 if exact and spec.levels is None else draws
    products = n_evaluations * needed * (spec.size if exact else 1)
    if products > PRODUCTS_LIMIT:
        raise InvalidInput(
            f"ask for {products} vector-Jacobian products a row, more than {PRODUCTS_LIMIT}; lower steps or draws"
            + (", or take the divergence hutchinson" if exact else ""),
            field="options",
        )
    return needed


def solved_rows(spec: DataSpec) -> int:
    """How many held-out rows are scored at the end of a training, where each row costs the solution of an equation."""
    return min(512, max(8, 4096 // spec.size))


def signs(u01: Tensor) -> Tensor:
    """A probe: -1 or 1, evenly.  u01: uniform in (0, 1)."""
    return 2 * (u01 < 0.5).to(u01) - 1


def augmented(field: VectorField, shape: Shape, probe: Tensor | None) -> VectorField:
    """The field of the state (x, log-volume), (B, D + 1).

    Arguments:
        field: f(x, l), differentiable in x.
        shape: of one x; the state holds it flat.
        probe: signs v for Hutchinson's estimate, (B, *shape); None takes the exact trace.
    """

    def both(state: Tensor, at: Tensor) -> Tensor:
        f, divergence = _slope(field, state[:, :-1].view(-1, *shape), at, probe)
        return torch.cat([f.flatten(1), divergence[:, None]], 1)

    return both


def augmented_to_train(field: VectorField, probe: Tensor | None) -> VectorField:
    """The field of (x, log-volume, kinetic energy, squared norm of the Jacobian), (B, D + 3), with its graph.

    Where the state arrives is differentiable in the field's weights.

    Arguments:
        field: f(x, l) of vectors, differentiable in x.
        probe: signs v, (B, D), for estimates of the divergence and of the norm; None takes both exactly.
    """

    def all_four(state: Tensor, at: Tensor) -> Tensor:
        x = state[:, :-3]
        if not x.requires_grad:
            x = x.clone().requires_grad_()
        f = field(x, at)
        if probe is None:
            rows = list(_jacobian(f, x, create_graph=True))
            divergence, square_norm = _diagonal(rows).sum(1), torch.stack(rows).square().sum((0, 2))
        else:
            (product,) = torch.autograd.grad(f, x, probe, create_graph=True)
            divergence, square_norm = (product * probe).sum(1), product.square().sum(1)
        return torch.cat([f, torch.stack([divergence, f.square().sum(1), square_norm], 1)], 1)

    return all_four


def _slope(field: VectorField, x: Tensor, at: Tensor, probe: Tensor | None) -> tuple[Tensor, Tensor]:
    """f(x, l) and its divergence, (B, *shape) and (B,)."""
    with with_gradients():
        x = x.detach().clone().requires_grad_()
        f = field(x, at.clone())
        if probe is not None:
            (product,) = torch.autograd.grad(f, x, probe.clone())
            return f.detach(), (product * probe).flatten(1).sum(1)
        return f.detach(), _diagonal(_jacobian(f, x)).sum(1)


def _jacobian(f: Tensor, x: Tensor, *, create_graph: bool = False) -> Iterator[Tensor]:
    """The rows of df/dx, D times (B, D): a vector-Jacobian product each."""
    for f_j in f.flatten(1).unbind(1):
        (row,) = torch.autograd.grad(f_j.sum(), x, retain_graph=True, create_graph=create_graph)
        yield row.flatten(1)


def _diagonal(rows: Iterable[Tensor]) -> Tensor:
    """The diagonal of the Jacobian of each row, (B, D)."""
    return torch.stack([row[:, j] for j, row in enumerate(rows)], 1)
