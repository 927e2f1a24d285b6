r"""Gated PixelCNN: convolutions in which the parameters of each element see the elements before it and no others.

The order is by row, column and channel. Two stacks of convolutions share the work, so that there is no blind spot: the
vertical one sees the rows above, v_i <- x_{<i}, the horizontal one reads it and sees what is to the left,
h_ij <- v_ij, x_{i,<j}. Their layers are gated and take the condition c,

    y = tanh(W_f * x + V_f c) . sigmoid(W_g * x + V_g c),

the horizontal ones residual. At the element's own pixel, group g of the horizontal channels sees the groups up to g, in
the first layer the channels of the image before g: the parameters of channel g come from group g.

The first kernel is 7 pixels wide, the others 3, so a stack of n layers reaches n + 2 pixels up, left and right.

References:
    | Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), https://arxiv.org/abs/1606.05328
    | Pixel Recurrent Neural Networks (van den Oord et al., 2016), https://arxiv.org/abs/1601.06759
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

REACH_FIRST, REACH = 3, 1  # pixels that a kernel reaches beyond its own, in the first layer and in the others


@final
class GatedPixelCNN(nn.Module):
    """P parameters of each element, (B, P, C, H, W), given a condition, (B, condition_size), if there is one."""

    def __init__(self, shape: Shape, n_params: int, *, width: int, depth: int, condition_size: int = 0) -> None:
        super().__init__()
        self.shape, self.n_params = shape, n_params
        n_channels = shape[0]
        channel = torch.arange(n_channels)
        group = torch.arange(width) * n_channels // width
        plane = torch.cat([channel + 1, torch.zeros(1, dtype=torch.long)])  # group g sees the channels below g + 1
        layers = [GatedLayer(plane, group, reach=REACH_FIRST, condition_size=condition_size, first=True)]
        layers += [
            GatedLayer(group, group, reach=REACH, condition_size=condition_size, first=False) for _ in range(depth - 1)
        ]
        self.layers = nn.ModuleList(layers)
        self.inner = MaskedConv2d(channel_mask(group, group)[:, :, None, None])
        self.out = MaskedConv2d(channel_mask(channel, group).repeat_interleave(n_params, 0)[:, :, None, None])

    def forward(self, u: Float[Tensor, "B C H W"], c: Float[Tensor, "B N"] | None = None) -> Float[Tensor, "B P C H W"]:
        v = h = torch.cat([u, torch.ones_like(u[:, :1])], 1)  # a plane of ones marks the image in its padding
        for layer in self.layers:
            v, h = layer(v, h, c)
        out: Tensor = self.out(F.relu(self.inner(F.relu(h))))
        return out.view(-1, self.shape[0], self.n_params, *self.shape[1:]).transpose(1, 2)


def channel_mask(target: Int[Tensor, " N"], source: Int[Tensor, " M"]) -> Bool[Tensor, "N M"]:
    """Whether a target channel sees a source channel at its own pixel, by their groups."""
    return target[:, None] >= source


@final
class GatedLayer(nn.Module):
    """A layer of both stacks, (B, C_in, H, W) each to (B, C_out, H, W) each.

    Arguments:
        source, target: the groups of the channels, (C_in,) and (C_out,).
        reach: pixels that the kernels reach beyond their own.
        condition_size: elements of the condition.
        first: the input is the image itself, of which the vertical stack must not see the current row.
    """

    def __init__(self, source: Tensor, target: Tensor, *, reach: int, condition_size: int, first: bool) -> None:
        super().__init__()
        self.reach, self.first = reach, first
        n_in, n_out = len(source), 2 * len(target)
        both = target.repeat(2)  # tanh's half and the gate's
        left = torch.ones(n_out, n_in, reach, dtype=torch.bool)
        self.vertical = nn.Conv2d(n_in, n_out, (reach + (not first), 2 * reach + 1))
        self.horizontal = MaskedConv2d(torch.cat([left, channel_mask(both, source)[:, :, None]], 2)[:, :, None])
        self.down = nn.Conv2d(n_out, n_out, 1)
        self.leave = MaskedConv2d(channel_mask(target, target)[:, :, None, None])
        self.told = nn.Linear(condition_size, 2 * n_out, bias=False) if condition_size else None

    def forward(self, v: Tensor, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        above: Tensor = self.vertical(F.pad(v, (self.reach, self.reach, self.reach, 0)))
        if self.first:
            above = above[:, :, :-1]  # row i of the image goes to row i + 1
        beside = self.horizontal(F.pad(h, (self.reach, 0))) + self.down(above)
        if self.told is not None and c is not None:
            to_above, to_beside = self.told(c)[:, :, None, None].chunk(2, 1)
            above, beside = above + to_above, beside + to_beside
        y: Tensor = self.leave(gated_activation(beside))
        return gated_activation(above), y if self.first else h + y


def gated_activation(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H W"]:
    """tanh(f) sigmoid(g), f and g being the halves of the channels."""
    f, g = x.chunk(2, 1)
    return f.tanh() * g.sigmoid()


@final
class MaskedConv2d(nn.Conv2d):
    """A convolution whose weights are 0 where the mask, (out, in, rows, columns) bool, is False."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0], (mask.shape[2], mask.shape[3]))
        self.register_buffer("mask", mask.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.mask, self.bias)
