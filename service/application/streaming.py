"""A long sample in parts, in constant memory.

Row i of a sample is a pure function of (model, seed, i), so parts of it can be requests of their own:

    rows[0, n) = rows[0, m1) ++ rows[m1, m2) ++ ... ++ rows[mk, n)

A few parts are under way at once, so that no worker waits for the gateway, and they are delivered in order. While the
client reads slowly, no more parts are requested. The gateway does not know what a row costs, so the size of a part
adapts: twice as many rows after a fast part, half as many after a slow one. Each part stays well within the time limit
of a request, however long the whole takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import final

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.errors import Overloaded, Unavailable
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.domain.ports import Asks
from pushforward.service.processes.background import begin
from pushforward.service.settings import Settings

AHEAD = 12  # parts under way at once
FIRST_ROWS = 256  # of the first parts, before it is known what a row costs
PART_ROWS = 4096  # of one part at most
PART_BYTES = 2**20  # likewise; well within what gRPC clients take by default, 4 MiB
QUICK, SLOW = 0.01, 0.1  # of the time limit
RETRY_S = 0.5  # where a refusal does not say when to try again


@final
@dataclass(frozen=True)
class Part:
    """Some rows of a long sample."""

    request: InferenceRequest
    reply: Reply
    took_s: float


def most_rows(spec: DataSpec, settings: Settings) -> int:
    """The most rows of one part, at least one."""
    return max(1, min(PART_ROWS, PART_BYTES // spec.row_bytes, settings.max_values // spec.size, settings.max_rows))


async def parts(
    asks: Asks, request: InferenceRequest, *, most: int, part_s: float, whole_s: float | None
) -> AsyncGenerator[Part]:
    """The rows of a request in order, at most `most` at a time; a single part where they fit into one.

    `part_s` is how long one part may take, `whole_s` how long all of them. Closing the generator cancels the
    parts under way. Raises what `Asks.ask` raises; after the first part, temporary refusals are waited out.
    """
    began = monotonic()
    ends = inf if whole_s is None else began + whole_s
    rows = request.rows if request.rows <= most else min(FIRST_ROWS, most)
    first = 0
    under_way: deque[asyncio.Task[Part]] = deque()
    try:
        while first < request.rows or under_way:
            while first < request.rows and len(under_way) < AHEAD:
                part = request.part(first, min(rows, request.rows - first))
                under_way.append(begin(_ask(asks, part, part_s, ends), "part of a sample"))
                first += part.rows
            done = await under_way[0]
            under_way.popleft()
            rows = _next_rows(done, most, part_s)
            yield done
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _ask(asks: Asks, part: InferenceRequest, part_s: float, ends: float) -> Part:
    """One part. A temporary refusal is raised at once for the first part only; later parts are requested again."""
    began = monotonic()
    give_up = min(began + part_s, ends)
    while True:
        try:
            reply = await asks.ask(part, timeout_s=give_up - monotonic())
            return Part(part, reply, monotonic() - began)
        except (Overloaded, Unavailable) as refusal:
            pause_s = refusal.retry_after_s or RETRY_S
            if part.first == 0 or monotonic() + pause_s >= give_up:
                raise
        await asyncio.sleep(pause_s)


def _next_rows(done: Part, most: int, part_s: float) -> int:
    rows = done.request.rows
    if done.took_s < QUICK * part_s:
        return min(most, 2 * rows)
    return max(1, rows // 2) if done.took_s > SLOW * part_s else rows
