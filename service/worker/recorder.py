"""Records what the engine did, as metrics and spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pushforward.service.domain.errors import ServiceError
from pushforward.service.engine.tickets import Call, Ticket
from pushforward.service.telemetry.worker import Stage, WorkerTelemetry

if TYPE_CHECKING:
    from pushforward.service.telemetry.spans import Attributes, WorkerTracing


@final
@dataclass(frozen=True)
class Recorder:
    """Records forward passes and the ends of requests."""

    telemetry: WorkerTelemetry
    tracing: WorkerTracing | None

    def call(self, call: Call) -> None:
        """Record a forward pass."""
        self.telemetry.call(call.model, call.op, call.rows, call.cap, call.ms / 1000, call.reason)

    def ended(self, ticket: Ticket, sent_at: float, now: float, *, was_cancelled: bool) -> None:
        """Record the end of a request. Times are of `time.monotonic()`."""
        request = ticket.request
        stage: Stage = "queued" if ticket.started_at is None else "computing"
        if was_cancelled:
            self.telemetry.left(request.model, request.op, stage)
        elif ticket.error is not None and ticket.deadline <= now:
            self.telemetry.expired(request.model, request.op, stage)
        if self.tracing is not None:
            started_at = now if ticket.started_at is None else ticket.started_at
            self.tracing.answered(request, sent_at, started_at, now, _attributes(ticket, ticket.error))


def _attributes(ticket: Ticket, error: ServiceError | None) -> Attributes:
    """Attributes of the span `compute`."""
    attributes: Attributes = {"pushforward.compute_ms": ticket.compute_ms, "pushforward.batch_rows": ticket.batch_rows}
    return attributes if error is None else {**attributes, "pushforward.refusal": error.slug}
