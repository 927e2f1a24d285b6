r"""Layers with an equalized learning rate.

The stored weights are w ~ N(0, 1), and a layer computes with

    W = sqrt(2 / fan_in) w,

He's standard deviation, applied at run time. Adam's steps do not depend on the scale of a gradient, so each step
changes all weights by the same share of their size, in wide layers and in narrow ones.

References:
    | Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras et al., 2017), arXiv:1710.10196
    | Delving Deep into Rectifiers (He et al., 2015), https://arxiv.org/abs/1502.01852
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, final

from torch import nn
from torch.nn.utils import parametrize

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


@final
class Scale(nn.Module):
    """Multiplication by a number that is not learned."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, w: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return self.gain * w


def equalized(layer: Layer) -> Layer:
    """The layer with fresh weights, of standard deviation sqrt(2 / fan_in) at run time, and no bias yet."""
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    fan_in = layer.weight[0].numel()
    parametrize.register_parametrization(layer, "weight", Scale((2 / fan_in) ** 0.5))
    return layer
