"""Convolutional encoder and decoder for images from 5x5 to 64x64.

Both change the resolution between the image and a 4x4 map by factors of two. Channels double at each halving, up to
four times the width. An image whose side is not 8, 16, 32 or 64 (28, say), or that is not square, is padded inside the
network.

References:
    | Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2015), arXiv:1511.06434
    | Group Normalization (Wu & He, 2018), https://arxiv.org/abs/1803.08494
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, gcd, log2
from typing import TYPE_CHECKING, final

import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float


def halvings(shape: Shape) -> int:
    """The number of halvings from the (padded) image to 4x4."""
    return max(1, ceil(log2(max(shape[1], shape[2]) / 4)))


def channels(width: int, level: int) -> int:
    """Channels after `level` halvings."""
    return width * min(1 << level, 4)


def group_norm(n_channels: int) -> nn.GroupNorm:
    """Group normalization, which treats each row alone."""
    return nn.GroupNorm(gcd(8, n_channels), n_channels)


def pad(x: Float[Tensor, "B C H W"], side: int) -> Float[Tensor, "B C H2 W2"]:
    """Pad to (B, C, side, side) by replicating the edges."""
    rows, columns = side - x.shape[2], side - x.shape[3]
    if rows == 0 and columns == 0:
        return x
    return F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), mode="replicate")


def crop(x: Float[Tensor, "B C H W"], shape: Shape) -> Float[Tensor, "B C H2 W2"]:
    """The inverse of `pad`: the center, of the given shape."""
    top, left = (x.shape[2] - shape[1]) // 2, (x.shape[3] - shape[2]) // 2
    return x[:, :, top : top + shape[1], left : left + shape[2]]


@final
class ConvEncoder(nn.Module):
    """(B, C, H, W) to (B, n_out). `normalized=False` for critics with a gradient penalty."""

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
        levels = halvings(shape)
        self.side = 4 * 2**levels
        layers: list[nn.Module] = [nn.Conv2d(shape[0], width, 3, padding=1), activation()]
        for level in range(levels):
            c_in, c_out = channels(width, level), channels(width, level + 1)
            layers.append(nn.Conv2d(c_in, c_out, 4, stride=2, padding=1))
            layers += [group_norm(c_out), activation()] if normalized else [activation()]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * channels(width, levels), n_out))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N"]:
        out: Tensor = self.layers(pad(x, self.side))
        return out


@final
class ConvDecoder(nn.Module):
    """(B, n_in) to (B, C_out, H, W)."""

    def __init__(self, n_in: int, shape: Shape, *, width: int, activation: Callable[[], nn.Module] = nn.SiLU) -> None:
        super().__init__()
        levels = halvings(shape)
        self.shape = shape
        layers: list[nn.Module] = [
            nn.Linear(n_in, 16 * channels(width, levels)),
            nn.Unflatten(1, (channels(width, levels), 4, 4)),
        ]
        for level in reversed(range(levels)):
            c_in, c_out = channels(width, level + 1), channels(width, level)
            layers += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(c_in, c_out, 3, padding=1),
                group_norm(c_out),
                activation(),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, shape[0], 3, padding=1))

    def forward(self, z: Float[Tensor, "B N"]) -> Float[Tensor, "B C H W"]:
        return crop(self.layers(z), self.shape)
