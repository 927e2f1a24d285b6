r"""Networks of a translation: from data to data of the same kind, and a pool of earlier translations.

An image keeps its resolution, and a series its steps: h = conv(x), then residual blocks
h + conv(silu(norm(conv(silu(norm(h)))))), then conv(silu(norm(h))). The norms treat each row alone. A vector goes
through a perceptron.

References:
    | Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (Zhu et al., 2017),
      https://arxiv.org/abs/1703.10593
    | Learning from Simulated and Unsupervised Images through Adversarial Training (Shrivastava et al., 2016),
      https://arxiv.org/abs/1612.07828: the pool
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, final

import torch
from torch import Generator, Tensor, nn

from pushforward.models.networks.builders import decoder, default_width
from pushforward.models.networks.conv import Convolution, convolution, group_norm
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import convolves

if TYPE_CHECKING:
    from jaxtyping import Float


def translator(
    spec: DataSpec, *, width: int | None, depth: int, condition_size: int = 0, flat: bool = False
) -> nn.Module:
    """(B, *shape) to (B, *shape), network units before the range is applied.

    Arguments:
        width: units of a layer for vectors, channels of convolutions; None for `default_width`.
        depth: hidden layers of a perceptron, residual blocks of convolutions.
        condition_size: elements of a condition c; the input is `concat_condition(x, c)`.
        flat: a perceptron for images and series too.
    """
    if not flat and convolves(spec):
        return ResidualTranslator(spec.shape, condition_size, width=width or default_width(spec), depth=depth)
    n_in = (spec.shape[0] + condition_size) * prod(spec.shape[1:])
    return decoder(spec, n_in, width=width, depth=depth, leaky=True, backbone="perceptron")


@final
class ResidualTranslator(nn.Module):
    """(B, C + `extra`, ...) to (B, C, ...)."""

    def __init__(self, shape: Shape, extra: int, *, width: int, depth: int) -> None:
        super().__init__()
        convolve = convolution(shape)
        self.enter = convolve(shape[0] + extra, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(_layer(width, width, convolve), _layer(width, width, convolve)) for _ in range(depth)
        )
        self.leave = _layer(width, shape[0], convolve)

    def forward(self, x: Float[Tensor, "B C2 *place"]) -> Float[Tensor, "B C *place"]:
        h: Tensor = self.enter(x)
        for block in self.blocks:
            h = h + block(h)
        out: Tensor = self.leave(h)
        return out


@final
class TranslationPool(nn.Module):
    """Earlier translations, which a critic sees among new ones: it must not forget what it was shown.

    The first rows that come fill the pool. After that each row, with probability 1/2, changes places with a row of the
    pool, no two rows of a batch with the same one.
    """

    rows: Tensor  # (capacity, *shape)
    filled: Tensor  # how many of them there are

    def __init__(self, capacity: int, shape: Shape) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(capacity, *shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, x: Float[Tensor, " B *shape"], rng: Generator) -> Float[Tensor, " B *shape"]:
        """As many rows to show instead of these."""
        capacity, filled, shown = len(self.rows), int(self.filled), x.clone()
        n_new = min(len(x), capacity - filled)
        self.rows[filled : filled + n_new] = x[:n_new]
        self.filled += n_new
        place = torch.randperm(max(capacity, len(x)), generator=rng, device=rng.device)[: len(x)]
        moves = torch.rand(len(x), generator=rng, device=rng.device) < 0.5
        moves = moves & (place < capacity) & (torch.arange(len(x), device=x.device) >= n_new)
        shown[moves] = self.rows[place[moves]]
        self.rows[place[moves]] = x[moves]
        return shown


def _layer(c_in: int, c_out: int, convolve: Convolution) -> nn.Sequential:
    return nn.Sequential(group_norm(c_in), nn.SiLU(), convolve(c_in, c_out, 3, padding=1))
