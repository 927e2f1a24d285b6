"""A batch in parts: what they give in shares of their rows is what the batch gives.

    rows [j B / k, (j + 1) B / k) of a batch of B are part j of k
    L = sum_j B_j / B L_j,      and so the gradient, which is clipped and descended once

A part needs the memory of its own rows only: its graph is freed before the next part is begun. A family's losses come
from a generator, with a descent between two of them, so the generators of all parts advance together: the first loss
of each part, one descent, the second loss of each.

Part j of step t draws from a generator of (seed, t, j), wherever it is computed: one after another in this process,
or side by side on several devices (`ranks`). A batch in one part draws from the batch's own generator.

**What differs from a batch in one part.** Losses that compare the rows of a batch with each other see a part at a
time: maximum mean discrepancies, minibatch statistics of critics, couplings by optimal transport, batch normalization.
What is counted up once a batch (running means, the balance of BEGAN, pools) is counted up once a part. For all others
the sum is the loss of the batch, with other noise where they draw some.

References:
    | Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), https://arxiv.org/abs/1412.6980
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from pushforward.models.losses import Batch, Loss
from pushforward.models.training.compute.ranks import Gradients, Sum
from pushforward.models.training.state import TrainingState

LEAST_SUM = 1 - 1e-9  # of the shares of all parts, but for rounding


class BatchPart(NamedTuple):
    """Some rows of a batch."""

    number: int
    share: float  # of the rows of the batch
    batch: Batch


def losses(state: TrainingState, batch: Batch) -> Iterator[tuple[Loss, Gradients]]:
    """The losses of a step and their gradients, a descent between two of them. Raises FailedElsewhere."""
    if state.n_parts == 1:
        for loss in _losses(state, batch):
            yield loss, torch.autograd.grad(loss.value, state.weights(loss.trains))
        return
    ranks, parts = state.ranks, parts_of(batch, state.run.seed, state.n_parts)
    if ranks is not None:
        parts = [part for part in parts if part.number // state.accumulate == ranks.rank]
    before = [] if ranks is None else [each.clone() for each in state.averaged.buffers]
    advancing = [(part.share, _losses(state, part.batch)) for part in parts]
    while True:
        mine = _summed(state, advancing)
        whole = mine if ranks is None else ranks.summed(mine, state.nets)
        if whole is None:
            break
        whole = whole if whole.share > LEAST_SUM else _scaled(whole, 1 / whole.share)
        yield whole.loss, whole.gradients
    if ranks is not None and before:
        ranks.settle(state.averaged.buffers, before)


def parts_of(batch: Batch, seed: int, k: int) -> list[BatchPart]:
    """The parts of a batch that have rows: all k, unless the batch has fewer."""
    n, device = len(batch.x), batch.x.device
    cuts, least = [j * n // k for j in range(k + 1)], max(1, n // k)
    parts = []
    for j, (begin, end) in enumerate(pairwise(cuts)):
        if begin < end:
            rng = torch.Generator(device).manual_seed(_seed_of_a_part(seed, batch.step, j))
            x, c, row = (each[begin:end] for each in (batch.x, batch.c, batch.row))
            parts.append(BatchPart(j, (end - begin) / n, Batch(x, c, rng, batch.step, batch.total_steps, row, least)))
    return parts


def _losses(state: TrainingState, batch: Batch) -> Iterator[Loss]:
    """The family's, in the precision of the run."""
    losses = state.family.losses(state.nets, batch)
    if state.run.optimizer.precision == "float32":
        return losses
    from pushforward.models.training.compute.precision import in_bfloat16  # it imports the networks of all families

    return in_bfloat16(losses, state.nets)


def _summed(state: TrainingState, advancing: Sequence[tuple[float, Iterator[Loss]]]) -> Sum | None:
    """The next loss of the parts; None after the last. A part whose rows lack a domain has none."""
    whole = None
    for share, losses_of_part in advancing:
        part = _weighted(state, share, losses_of_part)
        if part is not None:
            whole = part if whole is None else _added(whole, part)
    return whole


def _weighted(state: TrainingState, share: float, losses_of_part: Iterator[Loss]) -> Sum | None:
    """The next loss of a part times its share; None after the last. Its graph ends with this call."""
    loss = next(losses_of_part, None)
    if loss is None:
        return None
    gradients = torch.autograd.grad(loss.value, state.weights(loss.trains))
    return _scaled(Sum(loss, gradients, 1.0), share)


def _scaled(whole: Sum, factor: float) -> Sum:
    """Times a factor, without its graph."""
    loss, gradients, share = whole
    terms = {name: factor * term.detach() for name, term in loss.terms.items()}
    loss = loss._replace(value=factor * loss.value.detach(), terms=terms)
    return Sum(loss, torch._foreach_mul(gradients, factor), factor * share)  # two weights may have one gradient


def _added(whole: Sum, part: Sum) -> Sum:
    torch._foreach_add_(whole.gradients, part.gradients)
    loss, other = whole.loss, part.loss
    terms = {name: term + other.terms[name] for name, term in loss.terms.items()}
    return Sum(loss._replace(value=loss.value + other.value, terms=terms), whole.gradients, whole.share + part.share)


def _seed_of_a_part(seed: int, step: int, j: int) -> int:
    """Distinct for each part of each step: 63 bits of numpy's hash."""
    return int(np.random.SeedSequence([seed, step, 2, j]).generate_state(1, np.uint64)[0] >> np.uint64(1))
