"""What a worker measures. Times are seconds, as Prometheus wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, final, get_args

from pushforward.service.telemetry.gateway import PAIR, ROWS, SECONDS
from pushforward.service.telemetry.metric_families import MetricFamily, Series, observe
from pushforward.service.telemetry.registry import Metrics, PairSeries

Reason = Literal["full", "drained", "alone"]  # cap reached; no more rows waited; retried alone after a failure
Stage = Literal["queued", "computing"]
REASONS: tuple[Reason, ...] = get_args(Reason)
STAGES: tuple[Stage, ...] = get_args(Stage)

LOAD_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LOADING = "load"  # in place of an operation, because loads have none


class _Calls(NamedTuple):
    """The series of one model and operation."""

    seconds: Series
    rows: Series
    cap_rows: Series
    released: dict[Reason, Series]


@final
class WorkerTelemetry:
    """Metrics of one worker, written by the inference thread, the loader (loads) and the heartbeat (models)."""

    def __init__(self, worker: str, folder: Path | None = None, store: Path | None = None) -> None:
        self._call_s = _family("histogram", "call_seconds", "One forward pass.", PAIR, SECONDS)
        self._call_rows = _family("histogram", "call_rows", "Rows of one forward pass.", PAIR, ROWS)
        self._releases = _family("counter", "releases_total", "Forward passes, by what let them go.", (*PAIR, "reason"))
        self._cap_rows = _family("gauge", "cap_rows", "Rows that a call may have at present.", ("worker", *PAIR))
        self._left = _family("counter", "left_total", "Requests that their client cancelled.", (*PAIR, "stage"))
        self._expired = _family("counter", "expired_total", "Requests past their deadline.", (*PAIR, "stage"))
        self._models = _family("gauge", "models", "Models in memory.", ("worker",))
        self._model_bytes = _family("gauge", "model_bytes", "Memory of those models.", ("worker",))
        self._load_s = _family("histogram", "load_seconds", "Loads of a model.", ("model",), LOAD_S)
        self._trouble = _family(
            "gauge", "trouble", "1 where jobs wait because the machine lacks something.", ("worker",)
        )
        self._backlog_s = _family("gauge", "backlog_seconds", "Expected work in hand.", ("worker",))
        self._dropped = _family("counter", "dropped_total", "Malformed data in Redis that was dropped.", ("kind",))
        self._worker = worker
        self._calls = PairSeries(self._calls_of)
        self._leaving = PairSeries(lambda model, op: {stage: self._left.of(model, op, stage) for stage in STAGES})
        self._late = PairSeries(lambda model, op: {stage: self._expired.of(model, op, stage) for stage in STAGES})
        self._loads = PairSeries(lambda model, _: self._load_s.of(model))
        self.metrics = Metrics(
            (
                *(self._call_s, self._call_rows, self._releases, self._cap_rows, self._left, self._expired),
                *(self._models, self._model_bytes, self._load_s, self._backlog_s, self._trouble, self._dropped),
            ),
            folder,
            store=store,
            pairs=(self._calls, self._leaving, self._late, self._loads),
        )

    def call(self, model: str, op: str, rows: int, cap: int, seconds: float, reason: Reason) -> None:
        """Count a forward pass with rows of one key, of which `cap` may share a pass."""
        series = self._calls.of(model, op)
        observe(series.seconds, SECONDS, seconds)
        observe(series.rows, ROWS, rows)
        series.cap_rows[0] = cap
        series.released[reason][0] += 1

    def left(self, model: str, op: str, stage: Stage) -> None:
        """Count a request that its client cancelled."""
        self._leaving.of(model, op)[stage][0] += 1

    def expired(self, model: str, op: str, stage: Stage) -> None:
        """Count a request that passed its deadline."""
        self._late.of(model, op)[stage][0] += 1

    def residency(self, n_models: int, n_bytes: int) -> None:
        """Set the models that are in memory."""
        self._models.of(self._worker)[0] = n_models
        self._model_bytes.of(self._worker)[0] = n_bytes

    def trouble(self, *, present: bool) -> None:
        """Set whether jobs wait because this machine lacks something."""
        self._trouble.of(self._worker)[0] = present

    def loaded(self, model: str, seconds: float) -> None:
        """Count a load of a model."""
        observe(self._loads.of(model, LOADING), LOAD_S, seconds)

    def backlog(self, ms: float) -> None:
        """Set the expected time of all requests in flight."""
        self._backlog_s.of(self._worker)[0] = ms / 1000

    def dropped_in_all(self, kind: str, n: int) -> None:
        """Set a count that is kept elsewhere in this process."""
        if n:
            self._dropped.of(kind)[0] = n

    def _calls_of(self, model: str, op: str) -> _Calls:
        return _Calls(
            self._call_s.of(model, op),
            self._call_rows.of(model, op),
            self._cap_rows.of(self._worker, model, op),
            {reason: self._releases.of(model, op, reason) for reason in REASONS},
        )


def _family(
    kind: Literal["counter", "gauge", "histogram"],
    name: str,
    meaning: str,
    labels: tuple[str, ...],
    bounds: tuple[float, ...] = (),
) -> MetricFamily:
    return MetricFamily(kind, f"pushforward_worker_{name}", meaning, labels, bounds)
