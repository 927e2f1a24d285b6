"""What the APIs measure. Times are seconds, as Prometheus wants them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, final

from pushforward.service.domain.inference import Timing
from pushforward.service.telemetry.metric_families import MetricFamily, Series, observe
from pushforward.service.telemetry.registry import Metrics, PairSeries

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0)
PAIR = ("model", "op")


class _Answers(NamedTuple):
    """The series of one model and operation."""

    linger_s: Series
    queue_s: Series
    compute_s: Series
    total_s: Series
    rows: Series


@final
class Telemetry:
    """Counts and histograms of one gateway. One thread writes them: that of its event loop."""

    def __init__(self, folder: Path | None = None, store: Path | None = None) -> None:
        self._requests = MetricFamily(
            "counter", "pushforward_requests_total", "Requests answered.", ("door", "route", "status")
        )
        self._request_s = MetricFamily(
            "histogram",
            "pushforward_request_seconds",
            "From a request's first byte to its answer's last.",
            ("door", "route"),
            SECONDS,
        )
        self._linger_s = _asks("linger_seconds", "At the gateway, behind other requests of its key.", SECONDS)
        self._queue_s = _asks("queue_seconds", "On the way to a worker, waiting there, and on the way back.", SECONDS)
        self._compute_s = _asks("compute_seconds", "In forward passes, shared ones counted whole.", SECONDS)
        self._total_s = _asks("total_seconds", "From the gateway and back to it.", SECONDS)
        self._rows = _asks("batch_rows", "Rows that shared an ask's largest forward pass.", ROWS)
        self._refusals = MetricFamily(
            "counter",
            "pushforward_ask_refusals_total",
            "Valid asks that were refused.",
            ("op", "refusal", "stage"),
        )
        self._cancellations = MetricFamily(
            "counter", "pushforward_ask_cancellations_total", "Asks whose client left.", ("op", "stage")
        )
        asks = (self._linger_s, self._queue_s, self._compute_s, self._total_s, self._rows)
        self._answers = PairSeries(lambda model, op: _Answers(*(family.of(model, op) for family in asks)))
        families = (self._requests, self._request_s, *asks, self._refusals, self._cancellations)
        self.metrics = Metrics(families, folder, store=store, pairs=(self._answers,))

    def request(self, *, door: str, route: str, status: str, seconds: float) -> None:
        """A request was answered."""
        self._requests.of(door, route, status)[0] += 1
        observe(self._request_s.of(door, route), SECONDS, seconds)

    def answered(self, model: str, op: str, timing: Timing) -> None:
        """A worker answered an ask."""
        series = self._answers.of(model, op)
        observe(series.linger_s, SECONDS, timing.linger_ms / 1000)
        observe(series.queue_s, SECONDS, timing.queue_ms / 1000)
        observe(series.compute_s, SECONDS, timing.compute_ms / 1000)
        observe(series.total_s, SECONDS, timing.total_ms / 1000)
        observe(series.rows, ROWS, timing.batch_rows)

    def refused(self, op: str, refusal: str, stage: str) -> None:
        """An ask was refused, by the `door` or by a `worker`."""
        self._refusals.of(op, refusal, stage)[0] += 1

    def cancelled(self, op: str, stage: str) -> None:
        """A client left: before its ask was sent (`gateway`), or after (`worker`)."""
        self._cancellations.of(op, stage)[0] += 1


def _asks(name: str, meaning: str, bounds: tuple[float, ...]) -> MetricFamily:
    return MetricFamily("histogram", f"pushforward_ask_{name}", meaning, PAIR, bounds)
