"""Traces requests to models, and sends the trace to the worker. Imported only where tracing is on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import final

from opentelemetry.trace import Span, StatusCode

from pushforward.service.domain.errors import ServiceError
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply, Timing
from pushforward.service.domain.ports import Asks
from pushforward.service.telemetry.spans import GatewayTracing, traceparent


@final
@dataclass(frozen=True)
class TracedAsks:
    """`ports.Asks` that traces another one."""

    asks: Asks
    tracing: GatewayTracing

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        with self._span(request) as span:
            reply = await self.asks.ask(replace(request, trace=traceparent(span)), timeout_s=timeout_s)
            _describe(span, reply.timing)
            return reply

    async def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncGenerator[Preview | Reply]:
        with self._span(request) as span:
            traced = replace(request, trace=traceparent(span))
            async with aclosing(self.asks.watch(traced, timeout_s=timeout_s)) as watched:
                async for item in watched:
                    if isinstance(item, Reply):
                        _describe(span, item.timing)
                    yield item

    @contextmanager
    def _span(self, request: InferenceRequest) -> Iterator[Span]:
        span = self.tracing.ask(request)
        try:
            yield span
        except ServiceError as error:
            span.set_attributes({"pushforward.refusal": error.slug, "pushforward.refused_by": error.stage})
            span.set_status(StatusCode.ERROR, error.detail)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            span.set_attribute("pushforward.cancelled", True)
            raise
        finally:
            span.end()


def _describe(span: Span, timing: Timing) -> None:
    span.set_attributes({f"pushforward.{name}": value for name, value in asdict(timing).items()})
