r"""A residual generator and critic, as those of spectrally normalized GANs.

    generator  z -> 4x4 map, blocks  h <- up(h) + conv(relu(norm(conv(up(relu(norm(h)))))))
    critic     blocks  h <- down(h + conv(relu(conv(relu(h)))));  relu, sum over positions, linear

The norms of the generator treat each row alone (group normalization).

References:
    | Deep Residual Learning for Image Recognition (He et al., 2015), https://arxiv.org/abs/1512.03385
    | Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, final

import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.networks.conv import channels, crop, group_norm, halvings, pad
from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float


@final
class UpBlock(nn.Module):
    """(B, C_in, H, W) to (B, C_out, 2H, 2W)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([group_norm(c_in), group_norm(c_out)])
        self.convolutions = nn.ModuleList([nn.Conv2d(c_in, c_out, 3, padding=1), nn.Conv2d(c_out, c_out, 3, padding=1)])
        self.shortcut = nn.Conv2d(c_in, c_out, 1)

    def forward(self, h: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        y = F.interpolate(F.relu(self.norms[0](h)), scale_factor=2)
        y = self.convolutions[1](F.relu(self.norms[1](self.convolutions[0](y))))
        around: Tensor = F.interpolate(self.shortcut(h), scale_factor=2)
        out: Tensor = around + y
        return out


@final
class DownBlock(nn.Module):
    """(B, C_in, H, W) to (B, C_out, H / 2, W / 2)."""

    def __init__(self, c_in: int, c_out: int, *, first: bool) -> None:
        super().__init__()
        self.first = first  # no activation before the first convolution of the image itself
        self.convolutions = nn.ModuleList([nn.Conv2d(c_in, c_out, 3, padding=1), nn.Conv2d(c_out, c_out, 3, padding=1)])
        self.shortcut = nn.Conv2d(c_in, c_out, 1)

    def forward(self, h: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        y = self.convolutions[0](h if self.first else F.relu(h))
        return F.avg_pool2d(self.shortcut(h) + self.convolutions[1](F.relu(y)), 2)


@final
class ResidualGenerator(nn.Module):
    """(B, n_in) to (B, C, H, W)."""

    def __init__(self, n_in: int, shape: Shape, *, width: int) -> None:
        super().__init__()
        levels = halvings(shape)
        self.shape = shape
        sizes = [channels(width, level) for level in reversed(range(levels + 1))]
        blocks = [UpBlock(a, b) for a, b in pairwise(sizes)]
        self.layers = nn.Sequential(
            nn.Linear(n_in, 16 * sizes[0]), nn.Unflatten(1, (sizes[0], 4, 4)), *blocks, group_norm(width), nn.ReLU(),
            nn.Conv2d(width, shape[0], 3, padding=1),
        )  # fmt: skip

    def forward(self, z: Float[Tensor, "B N"]) -> Float[Tensor, "B C H W"]:
        return crop(self.layers(z), self.shape)


@final
class ResidualCritic(nn.Module):
    """(B, C, H, W) to (B, n_out)."""

    def __init__(self, shape: Shape, n_out: int, *, width: int) -> None:
        super().__init__()
        levels = halvings(shape)
        self.side = 4 * 2**levels
        sizes = [shape[0], *(channels(width, level) for level in range(1, levels + 1))]
        pairs = list(pairwise(sizes))
        self.blocks = nn.Sequential(*(DownBlock(a, b, first=i == 0) for i, (a, b) in enumerate(pairs)))
        self.last = nn.Linear(sizes[-1], n_out)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N"]:
        h = F.relu(self.blocks(pad(x, self.side)))
        out: Tensor = self.last(h.sum((2, 3)))
        return out
