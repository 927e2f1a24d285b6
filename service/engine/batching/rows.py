"""Rows of many requests, side by side: what one forward pass takes.

Nothing here changes tensors in place: after a failed call its rows can be tried again in parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import torch

from pushforward.models.noise import Noise
from pushforward.models.stepwise.program import Program, State
from pushforward.service.engine.tickets import Ticket


class Segment(NamedTuple):
    """Consecutive rows of one request, all at the same step."""

    ticket: Ticket
    first: int
    n: int


@final
@dataclass(frozen=True)
class RunningRows:
    """Rows after `init`, and how far each has come."""

    state: State
    noise: Noise
    k: np.ndarray  # (B,) int64, the next step of each
    owners: tuple[Segment, ...]  # in the order of the state

    def __len__(self) -> int:
        return len(self.k)

    def placed(self) -> Iterator[tuple[int, Segment]]:
        """Each segment with the index of its first row."""
        at = 0
        for segment in self.owners:
            yield at, segment
            at += segment.n

    def select(self, keep: np.ndarray) -> RunningRows | None:
        """Some of the rows, (B,) bool, of each segment an unbroken run; None where there are none."""
        if keep.all():
            return self
        if not keep.any():
            return None
        owners = []
        for at, (ticket, first, n) in self.placed():
            kept = np.flatnonzero(keep[at : at + n])
            if len(kept):
                owners.append(Segment(ticket, first + int(kept[0]), len(kept)))
        index = torch.from_numpy(np.flatnonzero(keep)).to(self.state[0].device)
        state = tuple(part[index] for part in self.state)
        return RunningRows(state, self.noise[keep], self.k[keep], tuple(owners))

    def step(self, program: Program[Any, Any]) -> RunningRows:
        """All rows one step further, each from where it is; unchanged for a program without steps."""
        if not program.steps:
            return self
        state = program.step(self.state, torch.from_numpy(self.k), self.noise)
        return RunningRows(state, self.noise, self.k + 1, self.owners)

    def split_finished(self, steps: int) -> tuple[RunningRows | None, RunningRows | None]:
        """Rows that have taken all steps, and the others."""
        if steps <= 1:
            return self, None
        done = self.k >= steps
        return self.select(done), self.select(~done)

    @classmethod
    def init(cls, program: Program[Any, Any], fresh: Sequence[Segment], device: torch.device) -> RunningRows:
        """Rows of requests that were prepared, before step 0."""
        noise = Noise.spans([(t.request.seed, t.request.first + first, n) for t, first, n in fresh], device)
        given = [tuple(part[first : first + n] for part in t.given) for t, first, n in fresh]
        state = program.init(given[0] if len(given) == 1 else tuple(map(torch.cat, zip(*given, strict=True))), noise)
        return cls(state, noise, np.zeros(len(noise), np.int64), tuple(fresh))

    @classmethod
    def join(cls, parts: Sequence[RunningRows]) -> RunningRows:
        """All rows, in order."""
        if len(parts) == 1:
            return parts[0]
        state = tuple(torch.cat(each) for each in zip(*(part.state for part in parts), strict=True))
        owners = tuple(segment for part in parts for segment in part.owners)
        return cls(state, Noise.join([p.noise for p in parts]), np.concatenate([p.k for p in parts]), owners)
