"""A small UNet for images from 5x5 to 64x64 and series of 8 to 1,024 steps.

Down to 4x4 pixels, or 4 steps, by factors of two, attention there, and up again.

References:
    | U-Net (Ronneberger et al., 2015), https://arxiv.org/abs/1505.04597
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
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
)
from pushforward.models.networks.denoiser import zero_init
from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float


@final
class UNet(nn.Module):
    """(B, C, ...) and an embedding, (B, width), to (B, C, ...), with `depth` blocks at each resolution."""

    def __init__(self, shape: Shape, *, width: int, depth: int) -> None:
        super().__init__()
        self.shape = shape
        levels, convolve = halvings(shape), convolution(shape)
        self.side = SMALLEST * 2**levels
        self.enter = convolve(shape[0], width, 3, padding=1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level in range(levels):
            c, c_below = channels(width, level), channels(width, level + 1)
            self.down.append(UNetStage(c, c, width, depth, convolve))
            self.down.append(convolve(c, c_below, 2, stride=2))
            self.up.insert(0, UNetStage(c + c_below, c, width, depth, convolve))
        bottom = channels(width, levels)
        self.before, self.attention = UNetBlock(bottom, bottom, width, convolve), Attention(bottom, convolve)
        self.after = UNetBlock(bottom, bottom, width, convolve)
        self.leave = nn.Sequential(group_norm(width), nn.SiLU(), zero_init(convolve(width, shape[0], 3, padding=1)))

    def forward(self, x: Float[Tensor, "B C *place"], embedding: Float[Tensor, "B E"]) -> Float[Tensor, "B C *place"]:
        h = self.enter(pad(x, self.side))
        kept = []
        for layer in self.down:
            if isinstance(layer, UNetStage):
                h = layer(h, embedding)
                kept.append(h)
            else:
                h = layer(h)
        h = self.after(self.attention(self.before(h, embedding)), embedding)
        for stage in self.up:
            h = stage(torch.cat([kept.pop(), F.interpolate(h, scale_factor=2)], dim=1), embedding)
        return crop(self.leave(h), self.shape)


@final
class UNetStage(nn.Module):
    """The blocks of one resolution."""

    def __init__(self, c_in: int, c_out: int, width: int, depth: int, convolve: Convolution) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(UNetBlock(c_in if i == 0 else c_out, c_out, width, convolve) for i in range(depth))

    def forward(self, h: Float[Tensor, "B C *place"], embedding: Float[Tensor, "B E"]) -> Float[Tensor, "B C2 *place"]:
        for block in self.blocks:
            h = block(h, embedding)
        return h


@final
class UNetBlock(nn.Module):
    """A residual block of two convolutions; the embedding, mapped to the channels, is added between them."""

    def __init__(self, c_in: int, c_out: int, width: int, convolve: Convolution) -> None:
        super().__init__()
        self.first = nn.Sequential(group_norm(c_in), nn.SiLU(), convolve(c_in, c_out, 3, padding=1))
        self.level = nn.Linear(width, c_out)
        self.second = nn.Sequential(group_norm(c_out), nn.SiLU(), zero_init(convolve(c_out, c_out, 3, padding=1)))
        self.skip = nn.Identity() if c_in == c_out else convolve(c_in, c_out, 1)

    def forward(self, h: Float[Tensor, "B C *place"], embedding: Float[Tensor, "B E"]) -> Float[Tensor, "B C2 *place"]:
        inner = self.first(h) + _at_all_places(self.level(embedding), h)
        out: Tensor = self.skip(h) + self.second(inner)
        return out


@final
class Attention(nn.Module):
    """Self-attention over the pixels of each image, or the steps of each series."""

    def __init__(self, c: int, convolve: Convolution) -> None:
        super().__init__()
        self.norm = group_norm(c)
        self.query_key_value = convolve(c, 3 * c, 1)
        self.out = zero_init(convolve(c, c, 1))

    def forward(self, h: Float[Tensor, "B C *place"]) -> Float[Tensor, "B C *place"]:
        q, k, v = self.query_key_value(self.norm(h)).flatten(2).transpose(1, 2).chunk(3, dim=2)  # (B, places, C)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(h.shape)
        out: Tensor = h + self.out(attended)
        return out


def _at_all_places(level: Float[Tensor, "B C"], h: Float[Tensor, "B C2 *place"]) -> Float[Tensor, "B C *ones"]:
    """To be added to features at every pixel, or step."""
    return level.view(*level.shape, *(1 for _ in h.shape[2:]))
