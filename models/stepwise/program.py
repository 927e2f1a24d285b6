"""Programs of steps: `init` makes a state from what is given, `step` advances it, `finish` turns it into the output.

Sampling, scoring and maps between data and codes are programs (`models.stepwise.sampling`, `scoring`, `mapping`). What
is given is a tuple of tensors, rows first, and so is a state. Rows at different steps share one call: `k` has one step
index for each row, and the rows of a state never look at one another. A step changes no tensor of the state before it,
so it can be repeated. Noise is a function of (seed, row), so the output of a row does not depend on its batch-mates.

Example:
    >>> import torch
    >>> from pushforward.models.noise import Noise
    >>> from pushforward.models.stepwise.program import OneCall, run
    >>> add_noise = OneCall(lambda x, noise: x + noise.normal(0, (2,)))
    >>> run(add_noise, (torch.zeros(3, 2),), Noise.rows(0, 3)).shape
    torch.Size([3, 2])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, final

from pushforward.models.lazy import torch
from pushforward.models.noise import Noise

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

State: TypeAlias = "tuple[Tensor, ...]"  # between two steps, rows first
Given = TypeVar("Given", bound="tuple[Tensor, ...]", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Program(ABC, Generic[Given, Out]):
    """A computation in `steps` steps."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many calls of `step` lie between `init` and `finish`."""

    @abstractmethod
    def init(self, given: Given, noise: Noise) -> State:
        """The state before step 0.  given: tensors of B rows; `noise` has B rows."""

    @abstractmethod
    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        """The state after step k.  k: (B,) int64 on the CPU, one index for each row, 0 <= k < steps."""

    @abstractmethod
    def finish(self, state: State, noise: Noise) -> Out:
        """The output, from the state after the last step."""

    def preview(self, state: State, noise: Noise) -> Out | None:
        """An intermediate state in the form of the output; None where there is nothing to see."""
        return None


@final
@dataclass(frozen=True)
class OneCall(Program[Given, Out]):
    """A program without steps: its state is what is given, and `finish` is all of it."""

    call: Callable[..., Out]  # the tensors that are given, then noise

    @property
    def steps(self) -> int:
        return 0

    def init(self, given: Given, noise: Noise) -> State:
        return given

    def step(self, state: State, k: Int[Tensor, " B"], noise: Noise) -> State:
        return state

    def finish(self, state: State, noise: Noise) -> Out:
        return self.call(*state, noise)


def run(program: Program[Given, Out], given: Given, noise: Noise) -> Out:
    """All steps for all rows at once."""
    for state in states(program, given, noise):  # noqa: B007  the last one is needed
        pass
    return program.finish(state, noise)


def states(program: Program[Given, Out], given: Given, noise: Noise) -> Iterator[State]:
    """The state before the first step and after each step, all rows at once; `finish` takes the last one."""
    state = program.init(given, noise)
    yield state
    for k in range(program.steps):
        state = program.step(state, torch.full((len(noise),), k), noise)
        yield state
