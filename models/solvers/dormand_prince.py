r"""Dormand and Prince's Runge-Kutta pair of orders 5 and 4: adaptive step sizes, each row its own.

From x at t, seven slopes make a step of size h and an estimate of its error,

    k_i = f(x + h sum_{j < i} a_ij k_j, t + c_i h),     x' = x + h sum_i b_i k_i,     e = h sum_i (b_i - b^_i) k_i,

where b is of order 5, b^ of order 4, and k_7 the slope at x'. With the tolerance tau and

    E^2 = mean over elements of (e / (tau (1 + max(|x|, |x'|))))^2,

the step is accepted where E <= 1, else x stays; either way the next size is h min(5, max(0.2, 0.9 E^{-1/5})). All of it
is of one row: neither its sizes nor its acceptance depend on its batch-mates.

References:
    | A family of embedded Runge-Kutta formulae (Dormand & Prince, 1980), doi:10.1016/0771-050X(80)90013-3
    | Solving Ordinary Differential Equations I (Hairer, Norsett & Wanner, 1993), section II.4
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

VectorField = Callable[["Tensor", "Tensor"], "Tensor"]  # f(x, t), (B, *shape), t (B,) float64: each row on its own

C = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
A = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),  # b: the last stage is the step itself
)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)  # b - b^


class Attempt(NamedTuple):
    """Each row after an attempt; a row whose step was not accepted is where it was."""

    x: Tensor  # (B, *shape)
    t: Tensor  # (B,) float64
    h: Tensor  # (B,) float64, the size to try next, >= 0
    accepted: Tensor  # (B,) bool


def advance(
    field: VectorField, x: Tensor, t: Tensor, h: Tensor, end: Tensor, tolerance: float, least: Tensor | None = None
) -> Attempt:
    """Try one step of each row towards its end, seven calls of the field.

    Arguments:
        field: f(x, t).
        x: (B, *shape).
        t, end: where each row is and where it goes, on either side, (B,) float64. A row at its end stays there.
        h: the size to try, (B,) float64, > 0; a step never leads beyond the end.
        tolerance: tau, of the error of one step, absolute and relative.
        least: a size below which a step is taken whatever its error, (B,) float64. None: every step keeps to the
            tolerance.
    """
    left = end - t
    size = h if least is None else torch.maximum(h, least)
    arrives = size >= left.abs()
    step = torch.where(arrives, left, size.copysign(left))
    column = step.to(x.dtype).view(-1, *[1] * (x.ndim - 1))
    slopes: list[Tensor] = []
    there = x
    for c, a in zip(C, A, strict=True):
        there = x + column * _combination(a, slopes)
        slopes.append(field(there, t + c * step))
    scale = tolerance * (1 + torch.maximum(x.abs(), there.abs()))
    E = (column * _combination(ERROR, slopes) / scale).double().flatten(1).square().mean(1).sqrt()  # (B,)
    E = E.nan_to_num(nan=torch.inf)
    accepted = E <= 1
    if least is not None:
        accepted = accepted | (step.abs() <= least)
    moved = accepted & (step != 0)
    return Attempt(
        torch.where(moved.view_as(column), there, x),
        torch.where(moved, torch.where(arrives, end, t + step), t),
        step.abs() * (0.9 * E**-0.2).clamp(0.2, 5.0),
        accepted,
    )


def _combination(weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor | float:
    """sum_i w_i k_i; zero of none."""
    return sum(weight * slope for weight, slope in zip(weights, slopes, strict=True) if weight != 0.0)
