"""A whole service, watched from outside: every gateway tells the metrics of all, and an ask leaves one trace."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from pushforward.service.client import Client
from tests.collector import collecting
from tests.e2e.running import start_up, stop_up

RUN = {
    "family": {"family": "vae", "latent": 2, "width": 16, "likelihood": {"likelihood": "gaussian"}},
    "data": {"source": "two_moons"},
    "budget": {"steps": 20},
}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
SERVICES = {"POST /sample": "gateway", "ask sample": "gateway", "queue": "worker", "compute": "worker"}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.1)


def test_metrics_and_traces_tell_the_way_of_an_ask_through_all_processes(tmp_path: Path) -> None:
    with collecting() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        up = start_up(tmp_path, PUSHFORWARD_GATEWAYS="2", **environment)
        try:
            with Client(up.place.url) as client:
                job = client.train("moons", run=RUN)
                assert [data["state"] for kind, data in client.watch(job["id"]) if kind == "state"][-1] == "succeeded"
            asked = httpx.post(f"{up.place.url}/sample", json={"model": "moons", "n": 3}, headers=PARENT, timeout=30)
            assert asked.status_code == 200, asked.text

            def told() -> str:
                return httpx.get(f"{up.place.url}/metrics", timeout=10).text

            for line in (
                'pushforward_ask_total_seconds_count{model="moons@1",op="sample"} 1.0',
                'pushforward_worker_call_rows_sum{model="moons@1",op="sample"} 3.0',
                'pushforward_worker_load_seconds_count{model="moons@1"} 1.0',
            ):
                wait_for(lambda line=line: all(line in told() for _ in range(6)), f"not told: {line}")
            wait_for(lambda: "pushforward_worker_models{" in told(), "the worker's gauges are not told")
            wait_for(lambda: SERVICES.keys() <= collector.spans().keys(), "the trace is not whole")
        finally:
            stop_up(up)
    spans = {name: collector.spans()[name] for name in SERVICES}
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert {name: collector.services()[name].removeprefix("pushforward-") for name in SERVICES} == SERVICES
    assert spans["queue"].parent_span_id == spans["compute"].parent_span_id == spans["ask sample"].span_id
    assert spans["ask sample"].parent_span_id == spans["POST /sample"].span_id
