"""Rows of many questions, side by side: what goes through one forward pass together.

Nothing here changes rows in place: a call that failed leaves what it was given, to be tried again in parts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import State
from pushforward.service.engine.programs import Task
from pushforward.service.engine.tickets import Ticket


class Segment(NamedTuple):
    """Rows of one question, all at the same step."""

    ticket: Ticket
    first: int
    n: int


@final
@dataclass(frozen=True)
class EngineRows:
    """Rows that have begun."""

    state: State
    noise: Noise
    k: np.ndarray  # (B,) int64, the next step of each
    owners: tuple[Segment, ...]  # in the order of the state

    def __len__(self) -> int:
        return len(self.k)

    def placed(self) -> Iterator[tuple[int, Segment]]:
        """Where each segment begins."""
        at = 0
        for segment in self.owners:
            yield at, segment
            at += segment.n

    def of(self, keep: np.ndarray) -> EngineRows | None:
        """Some of the rows, (B,) bool, of each segment an unbroken run; None where none is left."""
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
        return EngineRows(state, self.noise[keep], self.k[keep], tuple(owners))

    def moved(self, task: Task) -> EngineRows:
        """One step further, those that have one to go."""
        if not task.steps:
            return self
        state = task.step(self.state, torch.from_numpy(self.k), self.noise)
        return EngineRows(state, self.noise, self.k + 1, self.owners)

    def parted(self, steps: int) -> tuple[EngineRows | None, EngineRows | None]:
        """Those that have all steps behind them, and the others."""
        if steps <= 1:
            return self, None
        done = self.k >= steps
        return self.of(done), self.of(~done)

    @classmethod
    def begin(cls, task: Task, fresh: Sequence[Segment], device: torch.device) -> EngineRows:
        """Rows of questions that were prepared, before step 0."""
        noise = Noise.spans([(t.question.seed, t.question.first + first, n) for t, first, n in fresh], device)
        given = [tuple(part[first : first + n] for part in t.given) for t, first, n in fresh]
        state = task.begin(given[0] if len(given) == 1 else tuple(map(torch.cat, zip(*given, strict=True))), noise)
        return cls(state, noise, np.zeros(len(noise), np.int64), tuple(fresh))

    @classmethod
    def join(cls, parts: Sequence[EngineRows]) -> EngineRows:
        """All rows, in order."""
        if len(parts) == 1:
            return parts[0]
        state = tuple(torch.cat(each) for each in zip(*(part.state for part in parts), strict=True))
        owners = tuple(segment for part in parts for segment in part.owners)
        return cls(state, Noise.join([p.noise for p in parts]), np.concatenate([p.k for p in parts]), owners)


@final
@dataclass(frozen=True)
class RowBlock:
    """What one call takes: rows under way, and rows that begin with it."""

    running: EngineRows | None
    fresh: tuple[Segment, ...] = ()

    def __len__(self) -> int:
        return (len(self.running) if self.running else 0) + sum(segment.n for segment in self.fresh)

    @property
    def owners(self) -> tuple[Segment, ...]:
        """Of all rows, in order."""
        return (self.running.owners if self.running else ()) + self.fresh

    @cached_property
    def tickets(self) -> list[Ticket]:
        """Whose rows they are."""
        return list(dict.fromkeys(segment.ticket for segment in self.owners))

    def begun(self, task: Task, device: torch.device) -> EngineRows:
        """All as rows under task."""
        parts = [self.running] if self.running else []
        return EngineRows.join([*parts, EngineRows.begin(task, self.fresh, device)] if self.fresh else parts)

    def of(self, tickets: Container[Ticket]) -> RowBlock:
        """The rows of some questions."""
        running = self.running
        if running is not None:
            keep = [np.full(n, ticket in tickets) for ticket, _, n in running.owners]
            running = running.of(np.concatenate(keep))
        return RowBlock(running, tuple(segment for segment in self.fresh if segment.ticket in tickets))

    def by_tickets(self) -> tuple[RowBlock, RowBlock]:
        """Half of the questions, and the other half."""
        tickets = self.tickets
        half = len(tickets) // 2
        return self.of(set(tickets[:half])), self.of(set(tickets[half:]))

    def at(self, row: int) -> tuple[RowBlock, RowBlock]:
        """The rows before, and those from there on."""
        n_running = len(self.running) if self.running else 0
        before = np.arange(n_running) < row
        head, tail = (self.running.of(keep) if self.running else None for keep in (before, ~before))
        early, late = _cut(self.fresh, max(0, row - n_running))
        return RowBlock(head, early), RowBlock(tail, late)


def join(blocks: Sequence[RowBlock]) -> RowBlock:
    """All rows of some blocks."""
    running = [block.running for block in blocks if block.running]
    fresh = tuple(segment for block in blocks for segment in block.fresh)
    return RowBlock(EngineRows.join(running) if running else None, fresh)


def take(blocks: deque[RowBlock], rows: int) -> RowBlock:
    """So many rows of the first block, at most; the others stay."""
    block = blocks.popleft()
    if len(block) > rows:
        block, rest = block.at(rows)
        blocks.appendleft(rest)
    return block


def hand_out(owners: Sequence[Segment], arrays: Mapping[str, np.ndarray]) -> None:
    """Write finished rows into the answers of their questions."""
    at = 0
    for ticket, first, n in owners:
        rows = ticket.question.rows
        for name, array in arrays.items():
            place(ticket.arrays, name, array[at : at + n], first, rows)
        ticket.left -= n
        at += n


def place(into: dict[str, np.ndarray], name: str, part: np.ndarray, first: int, rows: int) -> None:
    """Put rows where they belong in an answer of so many; a part that is all of it needs no copy."""
    if len(part) == rows:
        into[name] = part
        return
    if name not in into:
        into[name] = np.empty((rows, *part.shape[1:]), part.dtype)
    into[name][first : first + len(part)] = part


def on_host(named: Mapping[str, Tensor], rows: int) -> dict[str, np.ndarray]:
    """As arrays. Raises ValueError where a model answers other than a row for each row."""
    arrays = {name: np.ascontiguousarray(tensor.cpu().numpy()) for name, tensor in named.items()}
    for name, array in arrays.items():
        if len(array) != rows:
            raise ValueError(f"{len(array)} rows of {name} for {rows} rows")
    return arrays


def _cut(segments: Sequence[Segment], row: int) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Segments before a row, and from there on; one may be cut in two."""
    before, after = [], []
    for ticket, first, n in segments:
        head = min(n, max(0, row))
        if head:
            before.append(Segment(ticket, first, head))
        if head < n:
            after.append(Segment(ticket, first + head, n - head))
        row -= n
    return tuple(before), tuple(after)
