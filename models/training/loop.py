"""The training loop: one flat generator for every family.

    for state in train(run, data, state): ...        # stop iterating to stop training

Everything random in step t is a function of (run.seed, t): the rows of its batch, the noise of its losses. So the
state is the step, the weights, their moving average and the optimizers, and a resumed training continues
bit-for-bit.

References:
    | Acceleration of Stochastic Approximation by Averaging (Polyak & Juditsky, 1992), doi:10.1137/0330046
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from math import ceil, cos, isfinite, pi

import torch
from torch import Tensor

from pushforward.models.errors import Diverged
from pushforward.models.losses import Adam, Loss
from pushforward.models.run import Run
from pushforward.models.training import curve
from pushforward.models.training.batches import batches
from pushforward.models.training.data import TrainingData, held_out
from pushforward.models.training.state import TrainingState, device_of


def train(data: TrainingData, state: TrainingState) -> Iterator[TrainingState]:
    """Train to the end of the budget, yielding the same state after each step. Raises Diverged."""
    run = state.run
    for batch in batches(data, state):
        lr = learning_rate(run, state.step, state.total_steps)
        state.losses = {}
        for loss in state.family.losses(state.nets, batch):
            descend(state, loss, lr * loss.lr_ratio)
            state.losses[loss.name] = loss.value.detach()
            state.losses.update({name: term.detach() for name, term in loss.terms.items()})
        state.step += 1
        average_weights(state)
        if curve.has_curve(state.family) and curve.is_due(state.step, state.total_steps):
            measure(data, state)
        yield state


def descend(state: TrainingState, loss: Loss, lr: float) -> None:
    """One step of the loss's own Adam, on the networks it trains and no others."""
    weights = state.weights(loss.trains)
    gradients = clipped(torch.autograd.grad(loss.value, weights), state.run.optimizer.clip_norm)
    if gradients is None:
        raise Diverged(f"the loss {loss.name!r} or its gradient is not finite at step {state.step}; lower optimizer.lr")
    adam = state.run.optimizer
    decay = weight_decay(adam, state.nets.spec.n_rows)
    state.optimizer(loss.name, weights).step(gradients, lr, adam.betas, decay)


def clipped(gradients: tuple[Tensor, ...], max_norm: float) -> tuple[Tensor, ...] | None:
    """Gradients scaled to a joint norm of at most `max_norm`; None where that norm is not finite.

    The same tensor may stand for two weights, so none is changed in place.
    """
    norm = float(torch.stack(torch._foreach_norm(gradients)).norm())
    if not isfinite(norm):
        return None
    return gradients if norm <= max_norm else torch._foreach_mul(gradients, max_norm / norm)


def learning_rate(run: Run, step: int, total_steps: int) -> float:
    """The learning rate of a step: it rises linearly while it warms up, times the decay."""
    adam = run.optimizer
    rising = ceil(adam.warmup * total_steps)
    lr = adam.lr * min(1.0, (step + 1) / (rising + 1))
    return lr if adam.decay == "constant" else lr * 0.5 * (1 + cos(pi * step / total_steps))


def weight_decay(adam: Adam, n_rows: int | None) -> float:
    """AdamW's decay for so many training rows; none where they are drawn afresh."""
    return 0.0 if n_rows is None else adam.weight_decay_rows / n_rows


@torch.no_grad()
def average_weights(state: TrainingState) -> None:
    """Average <- d average + (1 - d) weights, with d rising to its final value so that early weights are forgotten."""
    final = state.run.optimizer.ema
    if final is None:
        final = max(0.0, 1 - 10 / state.total_steps)
    d = min(final, state.step / (state.step + 9))
    means, weights, buffer_copies, buffers = state.averaged
    torch._foreach_lerp_(means, weights, 1 - d)
    if buffers:
        torch._foreach_copy_(buffer_copies, buffers)


@torch.no_grad()
def measure(data: TrainingData, state: TrainingState) -> None:
    """Another point of the held-out curve, and the average kept where it is the lowest."""
    run, family = state.run, state.family
    batch_rows = min(run.optimizer.batch_size, data.n_rows or run.optimizer.batch_size)
    rows = curve.rows_of_a_point(state.total_steps, batch_rows, len(data.validation.x))
    x, c = held_out(data, slice(rows), device_of(state))
    name, value = curve.held_out_loss(family, state.average, x, c)
    state.curve = curve.extended(state.curve, family, (state.step, value), name, rows)
    if state.curve.best_step != state.step:
        if state.step == state.total_steps and isfinite(value):
            keep_the_better(data, state, rows)
        return
    if state.best is None:
        state.best = copy.deepcopy(state.average)
    else:
        state.best.load_state_dict(state.average.state_dict())


def keep_the_better(data: TrainingData, state: TrainingState, rows: int) -> None:
    """At the end, the weights of the lowest point stay only where they are better than the last by more than chance."""
    if state.best is None or state.curve is None:
        return
    n = len(data.validation.x)
    unseen = slice(rows, 2 * rows) if n >= 2 * rows else slice(n)
    x, c = held_out(data, unseen, device_of(state))
    if not curve.is_better(state.family, state.best, state.average, x, c):
        state.best = None
        state.curve = state.curve.model_copy(update={"best_step": state.step})
