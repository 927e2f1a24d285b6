"""The rows of one call, as they are joined, split, and tried again in halves after a failure."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import torch

from pushforward.models.stepwise.program import Program
from pushforward.service.engine.batching.rows import RunningRows, Segment
from pushforward.service.engine.tickets import Ticket


@final
@dataclass(frozen=True)
class RowBatch:
    """Rows that run already, and rows that start with this call."""

    running: RunningRows | None
    fresh: tuple[Segment, ...] = ()

    def __len__(self) -> int:
        return (len(self.running) if self.running else 0) + sum(segment.n for segment in self.fresh)

    @property
    def owners(self) -> tuple[Segment, ...]:
        """The segments of all rows, in order."""
        return (self.running.owners if self.running else ()) + self.fresh

    @cached_property
    def tickets(self) -> list[Ticket]:
        """The requests whose rows these are."""
        return list(dict.fromkeys(segment.ticket for segment in self.owners))

    def init(self, program: Program[Any, Any], device: torch.device) -> RunningRows:
        """All rows running: the fresh ones before step 0."""
        parts = [self.running] if self.running else []
        return RunningRows.join([*parts, RunningRows.init(program, self.fresh, device)] if self.fresh else parts)

    def only(self, tickets: Container[Ticket]) -> RowBatch:
        """The rows of some requests."""
        running = self.running
        if running is not None:
            keep = [np.full(n, ticket in tickets) for ticket, _, n in running.owners]
            running = running.select(np.concatenate(keep))
        return RowBatch(running, tuple(segment for segment in self.fresh if segment.ticket in tickets))

    def halves(self) -> tuple[RowBatch, RowBatch]:
        """The rows of half of the requests, and those of the other half."""
        tickets = self.tickets
        half = len(tickets) // 2
        return self.only(set(tickets[:half])), self.only(set(tickets[half:]))

    def split_at(self, row: int) -> tuple[RowBatch, RowBatch]:
        """The rows before, and those from there on."""
        n_running = len(self.running) if self.running else 0
        before = np.arange(n_running) < row
        head, tail = (self.running.select(keep) if self.running else None for keep in (before, ~before))
        early, late = _split(self.fresh, max(0, row - n_running))
        return RowBatch(head, early), RowBatch(tail, late)


def join(batches: Sequence[RowBatch]) -> RowBatch:
    """All rows of some batches."""
    running = [batch.running for batch in batches if batch.running]
    fresh = tuple(segment for batch in batches for segment in batch.fresh)
    return RowBatch(RunningRows.join(running) if running else None, fresh)


def take(batches: deque[RowBatch], rows: int) -> RowBatch:
    """At most so many rows of the first batch; its other rows stay."""
    batch = batches.popleft()
    if len(batch) > rows:
        batch, rest = batch.split_at(rows)
        batches.appendleft(rest)
    return batch


def _split(segments: Sequence[Segment], row: int) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Segments before a row, and from there on; one of them may be split in two."""
    before, after = [], []
    for ticket, first, n in segments:
        head = min(n, max(0, row))
        if head:
            before.append(Segment(ticket, first, head))
        if head < n:
            after.append(Segment(ticket, first + head, n - head))
        row -= n
    return tuple(before), tuple(after)
