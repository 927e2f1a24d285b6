"""Euclidean distances between points, and the assignment of least total distance.

Example:
    >>> import torch
    >>> from pushforward.models.geometry.distances import distances, optimal_assignment
    >>> x, y = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    >>> distances(x, y)
    tensor([[5., 0.],
            [0., 5.]])
    >>> optimal_assignment(x, y)
    tensor([1, 0])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped
    from torch import Tensor


def distances(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """|x_i - y_j|, exact for close points; its gradient is 0 where two points are equal."""
    d: Tensor = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    return d


def smooth_distances(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """|x_i - y_j| by one matrix product, twice differentiable.

    Where two points are equal, or nearer than the product tells, the distance and all its derivatives are 0.
    """
    center = y.detach().mean(0)  # distances do not change, and rounding counts from here
    x, y = x - center, y - center
    square = squared_distances(x, y)
    rounding = 8 * torch.finfo(x.dtype).eps * ((x**2).sum(1)[:, None] + (y**2).sum(1)).detach()
    close = square <= rounding
    return square.masked_fill(close, 1.0).sqrt().masked_fill(close, 0.0)


def squared_distances(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """|x_i - y_j|^2, by one matrix product: fast, and less exact for close points."""
    square = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return square.clamp_min(0)


def project_to_unit_ball(z: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
    """The nearest point of the unit ball."""
    length: Tensor = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / length.clamp_min(1.0)


def optimal_assignment(x: Shaped[Tensor, " N *shape"], y: Shaped[Tensor, " N *shape"]) -> Int[Tensor, " N"]:
    """Pair the rows of x and y with the least total squared distance: the index into y for each row of x."""
    from scipy.optimize import linear_sum_assignment

    cost = squared_distances(x.flatten(1), y.flatten(1))
    _, column = linear_sum_assignment(cost.cpu().numpy())
    return torch.from_numpy(column).to(x.device)
