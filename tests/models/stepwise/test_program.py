"""The protocol of steps: what runs at once and what can be shown on the way."""

from typing import final

import torch
from torch import Tensor

from pushforward.models.noise import Noise
from pushforward.models.stepwise.program import OneCall, Program, State, run, states


@final
class Counter(Program[tuple[Tensor], list[float]]):
    """Adds k + 1 at step k."""

    steps = 4

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        return given

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        return (state[0] + k + 1,)

    def finish(self, state: State, noise: Noise) -> list[float]:
        return [float(each) for each in state[0]]


X = torch.tensor([1.0, 2.0])


def test_a_program_runs_from_what_is_given_through_every_step_to_its_output() -> None:
    assert run(Counter(), (X,), Noise.rows(0, 2)) == [11.0, 12.0]


def test_states_are_that_before_the_first_step_and_that_after_each() -> None:
    rows = [state[0][0].item() for state in states(Counter(), (X,), Noise.rows(0, 2))]
    assert rows == [1.0, 2.0, 4.0, 7.0, 11.0]


def test_a_program_of_one_call_has_no_steps_and_its_state_is_what_is_given() -> None:
    program: OneCall[tuple[Tensor, Tensor], Tensor] = OneCall(lambda x, c, noise: x + c + noise.normal(0, ()))
    noise = Noise.rows(3, 2)
    (state,) = states(program, (X, 2 * X), noise)
    assert program.steps == 0
    assert torch.equal(state[0], X)
    assert torch.equal(run(program, (X, 2 * X), noise), 3 * X + noise.normal(0, ()))


def test_a_program_has_nothing_to_show_unless_it_says_so() -> None:
    assert Counter().preview((X,), Noise.rows(0, 2)) is None
