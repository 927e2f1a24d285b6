"""`service.worker.recorder`: how requests end, as metrics."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from pushforward.service.domain.errors import Failed, TimedOut
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.tickets import Call, Ticket
from pushforward.service.telemetry.worker import WorkerTelemetry
from pushforward.service.worker.recorder import Recorder

NAMES = ("left_total", "expired_total", "releases_total", "call_seconds_sum")


def ticket(*, started_at: float | None, error: Failed | TimedOut | None) -> Ticket:
    request = InferenceRequest("digits@1", "sample", rows=1, seed=0)
    return Ticket(request, deadline=10.0, error=error, started_at=started_at)


def counted(telemetry: WorkerTelemetry) -> dict[tuple[str, ...], float]:
    told = text_string_to_metric_families(telemetry.metrics.exposition().decode())
    samples = [s for family in told for s in family.samples if s.name.endswith(NAMES) and s.value]
    return {(s.name.removeprefix("pushforward_worker_"), *s.labels.values()): s.value for s in samples}


def test_a_call_is_counted() -> None:
    telemetry = WorkerTelemetry("w")
    Recorder(telemetry, None).call(Call("digits@1", "sample", rows=3, cap=64, ms=500.0, reason="drained"))
    assert counted(telemetry) == {
        ("releases_total", "digits@1", "sample", "drained"): 1,
        ("call_seconds_sum", "digits@1", "sample"): 0.5,
    }


def test_requests_that_end_early_are_counted_by_reason_and_stage() -> None:
    telemetry = WorkerTelemetry("w")
    recorder = Recorder(telemetry, None)
    late = TimedOut("late")
    recorder.ended(ticket(started_at=None, error=late), 0.0, 5.0, was_cancelled=True)
    recorder.ended(ticket(started_at=1.0, error=late), 0.0, 5.0, was_cancelled=True)
    recorder.ended(ticket(started_at=None, error=late), 0.0, 10.0, was_cancelled=False)
    recorder.ended(ticket(started_at=1.0, error=late), 0.0, 10.0, was_cancelled=False)
    assert counted(telemetry) == {
        (name, "digits@1", "sample", stage): 1
        for name in ("left_total", "expired_total")
        for stage in ("queued", "computing")
    }


def test_an_answer_or_another_refusal_is_neither_left_nor_expired() -> None:
    telemetry = WorkerTelemetry("w")
    Recorder(telemetry, None).ended(ticket(started_at=1.0, error=None), 0.0, 11.0, was_cancelled=False)
    Recorder(telemetry, None).ended(ticket(started_at=1.0, error=Failed("no")), 0.0, 5.0, was_cancelled=False)
    assert counted(telemetry) == {}
