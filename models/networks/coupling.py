"""Bijections of R^D whose inverse and Jacobian cost a few network calls, by zuko (MIT).

Each transform splits the elements into `passes` groups; a masked perceptron gives the elements of a group the
parameters of a monotone univariate map, computed from the groups before it. Two groups are a coupling, D groups are
fully autoregressive. Density takes one network call for each transform, the inverse `passes` of them. Groups follow
an order in one transform and its reverse in the next, so that each pair of transforms moves all elements by all
others: a random order for couplings; that of the data, for images raster order, where fully autoregressive.

Orders and masks are buffers: a state dict restores them, whatever seed the networks were built under.

References:
    | Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), https://arxiv.org/abs/1705.07057
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, final

import torch
from torch import Tensor, nn
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.lazy import LazyComposedTransform
from zuko.transforms import MonotonicAffineTransform as Affine
from zuko.transforms import MonotonicRQSTransform as RationalQuadratic

from models.spec import Shape


@final
class Bijection(nn.Module):
    """v to z and back, (B, D) both; the identity until trained.

    Arguments:
        univariate: makes a monotone map of a real from its parameters.
        shapes: the shapes of those parameters, for one element.
        passes: how many groups the elements are split into, at most D.
        width, depth: units and number of the hidden layers of each transform's perceptron.
        n_given: elements of a condition c, (B, n_given), which is an argument only where there are any.
    """

    def __init__(
        self,
        features: int,
        *,
        univariate: Callable[..., Any],
        shapes: Sequence[Shape],
        n_transforms: int,
        passes: int,
        width: int,
        depth: int,
        n_given: int = 0,
    ) -> None:
        super().__init__()
        self.layers = LazyComposedTransform(
            *(
                MaskedAutoregressiveTransform(
                    features,
                    n_given,
                    passes=passes,
                    order=order,
                    univariate=univariate,
                    shapes=shapes,
                    hidden_features=[width] * depth,
                    activation=nn.SiLU,
                )
                for order in islice(_orders(features, passes), n_transforms)
            )
        )
        for layer in self.layers.transforms:
            _start_as_identity(layer)

    def forward(self, v: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Z, (B, D), and log |det dz/dv|, (B,)."""
        z, log_det = self.layers(c).call_and_ladj(v)
        return z, log_det

    def inverse(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """V, (B, D)."""
        v: Tensor = self.layers(c).inv(z)
        return v


def _orders(features: int, passes: int) -> Iterator[Tensor]:
    """The rank of each element in each transform, (D,), without end."""
    while True:
        order = torch.arange(features) if passes == features else torch.randperm(features)
        yield order
        yield features - 1 - order


def _start_as_identity(layer: nn.Module) -> None:
    """Zero what parametrizes the univariate maps: all of zuko's are the identity at zero."""
    outputs = layer.hyper[-1] if isinstance(layer, MaskedAutoregressiveTransform) else layer  # one element: no network
    for parameter in outputs.parameters():
        nn.init.zeros_(parameter)


__all__ = ["Affine", "Bijection", "RationalQuadratic"]
