"""How many steps a budget of seconds is, measured on a copy of the training before its first step.

Schedules, held-out curves and some families want to know the last step, so it is fixed then and recorded. The copy
takes a few steps that do not count, and then so many as fill a small part of the budget, as if they were a whole
training: phases of a family, and points of the curve, have the share of them that they have of the training. The
training ends by the clock where the pace changes meanwhile.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from time import monotonic

from pushforward.models.run import MAX_STEPS, Budget
from pushforward.models.training.data import TrainingData
from pushforward.models.training.state import TrainingState

WARM_UP_STEPS = 3
SHARE = 0.05  # of the budget is measured,
MOST_S = 2.0  # so much at most,
MEASURED_STEPS = 3, 200  # and so many steps at least and at most

Train = Callable[[TrainingData, TrainingState], Iterator[TrainingState]]


def fix_total_steps(data: TrainingData, state: TrainingState, train: Train) -> None:
    """Set the last step of a training whose budget is seconds. Raises Diverged."""
    seconds = state.run.budget.seconds
    if seconds is None:
        raise ValueError("only a budget of seconds needs a pace")
    warm_s = _seconds_per_step(data, state, WARM_UP_STEPS, train)
    least, most = MEASURED_STEPS
    steps = _agreed(state, min(max(least, int(min(SHARE * seconds, MOST_S) / warm_s)), most))
    pace_s = _seconds_per_step(data, state, steps, train)
    state.total_steps = state.start.step + _agreed(state, min(max(1, int(seconds / pace_s)), MAX_STEPS))


def _agreed(state: TrainingState, number: int) -> int:
    """The greatest of a number over the ranks, which take the same steps."""
    return number if state.ranks is None else state.ranks.agree(number)[0]


def _seconds_per_step(data: TrainingData, state: TrainingState, steps: int, train: Train) -> float:
    """The mean of so many steps of a copy, its first and its last among them."""
    trial = copy.deepcopy(state)
    trial.run = state.run.model_copy(update={"budget": Budget(steps=steps)})
    trial.total_steps = state.step + steps
    began = monotonic()
    for _ in train(data, trial):
        pass
    return max(monotonic() - began, 1e-6) / steps
