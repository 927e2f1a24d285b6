"""OpenTelemetry, off unless its standard variables configure it; its packages are loaded only then.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318

A trace goes from the client's `traceparent` (HTTP header, gRPC metadata) to a span of the API request, a span of the
request to the model, `InferenceRequest.trace` through Redis, and the worker's spans `queue` and `compute`.

References:
    | Trace Context (W3C, 2021), https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pushforward.service.telemetry.spans import GatewayTracing, WorkerTracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")


class TracingConfigError(OSError):
    """The environment asks for traces that cannot be exported; the message says what to do."""


def for_gateway() -> GatewayTracing | None:
    """The tracing of a gateway; None where it is off. Raises TracingConfigError."""
    if not _is_wanted():
        return None
    _check_packages()
    from pushforward.service.telemetry.spans import GatewayTracing

    return GatewayTracing()


def for_worker() -> WorkerTracing | None:
    """The tracing of a worker; None where it is off. Raises TracingConfigError."""
    if not _is_wanted():
        return None
    _check_packages()
    from pushforward.service.telemetry.spans import WorkerTracing

    return WorkerTracing()


def _is_wanted() -> bool:
    """Whether the environment asks for traces. Raises TracingConfigError."""
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if exporter == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if not exporter and not any(map(os.environ.get, ENDPOINTS)):
        return False
    if exporter not in ("", "otlp"):
        raise TracingConfigError(f"OTEL_TRACES_EXPORTER is {exporter!r}; it may be otlp or none")
    for name in PROTOCOLS:
        if os.environ.get(name, "http/protobuf") != "http/protobuf":
            raise TracingConfigError(f"{name} is {os.environ[name]!r}; traces leave as http/protobuf only")
    return True


def _check_packages() -> None:
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError:
        raise TracingConfigError(
            "the environment asks for traces, but OpenTelemetry is not installed: pip install 'pushforward[otel]', "
            "or set OTEL_TRACES_EXPORTER=none"
        ) from None
