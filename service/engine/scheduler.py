"""Deficit round robin by measured milliseconds: which key has the next turn.

In a round each member gets `QUANTUM_MS`. While its deficit counter is positive a member may take calls, one at a time
in order, and the measured cost of each is subtracted afterwards. So a member of long calls has a negative counter and
misses rounds, and all members get the same share of the device whatever their calls cost.

A new member enters at the front with the quantum of this round: a short call that arrives during a long one waits for
little more than that. Only `PRIORITY_ENTRIES` members may do so in a round. A member that left in this round, or with a
negative counter, keeps its counter when it enters again, so leaving and entering gains nothing.

References:
    | Efficient Fair Queuing Using Deficit Round-Robin (Shreedhar & Varghese, 1996), doi:10.1109/90.502236
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from math import floor
from typing import Generic, Protocol, TypeVar, final

QUANTUM_MS = 5.0
PRIORITY_ENTRIES = 8  # new members of one round that enter at the front
MAX_LEFT = 1024  # members that left, whose counters are kept


class Member(Protocol):
    """Takes turns."""

    deficit_ms: float  # what is left of its quanta; negative where calls cost more

    @property
    def key(self) -> Hashable:
        """The same when it enters again."""

    @property
    def ready(self) -> bool:
        """Whether it can take a turn now."""


M = TypeVar("M", bound=Member)


@final
class DeficitRoundRobin(Generic[M]):
    """Members in the order of their turns."""

    def __init__(self) -> None:
        self._members: deque[M] = deque()
        self._left: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()  # counters, and the round of leaving
        self._round = 0
        self._priority_entries = PRIORITY_ENTRIES

    def __iter__(self) -> Iterator[M]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, member: M) -> None:
        """Add a member: at the front if it has time left in this round, else at the back."""
        left_ms, since = self._left.pop(member.key, (0.0, -1))
        if since == self._round:
            member.deficit_ms = left_ms
        else:
            member.deficit_ms = min(0.0, left_ms + QUANTUM_MS * (self._round - since))
            if member.deficit_ms == 0.0 and self._priority_entries:
                self._priority_entries -= 1
                member.deficit_ms = QUANTUM_MS
        if member.deficit_ms > 0:
            self._members.appendleft(member)
        else:
            self._members.append(member)

    def leave(self, member: M) -> None:
        """Remove a member; its counter is kept."""
        self._members.remove(member)
        self._left[member.key] = member.deficit_ms, self._round
        if len(self._left) > MAX_LEFT:
            self._left.popitem(last=False)

    def next(self) -> M | None:
        """The member whose turn it is; it moves to the back. None where none is ready."""
        ready = [member for member in self._members if member.ready]
        if not ready:
            return None
        if all(member.deficit_ms <= 0 for member in ready):
            self._begin_round(ready)
        chosen = next(member for member in ready if member.deficit_ms > 0)
        self._members.remove(chosen)
        self._members.append(chosen)
        return chosen

    def _begin_round(self, ready: list[M]) -> None:
        """As many rounds as it takes until a counter is positive."""
        rounds = 1 + floor(min(-member.deficit_ms for member in ready) / QUANTUM_MS)
        self._round += rounds
        self._priority_entries = PRIORITY_ENTRIES
        for member in ready:
            member.deficit_ms += rounds * QUANTUM_MS
