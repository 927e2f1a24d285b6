r"""A generator and a critic that grow: from images of 4x4, each side twice the one before, to the whole image.

    generator  z / rms(z) -> block_4 -> block_8 -> ... -> block_S,     image y_s = color_s(h_s)
    critic     color_s(x) -> block_s -> ... -> block_8 -> block_4

Both compute at a side s with a fade alpha, and what is new at that side comes in slowly:

    generator  y = (1 - alpha) up(color_{s/2}(h_{s/2})) + alpha color_s(h_s)
    critic     h = (1 - alpha) color_{s/2}(down(x)) + alpha block_s(color_s(x))
    rows       x = (1 - alpha) up(down(x)) + alpha x

at alpha = 0 the smaller network, at alpha = 1 the larger. Side and fade are a mode of a network, as `train` and `eval`
are. A new network is whole, which is how it is served; `grow` sets another mode. A whole network takes and gives images
of their own shape, a growing one squares of its side: 28x28 is padded to 32x32 for the critic, and cropped when served.

Layers are equalized, the generator's features are normalized at each pixel, and z is put on a sphere.

References:
    | Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras et al., 2017), arXiv:1710.10196
"""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.networks.adversarial.equalized import equalized
from pushforward.models.networks.conv import channels, crop, halvings, pad
from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float

LEAKY_SLOPE = 0.2
EPS = 1e-8  # of a mean square
SMALLEST = 4  # side


class Growing(nn.Module, ABC):
    """A network with a block for each side, of which those up to the present side are in use."""

    blocks: nn.ModuleDict  # by side
    colors: nn.ModuleDict  # by side: between features and colors

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, self.sides = shape, sides(shape)
        self.side, self.alpha, self.whole = self.sides[-1], 1.0, True

    def grow(self, side: int, alpha: float) -> None:
        """Compute at this side and fade from now on."""
        self.side, self.alpha, self.whole = side, alpha, False

    @property
    def in_use(self) -> tuple[str, ...]:
        """The parts that a training at this side moves."""
        upto = self.sides[: self.sides.index(self.side) + 1]
        return (*(f"blocks.{side}" for side in upto), *(f"colors.{side}" for side in upto[-2:]))


@final
class ProgressiveGenerator(Growing):
    """(B, n_in) to (B, C, H, W), or to (B, C, side, side) while it grows."""

    def __init__(self, n_in: int, shape: Shape, *, width: int) -> None:
        super().__init__(shape)
        sizes = _sizes(self.sides, width)
        first = (equalized(nn.Linear(n_in, 16 * sizes[0])), nn.Unflatten(1, (sizes[0], SMALLEST, SMALLEST)))
        self.blocks = nn.ModuleDict({str(SMALLEST): nn.Sequential(*first, *_normed(), *_convolved(sizes[0], sizes[0]))})
        for side, c_in, c_out in zip(self.sides[1:], sizes, sizes[1:], strict=False):
            block = (nn.Upsample(scale_factor=2), *_convolved(c_in, c_out), *_convolved(c_out, c_out))
            self.blocks[str(side)] = nn.Sequential(*block)
        self.colors = nn.ModuleDict(
            {str(side): equalized(nn.Conv2d(c, shape[0], 1)) for side, c in zip(self.sides, sizes, strict=True)}
        )

    def forward(self, z: Float[Tensor, "B N"]) -> Float[Tensor, "B C H W"]:
        before = h = pixel_norm(z)
        for side in self.sides[: self.sides.index(self.side) + 1]:
            before, h = h, self.blocks[str(side)](h)
        y: Tensor = self.colors[str(self.side)](h)
        if self.whole:
            return crop(y, self.shape)
        if self.side == SMALLEST:
            return y
        return torch.lerp(up(self.colors[str(self.side // 2)](before)), y, self.alpha)


@final
class ProgressiveCritic(Growing):
    """(B, C, H, W), or (B, C, side, side) while it grows, to (B, n_out)."""

    def __init__(self, shape: Shape, n_out: int, *, width: int) -> None:
        super().__init__(shape)
        sizes = _sizes(self.sides, width)
        last = (
            equalized(nn.Conv2d(sizes[0], sizes[0], 3, padding=1)), nn.LeakyReLU(LEAKY_SLOPE), nn.Flatten(),
            equalized(nn.Linear(16 * sizes[0], sizes[0])), nn.LeakyReLU(LEAKY_SLOPE),
            equalized(nn.Linear(sizes[0], n_out)),
        )  # fmt: skip
        self.blocks = nn.ModuleDict({str(SMALLEST): nn.Sequential(*last)})
        for side, c_out, c_in in zip(self.sides[1:], sizes, sizes[1:], strict=False):
            self.blocks[str(side)] = nn.Sequential(
                equalized(nn.Conv2d(c_in, c_in, 3, padding=1)), nn.LeakyReLU(LEAKY_SLOPE),
                equalized(nn.Conv2d(c_in, c_out, 3, padding=1)), nn.LeakyReLU(LEAKY_SLOPE), nn.AvgPool2d(2),
            )  # fmt: skip
        self.colors = nn.ModuleDict({
            str(side): nn.Sequential(equalized(nn.Conv2d(shape[0], c, 1)), nn.LeakyReLU(LEAKY_SLOPE))
            for side, c in zip(self.sides, sizes, strict=True)
        })  # fmt: skip

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N"]:
        x = pad(x, self.side)
        h: Tensor = self.colors[str(self.side)](x)
        if self.side > SMALLEST:
            h = self.blocks[str(self.side)](h)
            if not self.whole:
                h = torch.lerp(self.colors[str(self.side // 2)](down(x)), h, self.alpha)
        for side in reversed([side for side in self.sides if side < max(self.side, 2 * SMALLEST)]):
            h = self.blocks[str(side)](h)
        return h


@final
class PixelNorm(nn.Module):
    """`pixel_norm` as a layer."""

    def forward(self, h: Float[Tensor, "B C *place"]) -> Float[Tensor, "B C *place"]:
        return pixel_norm(h)


def pixel_norm(h: Float[Tensor, "B C *place"]) -> Float[Tensor, "B C *place"]:
    """Features of mean square 1 at each pixel."""
    return h * (h.square().mean(1, keepdim=True) + EPS).rsqrt()


def sides(shape: Shape) -> tuple[int, ...]:
    """The sides of the squares on the way to an image: 4, 8, ..., the last of which covers it."""
    return tuple(SMALLEST << level for level in range(halvings(shape) + 1))


def faded(x: Float[Tensor, "B C H W"], side: int, alpha: float) -> Float[Tensor, "B C S S"]:
    """Images as a critic of this side and fade sees them."""
    whole = sides(tuple(x.shape[1:]))[-1]
    x = F.avg_pool2d(pad(x, whole), whole // side)
    return torch.lerp(up(down(x)), x, alpha)


def up(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
    """Twice the side: each pixel four times."""
    return F.interpolate(x, scale_factor=2)


def down(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
    """Half the side: means of four pixels."""
    return F.avg_pool2d(x, 2)


def _sizes(sides: tuple[int, ...], width: int) -> list[int]:
    """Channels at each side."""
    return [channels(width, level) for level in reversed(range(len(sides)))]


def _convolved(c_in: int, c_out: int) -> tuple[nn.Module, ...]:
    return (equalized(nn.Conv2d(c_in, c_out, 3, padding=1)), *_normed())


def _normed() -> tuple[nn.Module, ...]:
    return (nn.LeakyReLU(LEAKY_SLOPE), PixelNorm())
