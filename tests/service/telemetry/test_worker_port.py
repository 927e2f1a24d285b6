"""`service.telemetry.worker_port`: the metrics of a worker can be read while it lives."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import httpx
import pytest

from pushforward.service.local.up import free_port
from pushforward.service.processes.supervision import StartError
from pushforward.service.settings import Settings
from pushforward.service.telemetry.registry import Metrics
from pushforward.service.telemetry.worker import WorkerTelemetry
from pushforward.service.telemetry.worker_port import MetricsPort

LINE = 'pushforward_worker_models{worker="w"} 3.0'


def test_prometheus_reads_them_from_the_worker_s_own_port() -> None:
    telemetry = WorkerTelemetry("w")
    settings = Settings(metrics_port=free_port())
    exposed = MetricsPort(telemetry.metrics, settings)
    telemetry.residency(3, 1000)
    url = f"http://127.0.0.1:{settings.metrics_port}/metrics"
    answer = httpx.get(url, timeout=5, trust_env=False)
    exposed.stop()
    assert LINE in answer.text
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, timeout=5, trust_env=False)


def test_a_gateway_that_shares_its_folder_shows_them_without_a_port(tmp_path: Path) -> None:
    telemetry = WorkerTelemetry("w", tmp_path)
    telemetry.residency(3, 1000)
    telemetry.loaded("digits@1", 0.5)
    exposed = MetricsPort(telemetry.metrics, Settings(metrics_folder=tmp_path))
    give_up = time.monotonic() + 10
    while LINE not in Metrics((), tmp_path).exposition().decode():
        assert time.monotonic() < give_up, "it is not told"
        time.sleep(0.05)
    exposed.stop()
    left = Metrics((), tmp_path).exposition().decode()
    assert LINE not in left
    assert 'pushforward_worker_load_seconds_count{model="digits@1"} 1.0' in left


def test_a_port_that_is_taken_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=f"{port}: Address already in use; choose another"):
            MetricsPort(WorkerTelemetry("w").metrics, Settings(metrics_port=port))
