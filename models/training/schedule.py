"""What a training does when: its learning rate, its weight decay, and its end.

Learning rates warm up and decay from the first step of this training to its last, so a training that continues another
has a schedule of its own. A training ends at its last step, or early:

    seconds     when the budget of seconds is over
    patience    when so many points of the held-out curve were no new lowest

Both follow from the state, seconds and curve, so a training that resumes ends where it would have ended.
"""

from __future__ import annotations

from math import ceil, cos, isfinite, pi

from pushforward.models.losses import Adam
from pushforward.models.run import Run
from pushforward.models.storage.card import Curve
from pushforward.models.training.state import TrainingState


def learning_rate(run: Run, step: int, total_steps: int) -> float:
    """The learning rate of a step of this training: it rises linearly while it warms up, times the decay."""
    adam = run.optimizer
    rising = ceil(adam.warmup * total_steps)
    lr = adam.lr * min(1.0, (step + 1) / (rising + 1))
    return lr if adam.decay == "constant" else lr * 0.5 * (1 + cos(pi * step / total_steps))


def weight_decay(adam: Adam, n_rows: int | None) -> float:
    """AdamW's decay: of the weights, and for so many training rows; the latter is none where they are drawn afresh."""
    return adam.weight_decay + (0.0 if n_rows is None else adam.weight_decay_rows / n_rows)


def without_new_lowest(curve: Curve | None) -> int:
    """Points of a curve behind its lowest, the first of equal ones."""
    if curve is None:
        return 0
    finite = [value for value in curve.values if isfinite(value)]
    return len(curve.values) - 1 - curve.values.index(min(finite)) if finite else len(curve.values)


def is_out_of_time(state: TrainingState) -> bool:
    """Whether its budget of seconds is over."""
    seconds = state.run.budget.seconds
    return seconds is not None and state.seconds >= seconds


def is_out_of_patience(state: TrainingState) -> bool:
    """Whether its held-out curve has gone without a new lowest for too long."""
    patience = state.run.budget.patience
    return patience is not None and without_new_lowest(state.curve) >= patience


def is_last(state: TrainingState) -> bool:
    """Whether the step that is done is the last."""
    return state.step == state.total_steps or is_out_of_time(state) or is_out_of_patience(state)


def early_end(state: TrainingState) -> str | None:
    """Why this step was the last although more were planned, a sentence; None where it was planned so."""
    if state.step == state.total_steps:
        return None
    where = f"Training ended early, at step {state.step:,} of {state.total_steps:,}"
    if is_out_of_patience(state):
        n = without_new_lowest(state.curve)
        return f"{where}: {n} point{'' if n == 1 else 's'} of the held-out curve without a new lowest (patience)."
    return f"{where}: the {state.run.budget.seconds:g} seconds of its budget were over."


def fraction_done(state: TrainingState) -> float:
    """How much of this training is done: of its steps, or of its seconds where these are over first."""
    seconds = state.run.budget.seconds
    of_steps = state.steps_done / max(1, state.steps_planned)
    return of_steps if seconds is None else min(1.0, max(of_steps, state.seconds / seconds))


def seconds_left(state: TrainingState, of_steps_s: float | None) -> float | None:
    """How long this training still takes: its steps, or what is left of its seconds where that is less."""
    seconds = state.run.budget.seconds
    if seconds is None or state.step == state.total_steps:
        return of_steps_s
    left_s = max(0.0, seconds - state.seconds)
    return left_s if of_steps_s is None else min(left_s, of_steps_s)
