"""Asks that are counted on their way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import final

from service.domain import Preview, Question, Reply
from service.ports import Asks
from service.telemetry import Telemetry


@final
@dataclass(frozen=True)
class MeasuredAsks:
    """The same asks, measured. Implements `ports.Asks`."""

    asks: Asks
    telemetry: Telemetry

    async def ask(self, question: Question, *, timeout_s: float) -> Reply:
        reply = await self.asks.ask(question, timeout_s=timeout_s)
        self._count(question, reply)
        return reply

    async def watch(self, question: Question, *, timeout_s: float) -> AsyncIterator[Preview | Reply]:
        async for news in self.asks.watch(question, timeout_s=timeout_s):
            if isinstance(news, Reply):
                self._count(question, news)
            yield news

    def _count(self, question: Question, reply: Reply) -> None:
        timing = reply.timing
        self.telemetry.ask(
            model=question.model,
            op=question.op,
            queue_ms=timing.queue_ms,
            compute_ms=timing.compute_ms,
            batch_rows=timing.batch_rows,
        )
