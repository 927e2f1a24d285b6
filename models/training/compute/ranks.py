"""Ranks: processes that compute the parts of a batch side by side, a device each.

Rank r of n computes parts [r a, (r + 1) a) of the n a parts of a batch, a of them one after another (`accumulate`).
Each loss is one sum over the ranks, of a flat buffer:

    g = sum_r g_r,      g_r the gradients of the parts of rank r, in shares of their rows

Then every rank clips and descends the same g, so that weights, averages and optimizers stay equal without being sent.
Ranks that have no loss (the last rows of an epoch are few) add zero. Buffers, such as running means, that a rank
changed in a step become those of the lowest rank that changed them, element by element.

Before each sum the ranks agree: the greatest of some small numbers. An allocation that failed on one of them is told
then, so that all go back together. A rank that dies breaks the connections of the others, which end with an error.

References:
    | PyTorch Distributed: Experiences on Accelerating Data Parallel Training (Li et al., 2020), arXiv:2006.15704
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
import torch.distributed as dist
from torch import Tensor

from pushforward.models.losses import Loss
from pushforward.models.networks import Nets

Gradients = tuple[Tensor, ...]  # of the weights that a loss trains, in their order
TOLD = 4  # numbers that ranks agree on at once, whether one has failed among them


class Sum(NamedTuple):
    """A loss and its gradients, each part times its share of the rows; without a graph."""

    loss: Loss
    gradients: Gradients
    share: float  # of the rows of the batch that the parts have: 1 for all of them


class FailedElsewhere(MemoryError):
    """An allocation failed on another rank: all go back together."""

    def __init__(self) -> None:
        super().__init__("out of memory on another rank")


@final
@dataclass(frozen=True)
class Ranks:
    """A process among the ranks of the default process group."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this is rank 0: it alone measures, writes and tells."""
        return self.rank == 0

    def agree(self, *told: int) -> tuple[int, ...]:
        """The greatest of each number over the ranks. Raises FailedElsewhere."""
        failed, *greatest = self._greatest([0, *told])
        if failed:
            raise FailedElsewhere
        return tuple(greatest[: len(told)])

    def tell_failure(self) -> None:
        """That an allocation failed here; all others raise FailedElsewhere where they agree next."""
        self._greatest([1])

    def summed(self, mine: Sum | None, nets: Nets) -> Sum | None:
        """The sum over the ranks, the same tensors on each; None where no rank has a loss. Raises FailedElsewhere."""
        flat = None if mine is None else _flat(mine.gradients)
        has, lacks, first = self.agree(mine is not None, mine is None, 0 if mine is None else self.size - self.rank)
        if not has:
            return None
        if lacks:
            mine = self._outlined(mine, self.size - first, nets)
        if mine is None:
            return None
        flat = _flat(mine.gradients) if flat is None else flat
        names = sorted(mine.loss.terms)
        numbers = [float(mine.loss.value), *(float(mine.loss.terms[name]) for name in names)]
        told = torch.tensor([mine.share, *numbers], dtype=torch.float64, device=self.device)
        dist.all_reduce(told)
        dist.all_reduce(flat)
        share, value, *terms = told.unbind()
        loss = mine.loss._replace(value=value, terms=dict(zip(names, terms, strict=True)))
        return Sum(loss, _shaped_as(flat, mine.gradients), float(share))

    def settle(self, buffers: Sequence[Tensor], before: Sequence[Tensor]) -> None:
        """What ranks changed in the buffers becomes equal. Raises FailedElsewhere."""
        changed = [now != then for now, then in zip(buffers, before, strict=True)]
        (any_changed,) = self.agree(any(bool(each.any()) for each in changed))
        if not any_changed:
            return
        for now, then, mine in zip(buffers, before, changed, strict=True):
            owner = torch.where(mine, self.rank, self.size).int()
            dist.all_reduce(owner, dist.ReduceOp.MIN)
            number = now if now.is_floating_point() else now.long()
            theirs = torch.where(owner == self.rank, number, 0).contiguous()
            dist.all_reduce(theirs)
            now.copy_(torch.where(owner < self.size, theirs.to(now.dtype), then))

    def _outlined(self, mine: Sum | None, source: int, nets: Nets) -> Sum:
        """A sum of nothing where this rank has no loss, of the loss that `source` tells of."""
        outline = b""
        if self.rank == source and mine is not None:
            loss = mine.loss
            outline = json.dumps([loss.name, loss.trains, sorted(loss.terms), loss.lr_ratio]).encode()
        (n_bytes,) = self.agree(len(outline))
        sent = torch.zeros(n_bytes, dtype=torch.uint8, device=self.device)
        if outline:
            sent.copy_(torch.frombuffer(bytearray(outline), dtype=torch.uint8))
        dist.broadcast(sent, source)
        if mine is not None:
            return mine
        name, trains, terms, lr_ratio = json.loads(bytes(sent.tolist()))
        zero = torch.zeros((), device=self.device)
        weights = (p for net in trains for p in nets.get_submodule(net).parameters())
        gradients = tuple(torch.zeros_like(p, requires_grad=False) for p in weights)
        return Sum(Loss(name, zero, tuple(trains), dict.fromkeys(terms, zero), lr_ratio), gradients, 0.0)

    def _greatest(self, numbers: Sequence[int]) -> list[int]:
        told = torch.zeros(TOLD, dtype=torch.int64, device=self.device)
        told[: len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        greatest: list[int] = told.tolist()
        return greatest


def _flat(gradients: Gradients) -> Tensor:
    return torch.cat([gradient.reshape(-1) for gradient in gradients])


def _shaped_as(flat: Tensor, gradients: Gradients) -> Gradients:
    pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
    return tuple(piece.view_as(g).to(g.dtype) for piece, g in zip(pieces, gradients, strict=True))
