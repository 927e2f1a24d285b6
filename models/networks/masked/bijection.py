"""Bijections of R^D whose inverse and Jacobian cost a few forward passes, by zuko (MIT).

Each transform splits the elements into `passes` groups; a masked perceptron gives the elements of a group the
parameters of a monotone univariate map, computed from the groups before it and from the condition. Two groups are a
coupling, D groups are fully autoregressive. The parameters are computed from v or from z, which decides which direction
is fast:

    masked:   z_i = g(v_i; theta_i(v_<i)),     forward 1 forward pass, inverse `passes`
    inverse:  z_i = g(v_i; theta_i(z_<i)),     forward `passes`, inverse 1

Either Jacobian is triangular with the same diagonal g'. Its determinant is O(D) and a triangular solve O(D^2), where a
full matrix takes O(D^3) for both. Groups follow an order in one transform and its reverse in the next, so that each
pair of transforms moves all elements by all others: a random order for couplings; that of the data, for images raster
order, where fully autoregressive.

Orders and masks are buffers: a state dict restores them, whatever the seed at which the networks were built.

References:
    | Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), https://arxiv.org/abs/1705.07057
    | Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), arXiv:1606.04934
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from math import log
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.lazy import LazyComposedTransform
from zuko.transforms import AutoregressiveTransform
from zuko.transforms import MonotonicAffineTransform as Affine
from zuko.transforms import MonotonicRQSTransform as RationalQuadratic

from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float

MIN_SLOPE = 1e-3  # of a spline, and one over its largest: zuko's


@final
class Bijection(nn.Module):
    """A bijection between v and z, (B, D) each; the identity at first.

    Arguments:
        univariate: makes a monotone map of a real from its parameters.
        shapes: the shapes of those parameters, for one element.
        passes: the number of groups of elements, at most D.
        width, depth: units and number of the hidden layers of each transform's perceptron.
        condition_size: elements of the condition, C.
        inverse: compute the parameters from z: then `inverse` is one forward pass, and `forward` is `passes`.
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
        condition_size: int = 0,
        inverse: bool = False,
    ) -> None:
        super().__init__()
        make = _InverseAutoregressive if inverse else MaskedAutoregressiveTransform
        self.layers = LazyComposedTransform(
            *(
                make(
                    features,
                    condition_size,
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
            _start_as_identity(layer, alone=features == 1 and condition_size == 0)

    def forward(
        self,
        v: Float[Tensor, "B D"],
        c: Float[Tensor, "B C"] | None = None,
        present: Float[Tensor, "B D"] | None = None,
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, " B"]]:
        """Z, and log |det dz/dv|.

        Arguments:
            c: where C > 0.
            present: 1 and 0. A bijection of the elements that are present, the others being 0 on both sides: each
                transform is triangular in any order of a part of the elements, too. Not where `inverse`.
        """
        log_det = v.new_zeros(())
        for layer in self.layers.transforms:  # one by one: composed, they would be built anew in each call
            transform = layer(c)
            if present is None:
                v, part = transform.call_and_ladj(v)
            else:
                z, parts = _univariate(transform, v).call_and_ladj(v)
                v, part = _where(present, z), _where(present, parts).sum(1)
            log_det = log_det + part
        return v, log_det

    def inverse(
        self,
        z: Float[Tensor, "B D"],
        c: Float[Tensor, "B C"] | None = None,
        present: Float[Tensor, "B D"] | None = None,
    ) -> Float[Tensor, "B D"]:
        """V.  c, present: as in `forward`."""
        for layer in reversed(self.layers.transforms):
            transform = layer(c)
            if present is None:
                z = transform._inverse(z)
                continue
            v = torch.zeros_like(z)
            for _ in range(transform.passes if isinstance(transform, AutoregressiveTransform) else 1):
                v = _where(present, _univariate(transform, v).inv(z))
            z = v
        return z


def _univariate(transform: Any, v: Tensor) -> Any:
    """The maps of the elements, given v; of one element zuko has no network to ask."""
    return transform.meta(v).base if isinstance(transform, AutoregressiveTransform) else transform.base


def _where(present: Tensor, x: Tensor) -> Tensor:
    """The elements that are present, 0 in the place of the others."""
    return torch.where(present > 0, x, 0.0)


@final
class _InverseAutoregressive(MaskedAutoregressiveTransform):  # type: ignore[misc]  # zuko is untyped
    """zuko's transform, its parameters computed from its output."""

    def forward(self, c: Tensor | None = None) -> Any:
        return _ReadsOutput(partial(self.meta, c), self.passes)


@final
class _ReadsOutput(AutoregressiveTransform):  # type: ignore[misc]  # zuko is untyped
    """z_i = g(v_i; theta_i(z_<i)): after pass i, groups 1 to i of z are right."""

    def _call(self, v: Tensor) -> Tensor:
        return self.call_and_ladj(v)[0]

    def _inverse(self, z: Tensor) -> Tensor:
        v: Tensor = self.meta(z)._inverse(z)
        return v

    def log_abs_det_jacobian(self, v: Tensor, z: Tensor) -> Tensor:
        log_det: Tensor = self.meta(z).log_abs_det_jacobian(v, z)
        return log_det

    def call_and_ladj(self, v: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.zeros_like(v)
        for _ in range(self.passes - 1):
            z = self.meta(z)(v)
        z, log_det = self.meta(z).call_and_ladj(v)
        return z, log_det


@final
class CubeSpline(RationalQuadratic):  # type: ignore[misc]  # zuko is untyped
    """A rational-quadratic spline of [-5, 5] onto itself whose slopes at the ends are free too: K, K and K + 1."""

    def __init__(self, widths: Tensor, heights: Tensor, slopes: Tensor) -> None:
        super().__init__(widths, heights, slopes[..., 1:-1])
        self.derivatives = (slopes / (1 + (slopes / log(MIN_SLOPE)).abs())).exp()


def _orders(features: int, passes: int) -> Iterator[Tensor]:
    """The rank of each element in each transform, (D,); an endless iterator."""
    while True:
        order = torch.arange(features) if passes == features else torch.randperm(features)
        yield order
        yield features - 1 - order


def _start_as_identity(layer: Any, *, alone: bool) -> None:
    """Set the parameters of the univariate maps to 0, at which all of zuko's are the identity."""
    outputs = layer if alone else layer.hyper[-1]  # one element and no condition: no network
    for parameter in outputs.parameters():
        nn.init.zeros_(parameter)


__all__ = ["Affine", "Bijection", "CubeSpline", "RationalQuadratic"]
