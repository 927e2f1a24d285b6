r"""The network of a diffusion: what noise is in x, at a log signal-to-noise ratio lambda.

The backbone F sees x and lambda and speaks as a velocity, eps = sigma x + alpha F(x, lambda). Where only noise is left
eps is x itself, whatever F says, so the first steps of a sampler, which divide by alpha, are safe; and F = 0, where
training starts, is the exact answer for data N(0, I).

References:
    | Progressive Distillation for Fast Sampling of Diffusion Models (Salimans & Ho, 2022), arXiv:2202.00512
    | Attention Is All You Need (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

from math import log, prod
from typing import final

import torch
from torch import Tensor, nn

from models.objectives.schedules import Level
from models.spec import Shape

WAVES = 32  # of the embedding of lambda


@final
class Denoiser(nn.Module):
    """(B, *shape), lambda, (B,), and where `n_given` > 0 a condition, (B, n_given), to eps, (B, *shape)."""

    def __init__(self, backbone: nn.Module, *, width: int, n_given: int = 0) -> None:
        super().__init__()
        self.embed = LevelEmbedding(width)
        self.told = nn.Linear(n_given, width, bias=False) if n_given else None  # none: adds nothing, as c = 0 does
        self.backbone = backbone

    def forward(self, x: Tensor, log_snr: Tensor, c: Tensor | None = None) -> Tensor:
        h = self.embed(log_snr)
        if self.told is not None and c is not None:
            h = h + self.told(c)
        return Level.at(log_snr, x).noise_of_velocity(x, self.backbone(x, h))


def given(c: Tensor) -> tuple[Tensor, ...]:
    """A condition as the last argument of a network, which has none where C = 0."""
    return (c,) if c.shape[1] else ()


@final
class LevelEmbedding(nn.Module):
    """Lambda, (B,), as sines and cosines of periods from one nat to the whole range, mixed: (B, width)."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.linspace(log(0.05), log(3.0), WAVES).exp(), persistent=False)
        self.mix = nn.Sequential(nn.Linear(2 * WAVES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, log_snr: Tensor) -> Tensor:
        angle = log_snr[:, None] * self.frequencies
        out: Tensor = self.mix(torch.cat([angle.sin(), angle.cos()], dim=1))
        return out


@final
class ResidualMLP(nn.Module):
    """For vectors: `depth` residual blocks of `width` units, each told the level."""

    def __init__(self, shape: Shape, *, width: int, depth: int) -> None:
        super().__init__()
        self.shape = shape
        self.enter = nn.Linear(prod(shape), width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(depth))
        self.leave = zeroed(nn.Linear(width, prod(shape)))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        h = self.enter(x.flatten(1))
        for block in self.blocks:
            h = block(h, level)
        out: Tensor = self.leave(h)
        return out.view(-1, *self.shape)


@final
class ResidualBlock(nn.Module):
    """h + W2 silu(W1 silu(h) + level)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.level = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, h: Tensor, level: Tensor) -> Tensor:
        inner = self.first(nn.functional.silu(h)) + self.level(level)
        out: Tensor = h + self.second(nn.functional.silu(inner))
        return out


def zeroed(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """The layer with weights 0: a residual branch that is silent at first."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
