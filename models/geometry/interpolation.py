r"""Paths between two codes.

    linear:  z(t) = (1 - t) a + t b
    slerp:   z(t) = ((1 - t) |a| + t |b|) (cos(t theta) e + sin(t theta) o),   t in [0, 1]

with e = a / |a|, o the unit vector orthogonal to e in the plane of a and b on b's side, and theta the angle between
a and b. Normal codes of D dimensions lie near the sphere of radius sqrt(D): a line cuts through its empty inside,
slerp stays near it; codes that are not normal have a path of their own (`Decodes.natural_path`). For |a| = |b| slerp
is sin((1 - t) theta) / sin(theta) a + sin(t theta) / sin(theta) b. Unlike that form it is finite for opposite codes
too: any plane will do there, and the axis on which |a_i| is smallest picks one.

Example:
    >>> import torch
    >>> from pushforward.models.geometry.interpolation import slerp
    >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 3)
    tensor([[1.0000, 0.0000],
            [0.7071, 0.7071],
            [0.0000, 1.0000]])

References:
    | Sampling Generative Networks (White, 2016), https://arxiv.org/abs/1609.04468
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


PathName = Literal["slerp", "linear"]
Path: TypeAlias = "Callable[[Tensor, Tensor, int], Tensor]"


def linear(start: Float[Tensor, "*shape"], end: Float[Tensor, "..."], steps: int) -> Float[Tensor, " S *shape"]:
    """The straight line from exactly `start` to exactly `end`.

    Arguments:
        start, end: codes of one shape.
        steps: the number of codes, both ends included; at least 2.

    Raises:
        ValueError: fewer than 2 steps, or ends of different shapes.
    """
    a, b, t = _flat(start, end, steps)
    return _with_ends((1 - t) * a + t * b, start, end)


def slerp(start: Float[Tensor, "*shape"], end: Float[Tensor, "..."], steps: int) -> Float[Tensor, " S *shape"]:
    """The great circle, with a norm that changes linearly; the straight line where an end is zero.

    Arguments, shapes and errors are those of `linear`.
    """
    a, b, t = _flat(start, end, steps)
    norm_a, norm_b = a.norm(), b.norm()
    if norm_a == 0 or norm_b == 0:
        return linear(start, end, steps)
    e = a / norm_a
    across = b / norm_b - (e @ b / norm_b) * e
    theta = torch.atan2(across.norm(), e @ b / norm_b)
    o = _unit(across) if across.norm() > 1e-9 else _unit_orthogonal(e)
    direction = torch.cos(t * theta) * e + torch.sin(t * theta) * o
    return _with_ends(((1 - t) * norm_a + t * norm_b) * direction, start, end)


PATHS: Mapping[PathName, Path] = {"slerp": slerp, "linear": linear}


def _flat(start: Tensor, end: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Both ends as float64 vectors (D,), and t as a column (steps, 1)."""
    if steps < 2:
        raise ValueError(f"a path has at least 2 steps, not {steps}")
    if start.shape != end.shape:
        raise ValueError(f"the ends have shapes {list(start.shape)} and {list(end.shape)}; they must be alike")
    t = torch.linspace(0, 1, steps, dtype=torch.float64, device=start.device)
    return start.double().flatten(), end.double().flatten(), t[:, None]


def _with_ends(path: Tensor, start: Tensor, end: Tensor) -> Tensor:
    path = path.to(start.dtype).view(len(path), *start.shape)
    path[0], path[-1] = start, end
    return path


def _unit(v: Tensor) -> Tensor:
    norm = v.norm()
    return v / norm if norm > 0 else v


def _unit_orthogonal(e: Tensor) -> Tensor:
    """Some unit vector orthogonal to e; zero in one dimension, where there is none."""
    axis = torch.zeros_like(e)
    axis[e.abs().argmin()] = 1.0
    return _unit(axis - (e @ axis) * e) if len(e) > 1 else torch.zeros_like(e)
