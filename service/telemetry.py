"""What the doors measure, in a registry of their own. Times are seconds, as Prometheus wants them."""

from __future__ import annotations

from typing import final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


@final
class Telemetry:
    """Counts and histograms of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "pushforward_requests", "Requests answered.", ["door", "route", "status"], registry=self.registry
        )
        self._request_s = Histogram(
            "pushforward_request_seconds",
            "From a request's first byte to its answer's last.",
            ["door", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        labels = ["model", "op"]
        self._queue_s = Histogram(
            "pushforward_ask_queue_seconds", "Waiting of an ask.", labels, buckets=_SECONDS, registry=self.registry
        )
        self._compute_s = Histogram(
            "pushforward_ask_compute_seconds", "Computing of an ask.", labels, buckets=_SECONDS, registry=self.registry
        )
        self._rows = Histogram(
            "pushforward_ask_batch_rows",
            "Rows that shared an ask's largest network call.",
            labels,
            buckets=_ROWS,
            registry=self.registry,
        )

    def request(self, *, door: str, route: str, status: str, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(door, route, status).inc()
        self._request_s.labels(door, route).observe(seconds)

    def ask(self, *, model: str, op: str, queue_ms: float, compute_ms: float, batch_rows: int) -> None:
        """A worker answered an ask."""
        self._queue_s.labels(model, op).observe(queue_ms / 1000)
        self._compute_s.labels(model, op).observe(compute_ms / 1000)
        self._rows.labels(model, op).observe(batch_rows)

    def exposition(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
