"""Convolutional encoder and decoder for images from 5x5 to 64x64 and for series of 8 to 1,024 steps.

Both change the resolution between a row and a map of 4x4 pixels, or of 4 steps, by factors of two. Channels double at
each halving, up to four times the width. An image whose side is not 8, 16, 32 or 64 (28, say), or that is not square,
and a series whose length is no power of two are padded inside the network.

An image is (C, H, W) and convolved along two axes, a series is (C, L) and convolved along one. So are they in all
networks of convolutions: `convolution` gives the layer.

References:
    | Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2015), arXiv:1511.06434
    | Group Normalization (Wu & He, 2018), https://arxiv.org/abs/1803.08494
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, gcd, log2, prod
from typing import TYPE_CHECKING, final

import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float


SMALLEST = 4  # pixels or steps of a side

Convolution = type[nn.Conv1d | nn.Conv2d]


def convolution(shape: Shape) -> Convolution:
    """The layer along all axes of a row, (C, L) or (C, H, W)."""
    return nn.Conv1d if len(shape) == 2 else nn.Conv2d


def halvings(shape: Shape) -> int:
    """The number of halvings from the (padded) row to the smallest side."""
    return max(1, ceil(log2(max(shape[1:]) / SMALLEST)))


def smallest(shape: Shape, n_channels: int) -> Shape:
    """The shape of the map after all halvings: (n_channels, 4, 4), or (n_channels, 4) of a series."""
    return (n_channels, *(SMALLEST for _ in shape[1:]))


def channels(width: int, level: int) -> int:
    """Channels after `level` halvings."""
    return width * min(1 << level, 4)


def group_norm(n_channels: int) -> nn.GroupNorm:
    """Group normalization, which treats each row alone."""
    return nn.GroupNorm(gcd(8, n_channels), n_channels)


def pad(x: Float[Tensor, "B C *place"], side: int) -> Float[Tensor, "B C *square"]:
    """Pad each axis behind the channels to a side by replicating the edges."""
    lacking = [side - n for n in x.shape[2:]]
    if not any(lacking):
        return x
    ends = [end for n in reversed(lacking) for end in (n // 2, n - n // 2)]  # the last axis first
    return F.pad(x, ends, mode="replicate")


def crop(x: Float[Tensor, "B C *square"], shape: Shape) -> Float[Tensor, "B C *place"]:
    """The inverse of `pad`: the center, of the given shape."""
    for axis, n in enumerate(shape[1:], 2):
        x = x.narrow(axis, (x.shape[axis] - n) // 2, n)
    return x


@final
class ConvEncoder(nn.Module):
    """(B, C, ...) to (B, n_out). `normalized=False` for critics with a gradient penalty."""

    def __init__(
        self,
        shape: Shape,
        n_out: int,
        *,
        width: int,
        normalized: bool = True,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        levels, convolve = halvings(shape), convolution(shape)
        self.side = SMALLEST * 2**levels
        layers: list[nn.Module] = [convolve(shape[0], width, 3, padding=1), activation()]
        for level in range(levels):
            c_in, c_out = channels(width, level), channels(width, level + 1)
            layers.append(convolve(c_in, c_out, 4, stride=2, padding=1))
            layers += [group_norm(c_out), activation()] if normalized else [activation()]
        n_features = prod(smallest(shape, channels(width, levels)))
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_features, n_out))

    def forward(self, x: Float[Tensor, "B C *place"]) -> Float[Tensor, "B N"]:
        out: Tensor = self.layers(pad(x, self.side))
        return out


@final
class ConvDecoder(nn.Module):
    """(B, n_in) to (B, C_out, ...)."""

    def __init__(self, n_in: int, shape: Shape, *, width: int, activation: Callable[[], nn.Module] = nn.SiLU) -> None:
        super().__init__()
        levels, convolve = halvings(shape), convolution(shape)
        self.shape = shape
        first = smallest(shape, channels(width, levels))
        layers: list[nn.Module] = [nn.Linear(n_in, prod(first)), nn.Unflatten(1, first)]
        for level in reversed(range(levels)):
            c_in, c_out = channels(width, level + 1), channels(width, level)
            layers += [
                nn.Upsample(scale_factor=2),
                convolve(c_in, c_out, 3, padding=1),
                group_norm(c_out),
                activation(),
            ]
        self.layers = nn.Sequential(*layers, convolve(width, shape[0], 3, padding=1))

    def forward(self, z: Float[Tensor, "B N"]) -> Float[Tensor, "B C *place"]:
        return crop(self.layers(z), self.shape)
