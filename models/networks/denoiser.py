r"""The networks of diffusion models: the noise in x, at a log signal-to-noise ratio lambda, given a condition.

A preconditioning scales the input of the backbone F and turns its output into the noise
(`models.paths.preconditioning`). The embedding of the condition c is added to that of lambda.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from pushforward.models.networks.embeddings import FourierEmbedding
from pushforward.models.paths.preconditioning import Preconditioning
from pushforward.models.paths.schedules import Level
from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float

MIN_FREQUENCY, MAX_FREQUENCY = 0.05, 3.0  # radians a nat of lambda; periods from 2 to 126 nats


@final
class Denoiser(nn.Module):
    """Eps of x, (B, *shape), at lambda, (B,), given a condition c, (B, condition_size), if there is one."""

    def __init__(
        self, backbone: nn.Module, *, width: int, condition_size: int, preconditioning: Preconditioning
    ) -> None:
        super().__init__()
        self.embed = FourierEmbedding(
            width, min_frequency=MIN_FREQUENCY, max_frequency=MAX_FREQUENCY, condition_size=condition_size
        )
        self.backbone = backbone
        self.preconditioning = preconditioning

    def forward(
        self, x: Float[Tensor, " B *shape"], log_snr: Float[Tensor, " B"], c: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, " B *shape"]:
        level = Level.at(log_snr, x)
        F = self.backbone(self.preconditioning.scaled(level, x), self.embed(log_snr, c))
        return self.preconditioning.noise(level, x, F)


@final
class MixedDenoiser(nn.Module):
    """The noise of a row's numbers, and the logits of its choices, from both, noisy.

    The backbone sees numbers, P of them, then one-hot choices, and gives as many: (B, W). The preconditioning is that
    of the numbers.
    """

    def __init__(
        self, backbone: nn.Module, *, n_numbers: int, width: int, condition_size: int, preconditioning: Preconditioning
    ) -> None:
        super().__init__()
        self.embed = FourierEmbedding(
            width, min_frequency=MIN_FREQUENCY, max_frequency=MAX_FREQUENCY, condition_size=condition_size
        )
        self.backbone = backbone
        self.n_numbers = n_numbers
        self.preconditioning = preconditioning

    def forward(
        self, v: Float[Tensor, "B W"], log_snr: Float[Tensor, " B"], c: Float[Tensor, "B C"] | None = None
    ) -> Float[Tensor, "B W"]:
        u, hot = v[:, : self.n_numbers], v[:, self.n_numbers :]
        level = Level.at(log_snr, u)
        seen = torch.cat([self.preconditioning.scaled(level, u), hot], 1)
        out: Tensor = self.backbone(seen, self.embed(log_snr, c))
        eps = self.preconditioning.noise(level, u, out[:, : self.n_numbers])
        return torch.cat([eps, out[:, self.n_numbers :]], 1)


@final
class ResidualMLP(nn.Module):
    """The backbone for vectors: `depth` residual blocks of `width` units, each of which takes the embedding."""

    def __init__(self, shape: Shape, *, width: int, depth: int) -> None:
        super().__init__()
        self.shape = shape
        self.enter = nn.Linear(prod(shape), width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(depth))
        self.leave = zero_init(nn.Linear(width, prod(shape)))

    def forward(self, x: Float[Tensor, " B *shape"], embedding: Float[Tensor, "B W"]) -> Float[Tensor, " B *shape"]:
        h = self.enter(x.flatten(1))
        for block in self.blocks:
            h = block(h, embedding)
        out: Tensor = self.leave(h)
        return out.view(-1, *self.shape)


@final
class ResidualBlock(nn.Module):
    """h + W2 silu(W1 silu(h) + W3 embedding)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.level = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, h: Float[Tensor, "B W"], embedding: Float[Tensor, "B W"]) -> Float[Tensor, "B W"]:
        inner = self.first(nn.functional.silu(h)) + self.level(embedding)
        out: Tensor = h + self.second(nn.functional.silu(inner))
        return out


def zero_init(layer: nn.Linear | nn.Conv1d | nn.Conv2d) -> nn.Linear | nn.Conv1d | nn.Conv2d:
    """Set the weights to 0, so that a residual branch adds nothing at first."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
