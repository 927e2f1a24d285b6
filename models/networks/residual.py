r"""Residual networks: a generator, or decoder, a critic and an encoder.

    generator  z -> map of 4x4 (of 4 steps for a series), blocks  h <- up(h) + conv(relu(norm(conv(up(relu(norm(h)))))))
    critic     blocks  h <- down(h + conv(relu(conv(relu(h)))));  relu, sum over positions, linear
    encoder    blocks  h <- down(h + conv(relu(norm(conv(relu(norm(h)))))));  relu(norm(h)), linear of all positions

Norms treat each row alone (group normalization). The critic has none: its game may hold its slope.

References:
    | Deep Residual Learning for Image Recognition (He et al., 2015), https://arxiv.org/abs/1512.03385
    | Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, final

import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.networks.conv import (
    SMALLEST,
    Convolution,
    channels,
    convolution,
    crop,
    group_norm,
    halvings,
    pad,
    smallest,
)
from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float


@final
class UpBlock(nn.Module):
    """(B, C_in, ...) to (B, C_out, ...), each side twice as long."""

    def __init__(self, c_in: int, c_out: int, convolve: Convolution) -> None:
        super().__init__()
        self.norms = nn.ModuleList([group_norm(c_in), group_norm(c_out)])
        self.convolutions = nn.ModuleList([convolve(c_in, c_out, 3, padding=1), convolve(c_out, c_out, 3, padding=1)])
        self.shortcut = convolve(c_in, c_out, 1)

    def forward(self, h: Float[Tensor, "B C *place"]) -> Float[Tensor, "B C2 *place2"]:
        y = F.interpolate(F.relu(self.norms[0](h)), scale_factor=2)
        y = self.convolutions[1](F.relu(self.norms[1](self.convolutions[0](y))))
        around: Tensor = F.interpolate(self.shortcut(h), scale_factor=2)
        out: Tensor = around + y
        return out


@final
class DownBlock(nn.Module):
    """(B, C_in, ...) to (B, C_out, ...), each side half as long."""

    def __init__(self, c_in: int, c_out: int, convolve: Convolution, *, first: bool, normalized: bool) -> None:
        super().__init__()
        self.first = first  # no norm and no activation before the first convolution of the image itself
        norm = group_norm if normalized else nn.Identity
        self.norms = nn.ModuleList([nn.Identity() if first else norm(c_in), norm(c_out)])
        self.convolutions = nn.ModuleList([convolve(c_in, c_out, 3, padding=1), convolve(c_out, c_out, 3, padding=1)])
        self.shortcut = convolve(c_in, c_out, 1)

    def forward(self, h: Float[Tensor, "B C *place"]) -> Float[Tensor, "B C2 *place2"]:
        y = self.convolutions[0](h if self.first else F.relu(self.norms[0](h)))
        out: Tensor = self.shortcut(h) + self.convolutions[1](F.relu(self.norms[1](y)))
        return F.avg_pool1d(out, 2) if out.ndim == 3 else F.avg_pool2d(out, 2)


@final
class ResidualGenerator(nn.Module):
    """(B, n_in) to (B, C, ...)."""

    def __init__(self, n_in: int, shape: Shape, *, width: int) -> None:
        super().__init__()
        levels, convolve = halvings(shape), convolution(shape)
        self.shape = shape
        sizes = [channels(width, level) for level in reversed(range(levels + 1))]
        blocks = [UpBlock(a, b, convolve) for a, b in pairwise(sizes)]
        first = smallest(shape, sizes[0])
        self.layers = nn.Sequential(
            nn.Linear(n_in, prod(first)), nn.Unflatten(1, first), *blocks, group_norm(width), nn.ReLU(),
            convolve(width, shape[0], 3, padding=1),
        )  # fmt: skip

    def forward(self, z: Float[Tensor, "B N"]) -> Float[Tensor, "B C *place"]:
        return crop(self.layers(z), self.shape)


@final
class ResidualCritic(nn.Module):
    """(B, C, ...) to (B, n_out)."""

    def __init__(self, shape: Shape, n_out: int, *, width: int) -> None:
        super().__init__()
        levels = halvings(shape)
        self.side = SMALLEST * 2**levels
        self.blocks = nn.Sequential(*_down(shape, width, normalized=False))
        self.last = nn.Linear(channels(width, levels), n_out)

    def forward(self, x: Float[Tensor, "B C *place"]) -> Float[Tensor, "B N"]:
        h = F.relu(self.blocks(pad(x, self.side)))
        out: Tensor = self.last(h.flatten(2).sum(2))
        return out


@final
class ResidualEncoder(nn.Module):
    """(B, C, ...) to (B, n_out)."""

    def __init__(self, shape: Shape, n_out: int, *, width: int) -> None:
        super().__init__()
        levels = halvings(shape)
        self.side = SMALLEST * 2**levels
        last = smallest(shape, channels(width, levels))
        self.layers = nn.Sequential(
            *_down(shape, width, normalized=True), group_norm(last[0]), nn.ReLU(), nn.Flatten(),
            nn.Linear(prod(last), n_out),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "B C *place"]) -> Float[Tensor, "B N"]:
        out: Tensor = self.layers(pad(x, self.side))
        return out


def _down(shape: Shape, width: int, *, normalized: bool) -> list[DownBlock]:
    """The blocks from an image or a series to the smallest map."""
    sizes = [shape[0], *(channels(width, level) for level in range(1, halvings(shape) + 1))]
    return [
        DownBlock(a, b, convolution(shape), first=i == 0, normalized=normalized)
        for i, (a, b) in enumerate(pairwise(sizes))
    ]
