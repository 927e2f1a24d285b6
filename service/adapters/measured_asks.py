"""Asks that are counted on their way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from service.domain import Question, Reply
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
        timing = reply.timing
        self.telemetry.ask(
            model=question.model,
            op=question.op,
            queue_ms=timing.queue_ms,
            compute_ms=timing.compute_ms,
            batch_rows=timing.batch_rows,
        )
        return reply
