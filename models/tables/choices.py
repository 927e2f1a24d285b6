"""Distributions of a row's choices: blocks of logits, one block for each choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def blocks(row: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """The columns of each choice, (B, size).  row: (B, sum of sizes)."""
    return torch.split(row, list(sizes), 1)


def log_probs(logits: Tensor, k: Tensor, sizes: Sequence[int]) -> Tensor:
    """Log P(k_i) of each choice, (B, Q) nats.  logits: (B, sum of sizes), k: (B, Q)."""
    terms = [block.log_softmax(1).gather(1, k[:, i : i + 1])[:, 0] for i, block in enumerate(blocks(logits, sizes))]
    return torch.stack(terms, 1) if terms else logits.new_zeros(len(logits), 0)


def draw(logits: Tensor, uniform: Tensor, sizes: Sequence[int]) -> Tensor:
    """A draw of each choice by the inverse of its distribution function, (B, Q).  uniform: (B, Q) in (0, 1)."""
    drawn = [invert(block, uniform[:, i]) for i, block in enumerate(blocks(logits, sizes))]
    return torch.stack(drawn, 1) if drawn else logits.new_zeros(len(logits), 0, dtype=torch.long)


def invert(logits: Tensor, uniform: Tensor) -> Tensor:
    """The case at which the distribution function first exceeds a uniform, (B,).  logits: (B, D), uniform: (B,)."""
    below = logits.double().softmax(1).cumsum(1) <= uniform.double()[:, None]
    return below.sum(1).clamp_max(logits.shape[1] - 1)


def likeliest(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """The likeliest case of each choice, (B, Q)."""
    cases = [block.argmax(1) for block in blocks(logits, sizes)]
    return torch.stack(cases, 1) if cases else logits.new_zeros(len(logits), 0, dtype=torch.long)
