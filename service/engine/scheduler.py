"""Whose turn it is: deficit round robin by measured milliseconds.

Members of a ring have an account. In a round each gets `QUANTUM_MS`; while its account is positive a member may take
calls, one at a time in the order of the ring, and pays for each what it cost, afterwards. So a member of long calls
goes into debt and sits rounds out, and all get the same share of the device whatever their calls cost.

A newcomer goes to the front with the quantum of the present round: a short call that arrives during a long one waits
for little more than that. Only `JUMPS` may do so in a round, and who left in this round or in debt comes back to the
account he left, so that coming and going does not pay.

References:
    | Efficient Fair Queuing Using Deficit Round-Robin (Shreedhar & Varghese, 1996), doi:10.1109/90.502236
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from math import floor
from typing import Generic, Protocol, TypeVar, final

QUANTUM_MS = 5.0
JUMPS = 8  # newcomers of one round that go to the front
ACCOUNTS = 1024  # of those who left, remembered


class Member(Protocol):
    """Who takes turns."""

    deficit_ms: float  # what is left of its quanta; negative: its debt

    @property
    def key(self) -> Hashable:
        """The same when it comes back."""

    @property
    def ready(self) -> bool:
        """Whether it could take a turn now."""


M = TypeVar("M", bound=Member)


@final
class Ring(Generic[M]):
    """Members in the order of their turns."""

    def __init__(self) -> None:
        self._members: deque[M] = deque()
        self._accounts: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()  # and the round they were left in
        self._round = 0
        self._jumps = JUMPS

    def __iter__(self) -> Iterator[M]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, member: M) -> None:
        """At the front while its quantum of this round lasts, else at the back."""
        left_ms, since = self._accounts.pop(member.key, (0.0, -1))
        if since == self._round:
            member.deficit_ms = left_ms
        else:
            member.deficit_ms = min(0.0, left_ms + QUANTUM_MS * (self._round - since))
            if member.deficit_ms == 0.0 and self._jumps:
                self._jumps -= 1
                member.deficit_ms = QUANTUM_MS
        if member.deficit_ms > 0:
            self._members.appendleft(member)
        else:
            self._members.append(member)

    def leave(self, member: M) -> None:
        """Its account stays."""
        self._members.remove(member)
        self._accounts[member.key] = member.deficit_ms, self._round
        if len(self._accounts) > ACCOUNTS:
            self._accounts.popitem(last=False)

    def next(self) -> M | None:
        """Whose turn it is; it goes to the back. None where none is ready."""
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
        """As many rounds as it takes until somebody can pay."""
        rounds = 1 + floor(min(-member.deficit_ms for member in ready) / QUANTUM_MS)
        self._round += rounds
        self._jumps = JUMPS
        for member in ready:
            member.deficit_ms += rounds * QUANTUM_MS
