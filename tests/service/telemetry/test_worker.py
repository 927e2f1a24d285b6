"""`service.telemetry.worker`: what a worker counts is what Prometheus reads."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pushforward.service.telemetry.worker import Reason, Stage, WorkerTelemetry


def read(telemetry: WorkerTelemetry) -> dict[tuple[str, ...], float]:
    told = text_string_to_metric_families(telemetry.metrics.exposition().decode())
    samples = [s for family in told for s in family.samples if s.name.startswith("pushforward_worker_")]
    return {
        (s.name.removeprefix("pushforward_worker_"), *s.labels.values()): s.value
        for s in samples
        if not s.name.endswith("_bucket") and s.value
    }


def test_a_call_leaves_its_time_its_rows_its_cap_and_its_reason() -> None:
    telemetry = WorkerTelemetry("w")
    telemetry.call("digits@1", "sample", rows=60, cap=64, seconds=0.25, reason="drained")
    telemetry.call("digits@1", "sample", rows=32, cap=32, seconds=0.5, reason="full")
    assert read(telemetry) == {
        ("call_seconds_count", "digits@1", "sample"): 2,
        ("call_seconds_sum", "digits@1", "sample"): 0.75,
        ("call_rows_count", "digits@1", "sample"): 2,
        ("call_rows_sum", "digits@1", "sample"): 92,
        ("releases_total", "digits@1", "sample", "drained"): 1,
        ("releases_total", "digits@1", "sample", "full"): 1,
        ("cap_rows", "digits@1", "sample", "w"): 32,
    }


@pytest.mark.parametrize("stage", ["queued", "computing"])
def test_cancelled_and_expired_requests_are_counted_by_stage(stage: Stage) -> None:
    telemetry = WorkerTelemetry("w")
    telemetry.left("digits@1", "sample", stage)
    telemetry.expired("digits@1", "encode", stage)
    assert read(telemetry) == {
        ("left_total", "digits@1", "sample", stage): 1,
        ("expired_total", "digits@1", "encode", stage): 1,
    }


def test_models_loads_and_the_backlog_are_exported() -> None:
    telemetry = WorkerTelemetry("w")
    telemetry.loaded("digits@1", 0.5)
    telemetry.residency(2, 1000)
    telemetry.residency(3, 3000)
    telemetry.backlog(250.0)
    assert read(telemetry) == {
        ("load_seconds_count", "digits@1"): 1,
        ("load_seconds_sum", "digits@1"): 0.5,
        ("models", "w"): 3,
        ("model_bytes", "w"): 3000,
        ("backlog_seconds", "w"): 0.25,
    }


@pytest.mark.parametrize("reason", ["full", "drained", "alone"])
def test_every_reason_has_its_count(reason: Reason) -> None:
    telemetry = WorkerTelemetry("w")
    telemetry.call("digits@1", "sample", rows=1, cap=1, seconds=0.1, reason=reason)
    assert read(telemetry)["releases_total", "digits@1", "sample", reason] == 1
