r"""Semi-discrete optimal transport: a density mu onto n points y_i of mass 1/n each, for the squared distance.

The optimal map is the gradient of Brenier's potential, which is convex and piecewise linear,

    u_h(x) = max_i <x, y_i> + h_i,      grad u_h(x) = y_i  for x in the cell  W_i(h) = {x: the maximum is at i}.

The heights h for which every cell has its mass are the minimum of a convex energy,

    E(h) = E_{x ~ mu} u_h(x) - (1/n) sum_i h_i,      dE/dh_i = mu(W_i(h)) - 1/n,

descended on with draws of mu; a point that does not count has h_i = -inf. Codes distributed like mu itself need
h_i = -|y_i|^2 / 2: nearest neighbors.

The map reaches nothing but the points. An et al. extend it to a piecewise linear one: with c_i = E[x | x in W_i] and
i_1, ..., i_k the cells whose centers are nearest to x,

    T(x) = sum_j w_j y_{i_j} / sum_j w_j,      w_j = 1 / |x - c_{i_j}|.

Where u_h has a sharp edge its gradient jumps: the support of the codes has a gap there, and what lies between its sides
would be a mixture of modes. So those i_j are left out whose facet of the graph of u_h, with the normal (y_i, -1), makes
with that of i_1 more than a threshold's angle. Nothing is thrown away: with all left out, T(x) is the code y_{i_1}.

Example:
    >>> import torch
    >>> from pushforward.models.geometry.semidiscrete import cells
    >>> y = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> cells(torch.tensor([[2.0, 3.0], [-0.5, 0.0]]), y, -y.square().sum(1) / 2)  # nearest neighbors
    tensor([0, 1])

References:
    | AE-OT: A New Generative Model Based on Extended Semi-discrete Optimal Transport (An et al., 2020), ICLR
    | Variational principles for Minkowski type problems, discrete optimal transport (Gu et al., 2013), arXiv:1302.5472
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pushforward.models.geometry.distances import squared_distances
from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int
    from torch import Tensor


def cells(x: Float[Tensor, "B D"], y: Float[Tensor, "N D"], h: Float[Tensor, " N"]) -> Int[Tensor, " B"]:
    """The index of the cell that each x lies in."""
    return torch.addmm(h, x, y.T).argmax(1)


def energy(
    x: Float[Tensor, "B D"], y: Float[Tensor, "N D"], h: Float[Tensor, " N"], i: Int[Tensor, " B"]
) -> Float[Tensor, ""]:
    """E(h), estimated from draws x of mu and their cells i."""
    return ((x * y[i]).sum(1) + h[i]).mean() - h[h.isfinite()].mean()


def facet_angles(y: Float[Tensor, "*#shape D"], z: Float[Tensor, "*#shape D"]) -> Float[Tensor, "*shape"]:
    """The angles between the facets of y and those of z, radians."""
    cosine = F.cosine_similarity(_normal(y), _normal(z), dim=-1)
    return cosine.clamp(-1, 1).acos()


def extension(
    x: Float[Tensor, "B D"],
    y: Float[Tensor, "N D"],
    centers: Float[Tensor, "N D"],
    known: Bool[Tensor, " N"],
    neighbors: int,
    widest: float,
) -> Float[Tensor, "B D"]:
    """T(x).

    Arguments:
        y, centers: the points and the means of their cells.
        known: which of them count, at least one.
        neighbors: k, the number of cells considered.
        widest: the angle beyond which a neighbor is left out, radians.
    """
    square = squared_distances(x, centers).masked_fill(~known, torch.inf)
    square, i = square.topk(neighbors, dim=1, largest=False)  # (B, k)
    codes = y[i]  # (B, k, D)
    near = facet_angles(codes, codes[:, :1]) <= widest
    first = torch.zeros_like(near)
    first[:, 0] = True
    weight = (near | first) / square.sqrt().clamp_min(1e-12)
    return (weight[:, :, None] * codes).sum(1) / weight.sum(1, keepdim=True)


def _normal(y: Tensor) -> Tensor:
    """The normal of the facet <., y> + h, (..., D + 1)."""
    return torch.cat([y, -torch.ones_like(y[..., :1])], -1)
