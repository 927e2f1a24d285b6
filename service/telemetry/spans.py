"""The spans of gateways and workers. Imported only where tracing is on, because it loads OpenTelemetry's SDK."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from opentelemetry.context import Context, attach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pushforward.service.domain.inference import InferenceRequest

Attributes = Mapping[str, str | int | float]

_W3C = TraceContextTextMapPropagator()


@final
@dataclass(frozen=True)
class RequestSpan:
    """The span of an API request."""

    span: Span

    def end(self, name: str, attributes: Attributes, *, failed: bool) -> None:
        """End the span; an error of the client is not a failure."""
        self.span.update_name(name)
        self.span.set_attributes(attributes)
        if failed:
            self.span.set_status(StatusCode.ERROR)
        self.span.end()


@final
@dataclass(frozen=True)
class GatewayTracing:
    """Traces of a gateway."""

    provider: TracerProvider = field(default_factory=lambda: _provider("gateway"))

    def begin(self, name: str, headers: Mapping[str, str]) -> RequestSpan:
        """Begin a span of an API request, in the trace of its headers. Spans of this task lie within it.

        The context stays attached: each request has its own task, and so its own context.
        """
        span = self._start(name, _W3C.extract(headers, Context()), SpanKind.SERVER)
        attach(set_span_in_context(span))
        return RequestSpan(span)

    def ask(self, request: InferenceRequest) -> Span:
        """A span of a request to a model, within that of its API request."""
        span = self._start(f"ask {request.op}", None, SpanKind.PRODUCER)
        span.set_attributes(_described(request))
        return span

    def close(self) -> None:
        """Send the remaining spans."""
        self.provider.shutdown()

    def _start(self, name: str, context: Context | None, kind: SpanKind) -> Span:
        return self.provider.get_tracer("pushforward").start_span(name, context, kind)


@final
@dataclass(frozen=True)
class WorkerTracing:
    """Traces of a worker."""

    provider: TracerProvider = field(default_factory=lambda: _provider("worker"))

    def answered(
        self, request: InferenceRequest, sent_at: float, started_at: float, ended_at: float, attributes: Attributes
    ) -> None:
        """Record how a request waited and was computed. Times are of `time.monotonic()`.

        A request without a trace leaves no span.
        """
        if not request.trace:
            return
        context = _W3C.extract({"traceparent": request.trace}, Context())
        tracer = self.provider.get_tracer("pushforward")
        wall_ns = time.time_ns() - time.monotonic_ns()
        sent_ns, started_ns, ended_ns = (wall_ns + int(at * 1e9) for at in (sent_at, started_at, ended_at))
        described = _described(request)
        tracer.start_span("queue", context, SpanKind.CONSUMER, described, start_time=sent_ns).end(started_ns)
        span = tracer.start_span("compute", context, attributes={**described, **attributes}, start_time=started_ns)
        span.end(ended_ns)

    def close(self) -> None:
        """Send the remaining spans."""
        self.provider.shutdown()


def traceparent(span: Span) -> str:
    """The `traceparent` of a span; empty where it is not recorded, so that no span follows it."""
    if not span.is_recording():
        return ""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, set_span_in_context(span, Context()))
    return carrier["traceparent"]


def _described(request: InferenceRequest) -> Attributes:
    return {"pushforward.model": request.model, "pushforward.op": request.op, "pushforward.rows": request.rows}


def _provider(process: str) -> TracerProvider:
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"pushforward-{process}"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
