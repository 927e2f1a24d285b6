r"""Log-likelihood by an ordinary differential equation.

Along dx/dl = f(x, l), densities obey d log p(x(l)) / dl = -div f, so a point at l_0 carried to l_1 has

    log p_0(x_0) = log p_1(x_1) + integral_{l_0}^{l_1} div f(x(l), l) dl.

Both integrals are taken by the classical Runge-Kutta method on a fixed grid: rows share network calls but neither their
place on the grid nor a step size, so a row's number does not depend on its batch-mates. The divergence is the trace of
the Jacobian, D vector-Jacobian products, or Hutchinson's estimate of it, E v^T (df/dx) v over signs v fixed along the
path: one product, unbiased.

References:
    | Neural Ordinary Differential Equations (Chen et al., 2018), https://arxiv.org/abs/1806.07366
    | FFJORD (Grathwohl et al., 2018), https://arxiv.org/abs/1810.01367
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from models.spec import Shape

VectorField = Callable[["Tensor", "Tensor"], "Tensor"]  # f(x, l), (B, *shape), l (B,): each row on its own


def augmented(field: VectorField, shape: Shape, probe: Tensor | None, *, trains: bool = False) -> VectorField:
    """The field of (x, log-volume) together, (B, D + 1), for solvers that know of no densities.

    Arguments:
        field: f(x, l), differentiable in x.
        shape: of one x; the state holds it flat.
        probe: as in `advance`.
        trains: keep the graph, so that where the state arrives is differentiable in the field's weights.
    """
    slope = _slope_to_train if trains else _slope

    def both(state: Tensor, at: Tensor) -> Tensor:
        f, divergence = slope(field, state[:, :-1].view(-1, *shape), at, probe)
        return torch.cat([f.flatten(1), divergence[:, None]], 1)

    return both


def advance(field: VectorField, x: Tensor, start: Tensor, end: Tensor, probe: Tensor | None) -> tuple[Tensor, Tensor]:
    """Carry each row along the field by one step of its own.

    Arguments:
        field: f(x, l), differentiable in x.
        x: (B, *shape).
        start, end: of each row's step, (B,) float64.
        probe: signs v for Hutchinson's estimate, (B, *shape); None takes the exact trace.

    Returns:
        Where x arrives, (B, *shape), and the integral of the divergence, (B,) float64.
    """
    h = end - start
    middle, step = start + h / 2, h.to(x.dtype).view(-1, *[1] * (x.ndim - 1))
    k1, d1 = _slope(field, x, start, probe)
    k2, d2 = _slope(field, x + step / 2 * k1, middle, probe)
    k3, d3 = _slope(field, x + step / 2 * k2, middle, probe)
    k4, d4 = _slope(field, x + step * k3, end, probe)
    return x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4), h / 6 * (d1 + 2 * d2 + 2 * d3 + d4).double()


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
