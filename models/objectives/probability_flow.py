r"""Log-likelihood by an ordinary differential equation.

Along dx/dl = f(x, l), densities obey d log p(x(l)) / dl = -div f, so a point at l_0 carried to l_1 has

    log p_0(x_0) = log p_1(x_1) + integral_{l_0}^{l_1} div f(x(l), l) dl.

A solver of x alone carries both, as the state (x, log-volume) of `augmented`. The divergence is the trace of the
Jacobian, D vector-Jacobian products, or Hutchinson's estimate of it, E v^T (df/dx) v over signs v fixed along the path:
one product, unbiased.

References:
    | Neural Ordinary Differential Equations (Chen et al., 2018), https://arxiv.org/abs/1806.07366
    | FFJORD (Grathwohl et al., 2018), https://arxiv.org/abs/1810.01367
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from models.errors import InvalidInput
from models.lazy import torch
from models.objectives.dormand_prince import VectorField
from models.spec import DataSpec, Shape

if TYPE_CHECKING:
    from torch import Tensor

EXACT_UP_TO = 8  # elements of a row whose divergence is exact unless asked otherwise
PRODUCTS_LIMIT = 20_000  # vector-Jacobian products that the likelihood of one row may cost: a minute, for digits

Divergence = Literal["auto", "exact", "hutchinson"]  # auto: exact for rows of up to 8 elements


def is_exact(divergence: Divergence, spec: DataSpec) -> bool:
    """Whether the trace is taken, not an estimate of it."""
    return divergence == "exact" or (divergence == "auto" and spec.size <= EXACT_UP_TO)


def draws_needed(spec: DataSpec, draws: int, slopes: int, *, exact: bool) -> int:
    """How many draws a likelihood averages: one where nothing is random, neither a probe nor a place within a level.

    Arguments:
        draws: that were asked for.
        slopes: how often the field is evaluated at most for one of them.
        exact: whether by the trace.

    Raises:
        InvalidInput: they cost more than 20,000 products a row.
    """
    needed = 1 if exact and spec.levels is None else draws
    products = slopes * needed * (spec.size if exact else 1)
    if products > PRODUCTS_LIMIT:
        raise InvalidInput(
            f"ask for {products} vector-Jacobian products a row, more than {PRODUCTS_LIMIT}; lower steps or draws"
            + (", or take the divergence hutchinson" if exact else ""),
            field="options",
        )
    return needed


def solved_rows(spec: DataSpec) -> int:
    """How many held-out rows a training scores at its end, where an equation is solved for each."""
    return min(512, max(8, 4096 // spec.size))


def signs(u01: Tensor) -> Tensor:
    """A probe: -1 or 1, evenly.  u01: uniform in (0, 1)."""
    return 2 * (u01 < 0.5).to(u01) - 1


def augmented(field: VectorField, shape: Shape, probe: Tensor | None, *, trains: bool = False) -> VectorField:
    """The field of (x, log-volume) together, (B, D + 1), for solvers that know of no densities.

    Arguments:
        field: f(x, l), differentiable in x.
        shape: of one x; the state holds it flat.
        probe: signs v for Hutchinson's estimate, (B, *shape); None takes the exact trace.
        trains: keep the graph, so that where the state arrives is differentiable in the field's weights.
    """
    slope = _slope_to_train if trains else _slope

    def both(state: Tensor, at: Tensor) -> Tensor:
        f, divergence = slope(field, state[:, :-1].view(-1, *shape), at, probe)
        return torch.cat([f.flatten(1), divergence[:, None]], 1)

    return both


def _slope(field: VectorField, x: Tensor, at: Tensor, probe: Tensor | None) -> tuple[Tensor, Tensor]:
    """F and its divergence. Needs gradients wherever it is called, also inside an engine that turned them off."""
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        f = field(x, at.clone())
        if probe is not None:
            (product,) = torch.autograd.grad(f, x, probe.clone())
            return f.detach(), (product * probe).flatten(1).sum(1)
        return f.detach(), _trace(f, x)


def _slope_to_train(field: VectorField, x: Tensor, at: Tensor, probe: Tensor | None) -> tuple[Tensor, Tensor]:
    """F and its divergence as functions of the weights."""
    if not x.requires_grad:
        x = x.clone().requires_grad_()
    f = field(x, at)
    if probe is not None:
        (product,) = torch.autograd.grad(f, x, probe, create_graph=True)
        return f, (product * probe).flatten(1).sum(1)
    return f, _trace(f, x, create_graph=True)


def _trace(f: Tensor, x: Tensor, *, create_graph: bool = False) -> Tensor:
    """The trace of df/dx of each row, (B,): D vector-Jacobian products."""
    diagonal = []
    for j, f_j in enumerate(f.flatten(1).unbind(1)):
        (row,) = torch.autograd.grad(f_j.sum(), x, retain_graph=True, create_graph=create_graph)
        diagonal.append(row.flatten(1)[:, j])
    return torch.stack(diagonal, 1).sum(1)
