"""Codes and data, step by step."""

from typing import final

import torch
from torch import Tensor

from pushforward.models.stepwise.mapping import OneCall, ThereAndBack, Walk, walk
from pushforward.models.stepwise.sampling import State


@final
class Scaling(Walk):
    """Multiplies by a factor, c and the number of the step, and keeps count."""

    def __init__(self, steps: int, factor: float) -> None:
        self._steps = steps
        self.factor = factor

    @property
    def steps(self) -> int:
        return self._steps

    def init(self, rows: Tensor, c: Tensor) -> State:
        return rows, c, rows.new_zeros(len(rows))

    def step(self, state: State, k: Tensor) -> State:
        rows, c, count = state
        return self.factor * rows * c * (k[:, None] + 1), c, count + 1

    def finish(self, state: State) -> Tensor:
        assert (state[2] == self.steps).all()
        return state[0]


X, C = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [2.0], [0.5]])


def test_a_walk_takes_every_step() -> None:
    assert torch.equal(walk(Scaling(3, 2.0), X, C), X * 8 * 6 * C**3)
    assert torch.equal(walk(OneCall(lambda x, c: x + c), X, C), X + C)


def test_the_way_back_begins_where_the_way_there_ends() -> None:
    there, back = Scaling(2, 3.0), Scaling(3, 0.5)
    both = ThereAndBack(there, back, (1,))
    assert both.steps == 5
    assert torch.allclose(walk(both, X, C), walk(back, walk(there, X, C), C))


def test_either_way_may_be_one_call() -> None:
    plus, steps = OneCall(lambda x, c: x + c), Scaling(2, 3.0)
    assert torch.equal(walk(ThereAndBack(plus, plus, (1,)), X, C), X + 2 * C)
    assert torch.equal(walk(ThereAndBack(plus, steps, (1,)), X, C), walk(steps, X + C, C))
    assert torch.equal(walk(ThereAndBack(steps, plus, (1,)), X, C), walk(steps, X, C) + C)


def test_rows_on_the_way_there_and_on_the_way_back_share_a_step() -> None:
    both = ThereAndBack(Scaling(2, 3.0), Scaling(3, 0.5), (1,))
    state, k = both.init(X, C), torch.tensor([0, 0, 0])
    for turn in range(both.steps + 2):  # row i begins i steps late
        under_way = (torch.arange(3) <= turn) & (k < both.steps)
        moved = both.step(tuple(part[under_way] for part in state), k[under_way])
        state = tuple(part.clone() for part in state)
        for whole, part in zip(state, moved, strict=True):
            whole[under_way] = part
        k[under_way] += 1
    assert torch.allclose(both.finish(state), walk(both, X, C))
