"""The training loop: one flat generator for every family.

    for state in train(run, data, state): ...        # stop iterating to stop training

Everything random in step t is a function of (run.seed, t): the rows of its batch, the noise of its losses; where the
batch is computed in `parts`, of (run.seed, t, part). So the state is the step, the weights, their moving average and
the optimizers, and a resumed training continues bit for bit, and so does one that continues another
(`models.training.start`).

References:
    | Acceleration of Stochastic Approximation by Averaging (Polyak & Juditsky, 1992), doi:10.1137/0330046
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from math import isfinite
from time import monotonic

import torch

from pushforward.models.errors import Diverged
from pushforward.models.held_out import has_curve
from pushforward.models.losses import Loss
from pushforward.models.networks import Nets
from pushforward.models.storage.card import Curve
from pushforward.models.training import curve, parts
from pushforward.models.training.batches import batches
from pushforward.models.training.compute.ranks import Gradients
from pushforward.models.training.data import TrainingData, held_out
from pushforward.models.training.pace import fix_total_steps
from pushforward.models.training.schedule import early_end, is_last, is_out_of_time, learning_rate, weight_decay
from pushforward.models.training.state import TrainingState, device_of


def train(data: TrainingData, state: TrainingState) -> Iterator[TrainingState]:
    """Train to the end of the budget, or an earlier one, yielding the same state after each step. Raises Diverged."""
    if not state.total_steps:
        fix_total_steps(data, state, train)
    if state.leads and state.start.name is not None and state.curve is None and has_curve(state.family):
        measure_the_start(data, state)
    clock = monotonic()
    for batch in batches(data, state):
        lr = learning_rate(state.run, state.steps_done, state.steps_planned)
        state.losses = {}
        for loss, gradients in parts.losses(state, batch):
            descend(state, loss, gradients, lr * loss.lr_ratio)
            del gradients  # the memory of the next loss
            state.losses[loss.name] = loss.value.detach()
            state.losses.update({name: term.detach() for name, term in loss.terms.items()})
        state.step += 1
        average_weights(state)
        clock = count_seconds(state, clock)
        is_due = curve.is_due(state.steps_done, state.steps_planned) or is_out_of_time(state)
        if state.leads and is_due and has_curve(state.family):
            measure(data, state)
        if state.leads and is_last(state):  # other ranks are told
            state.ended, state.total_steps = early_end(state), state.step
        count_seconds(state, clock)
        yield state
        if state.step == state.total_steps:
            return
        clock = monotonic()


def count_seconds(state: TrainingState, since: float) -> float:
    """Add the seconds since then to those of the training; what time it is now."""
    now = monotonic()
    state.seconds += now - since
    return now


def descend(state: TrainingState, loss: Loss, gradients: Gradients, lr: float) -> None:
    """One step of the loss's own Adam, on the networks it trains and no others."""
    shortened, norm = clipped(gradients, state.run.optimizer.clip_norm)
    if shortened is None:
        raise Diverged(f"the loss {loss.name!r} or its gradient is not finite at step {state.step}; lower optimizer.lr")
    state.note_norm(loss.name, norm)
    adam = state.run.optimizer
    decay = weight_decay(adam, state.nets.spec.n_rows)
    state.optimizer(loss.name, state.weights(loss.trains)).step(shortened, lr, adam.betas, decay)


def clipped(gradients: Gradients, max_norm: float) -> tuple[Gradients | None, float]:
    """Gradients scaled to a joint norm of at most `max_norm`, None where that norm is not finite; and the norm.

    The same tensor may stand for two weights, so none is changed in place.
    """
    norm = float(torch.stack(torch._foreach_norm(gradients)).norm())
    if not isfinite(norm):
        return None, norm
    return gradients if norm <= max_norm else torch._foreach_mul(gradients, max_norm / norm), norm


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
    extended = with_point(data, state, state.average)
    state.curve = extended
    if extended.best_step != state.step:
        if is_last(state) and isfinite(extended.values[-1]):
            keep_the_better(data, state, extended.rows)
        return
    if state.best is None:
        state.best = copy.deepcopy(state.average)
    else:
        state.best.load_state_dict(state.average.state_dict())


@torch.no_grad()
def measure_the_start(data: TrainingData, state: TrainingState) -> None:
    """The first point of the curve of a training that starts from other weights: of those that are served."""
    state.curve = with_point(data, state, state.served)
    state.best = copy.deepcopy(state.served) if state.curve.best_step == state.step else None


def with_point(data: TrainingData, state: TrainingState, nets: Nets) -> Curve:
    """The held-out curve with a point of these weights."""
    run, family = state.run, state.family
    batch_rows = min(run.optimizer.batch_size, data.n_rows or run.optimizer.batch_size)
    rows = curve.rows_of_a_point(state.steps_planned, batch_rows, len(data.validation.x))
    x, c = held_out(data, slice(rows), device_of(state))
    name, value = curve.held_out_loss(family, nets, x, c)
    return curve.extended(state.curve, family, (state.step, value), name, rows)


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
