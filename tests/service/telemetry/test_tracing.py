"""`service.telemetry.tracing`: off unless the environment asks for it; an error where it is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushforward.service.telemetry import tracing

ROOT = Path(__file__).parents[3]
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def nothing_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def test_it_is_off_unless_it_is_configured() -> None:
    assert tracing.for_gateway() is None
    assert tracing.for_worker() is None


@pytest.mark.parametrize(
    "off",
    [
        {ENDPOINT: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
        {ENDPOINT: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: ""},
    ],
)
def test_it_is_off_where_the_environment_says_so(off: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in off.items():
        monkeypatch.setenv(name, value)
    assert tracing.for_gateway() is None


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("OTEL_TRACES_EXPORTER", "jaeger", "it may be otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf only"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf only"),
    ],
)
def test_what_it_cannot_do_is_named(name: str, value: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    with pytest.raises(tracing.CannotTrace, match=f"{name} is '{value}'.*{remedy}"):
        tracing.for_worker()


def test_a_gateway_that_does_not_trace_loads_nothing_for_it() -> None:
    program = (
        "import json, sys, service.gateway.process\n"
        "from pushforward.service.telemetry import tracing\n"
        "assert tracing.for_gateway() is None\n"
        "print(json.dumps(list(sys.modules)))"
    )
    environment = {**{name: value for name, value in os.environ.items() if "OTEL" not in name}, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    ours = (
        "pushforward.service.telemetry.spans",
        "opentelemetry.sdk.trace",
        "opentelemetry.exporter",
    )  # redis-py loads the SDK's metrics
    assert [name for name in json.loads(done.stdout) if name.startswith(ours)] == []


def test_without_the_packages_the_error_names_the_remedy() -> None:
    program = (
        "import sys; sys.modules['opentelemetry.sdk'] = None\n"
        "from pushforward.service.telemetry import tracing\n"
        "try: tracing.for_gateway()\n"
        "except tracing.CannotTrace as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), ENDPOINT: "http://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True)
    assert "pip install 'pushforward[otel]'" in done.stdout
