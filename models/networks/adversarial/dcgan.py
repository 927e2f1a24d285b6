r"""The deep convolutional GAN, by its heuristics.

    generator  z -> map of 4x4 pixels (4 steps of a series), transposed convolutions of stride 2 that double the side,
               batch normalization and ReLU after each but the last, no bias before a normalization
    critic     convolutions of stride 2 and LeakyReLU(0.2), no normalization: gradient penalties treat rows alone
    weights    N(0, 0.02^2); scales of the normalization N(1, 0.02^2)

The side is doubled until it covers the row, and the center is cropped. Batch statistics are those of a training batch
while training and their running averages afterwards, so a served row does not depend on other rows.

References:
    | Unsupervised Representation Learning with Deep Convolutional GANs (Radford et al., 2015), arXiv:1511.06434
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, final

from torch import Tensor, nn

from pushforward.models.networks.conv import SMALLEST, channels, convolution, crop, halvings, pad
from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float

INITIAL_STD = 0.02
LEAKY_SLOPE = 0.2


@final
class DCGANGenerator(nn.Module):
    """(B, n_in) to (B, C, ...)."""

    def __init__(self, n_in: int, shape: Shape, *, width: int) -> None:
        super().__init__()
        levels, (transpose, normalize) = halvings(shape), _layers(shape)
        self.shape = shape
        layers: list[nn.Module] = [
            nn.Unflatten(1, (n_in, *(1 for _ in shape[1:]))),
            transpose(n_in, channels(width, levels), SMALLEST, bias=False),
            normalize(channels(width, levels)),
            nn.ReLU(),
        ]
        for level in reversed(range(1, levels)):
            c_in, c_out = channels(width, level + 1), channels(width, level)
            layers.append(transpose(c_in, c_out, 4, stride=2, padding=1, bias=False))
            layers += [normalize(c_out), nn.ReLU()]
        last = transpose(channels(width, 1), shape[0], 4, stride=2, padding=1)
        self.layers = nn.Sequential(*layers, last).apply(_initialize)

    def forward(self, z: Float[Tensor, "B N"]) -> Float[Tensor, "B C *place"]:
        return crop(self.layers(z), self.shape)


@final
class DCGANCritic(nn.Module):
    """(B, C, ...) to (B, n_out)."""

    def __init__(self, shape: Shape, n_out: int, *, width: int) -> None:
        super().__init__()
        levels, convolve = halvings(shape), convolution(shape)
        self.side = SMALLEST * 2**levels
        sizes = [shape[0], *(channels(width, level) for level in range(1, levels + 1))]
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise(sizes):
            layers += [convolve(c_in, c_out, 4, stride=2, padding=1), nn.LeakyReLU(LEAKY_SLOPE)]
        self.layers = nn.Sequential(*layers, convolve(sizes[-1], n_out, SMALLEST), nn.Flatten()).apply(_initialize)

    def forward(self, x: Float[Tensor, "B C *place"]) -> Float[Tensor, "B N"]:
        out: Tensor = self.layers(pad(x, self.side))
        return out


def _layers(
    shape: Shape,
) -> tuple[type[nn.ConvTranspose1d | nn.ConvTranspose2d], type[nn.BatchNorm1d | nn.BatchNorm2d]]:
    """The transposed convolution and the batch normalization along all axes of a row."""
    return (nn.ConvTranspose1d, nn.BatchNorm1d) if len(shape) == 2 else (nn.ConvTranspose2d, nn.BatchNorm2d)


def _initialize(layer: nn.Module) -> None:
    match layer:
        case nn.Conv1d() | nn.Conv2d() | nn.ConvTranspose1d() | nn.ConvTranspose2d():
            nn.init.normal_(layer.weight, 0.0, INITIAL_STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            nn.init.normal_(layer.weight, 1.0, INITIAL_STD)
            nn.init.zeros_(layer.bias)
