"""Counts requests to models and their replies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import final

from pushforward.service.domain.errors import ServiceError
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply, WorkerOp
from pushforward.service.domain.ports import UNSENT, Asks
from pushforward.service.telemetry.gateway import Telemetry


@final
@dataclass(frozen=True)
class MeasuredAsks:
    """`ports.Asks` that measures another one."""

    asks: Asks
    telemetry: Telemetry

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        try:
            reply = await self.asks.ask(request, timeout_s=timeout_s)
        except BaseException as error:
            self._count_end(request.op, error)
            raise
        self.telemetry.answered(request.model, request.op, reply.timing)
        return reply

    async def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncGenerator[Preview | Reply]:
        answered = False
        try:
            async with aclosing(self.asks.watch(request, timeout_s=timeout_s)) as watched:
                async for item in watched:
                    if isinstance(item, Reply):
                        answered = True
                        self.telemetry.answered(request.model, request.op, item.timing)
                    yield item
        except BaseException as error:
            if not answered:
                self._count_end(request.op, error)
            raise

    def _count_end(self, op: WorkerOp, error: BaseException) -> None:
        """Count a request that ends without a reply."""
        match error:
            case ServiceError():
                self.telemetry.refused(op, error.slug, error.stage)
            case asyncio.CancelledError():
                self.telemetry.cancelled(op, "gateway" if UNSENT in error.args else "worker")
            case GeneratorExit():  # the client has left
                self.telemetry.cancelled(op, "worker")
