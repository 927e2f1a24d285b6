r"""Classifier-free guidance: one network is the conditional and the unconditional model.

In training a condition is left out with probability `drop`: c = 0. A field f(x, t; c), a noise or a velocity, is then
guided by

    (1 + w) f(x, t; c) - w f(x, t; 0),

w = 0 being the conditional model and w = -1 the unconditional one.

References:
    | Classifier-Free Diffusion Guidance (Ho & Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.losses import Batch

Field = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]  # x, t and c to f: (B, *shape), (B,), (B, C) to (B, *shape)


def dropped(batch: Batch, drop: float) -> Tensor:
    """The conditions of a batch, (B, C), each left out (zeros) with probability `drop`."""
    if not (drop and batch.c.shape[1]):
        return batch.c
    kept = torch.rand(len(batch.c), 1, generator=batch.rng, device=batch.c.device) >= drop
    return batch.c * kept


def guided(field: Field, w: float) -> Field:
    """The guided field; the conditional and the unconditional part are one call."""
    if w == 0.0:
        return field

    def guided_field(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        both = field(torch.cat([x, x]), torch.cat([t, t]), torch.cat([c, torch.zeros_like(c)]))
        conditional, unconditional = both.chunk(2)
        return (1 + w) * conditional - w * unconditional

    return guided_field
