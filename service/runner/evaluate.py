"""One attempt at an evaluation, in a child process: compares a model's samples with rows, and writes the report.

It stops between two metrics, or between two steps of the sampler. An attempt begins anew: what a metric is, is a
function of the model, the rows and the seed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from time import monotonic

import torch
from pydantic import TypeAdapter, ValidationError
from threadpoolctl import threadpool_limits

from pushforward.models.data import AnyData, Source
from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.errors import BadCheckpoint, InvalidData
from pushforward.models.evaluation.classifier import weights_of
from pushforward.models.evaluation.comparison import Compared, ComparisonStage, Question, compare
from pushforward.models.evaluation.metrics.registry import METRICS
from pushforward.models.run import Run
from pushforward.models.storage.evaluation import EvaluationReport, MetricReport, write_classifier, write_report
from pushforward.models.storage.model import Model, load_model
from pushforward.models.training.compute.memory import rows_bytes
from pushforward.models.training.data import load_data
from pushforward.service.domain.jobs import ModelEvaluation
from pushforward.service.runner.messages import (
    DONE,
    INTERRUPTED,
    EvaluateOrder,
    MetricsMeasured,
    ReportWritten,
    Send,
    pace_s,
)

log = logging.getLogger(__name__)

_DATA: TypeAdapter[Source] = TypeAdapter(AnyData)


def run_order(order: EvaluateOrder, device: torch.device, send: Send, stop: threading.Event) -> int:
    """Evaluate to the last metric, or until `stop` is set; the exit code. Raises LaboratoryError, OSError."""
    asked = order.evaluation
    model = _load(order, device)
    scratch = ScratchSpace(order.scratch, rows_bytes(order.memory_bytes))
    data = load_data(Run.model_validate(model.card.run), order.data_root, scratch)
    progress = _EvaluationProgress(asked.metrics, send)
    stages = compare(model, data, _question(order, scratch), device)
    with threadpool_limits(order.torch_threads):  # of NumPy and scikit-learn, too
        while True:
            try:
                stage = next(stages)
            except StopIteration as end:
                _write(order, end.value)
                send(ReportWritten(metrics={each.name: each.model.value for each in end.value.metrics}))
                return DONE
            if stop.is_set():
                return INTERRUPTED
            progress.tell(stage)


def _load(order: EvaluateOrder, device: torch.device) -> Model:
    if not order.model.is_dir():
        raise BadCheckpoint(f"the model {order.evaluation.model} is gone; ask one of the models that are listed")
    return load_model(order.model, device)


def _question(order: EvaluateOrder, scratch: ScratchSpace) -> Question:
    """Raises InvalidData where another release knows other metrics or sources."""
    asked = order.evaluation
    unknown = [name for name in asked.metrics if name not in METRICS]
    if unknown:
        raise InvalidData(f"this worker does not know {', '.join(unknown)}", field="metrics")
    try:
        against = None if isinstance(asked.against, str) else _DATA.validate_python(asked.against)
    except ValidationError as error:
        raise InvalidData("is no source of data that this worker knows", field="against") from error
    return Question(asked.metrics, asked.n, asked.seed, against, order.data_root, order.model, asked.target, scratch)


def _write(order: EvaluateOrder, compared: Compared) -> None:
    """Write the report, and the classifier where it is new."""
    asked: ModelEvaluation = order.evaluation
    order.report.mkdir(exist_ok=True)
    if compared.frozen is not None and compared.is_new:
        write_classifier(order.report, compared.frozen.card, weights_of(compared.frozen.classifier))
    report = EvaluationReport(
        against=asked.against,
        n=compared.n,
        n_reference=compared.n_reference,
        seed=asked.seed,
        metrics=compared.metrics,
        target=asked.target,
        classifier=None if compared.frozen is None else compared.frozen.card,
        labels=compared.labels,
        job=order.job,
        created_at=time.time(),
    )
    write_report(order.report, report)


class _EvaluationProgress:
    """Reports each metric, and now and again how far the drawing has come."""

    def __init__(self, metrics: Sequence[str], send: Send) -> None:
        self._total, self._send = len(metrics), send
        self._began = monotonic()
        self._said_at, self._what, self._said = -1.0, "", 0

    def tell(self, stage: ComparisonStage) -> None:
        """Report what was measured, and the stage if the last report is old enough."""
        for report in stage.measured[self._said :]:
            log.info("%s", in_words(report))
        news = stage.what != self._what or len(stage.measured) > self._said
        self._what, self._said = stage.what, len(stage.measured)
        if news or monotonic() - self._said_at >= pace_s(monotonic() - self._began):
            self._said_at = monotonic()
            names = tuple(report.name for report in stage.measured)
            spent_s = self._said_at - self._began
            self._send(
                MetricsMeasured(
                    step=len(names),
                    total_steps=self._total,
                    fraction=round(stage.fraction, 4),
                    what=stage.what,
                    measured=names,
                    seconds_left=spent_s * (1 / stage.fraction - 1) if stage.fraction > 0 else None,
                )
            )


def in_words(report: MetricReport) -> str:
    """`mmd2 0.0123, training rows 0.001, a Gaussian 0.2, ideal 0`."""
    beside = {"training rows": report.floor, "a Gaussian": report.gaussian}
    parts = [f"{report.name} {report.model.value:.4g}"]
    parts += [f"{name} {measured.value:.4g}" for name, measured in beside.items() if measured is not None]
    return ", ".join([*parts, f"ideal {report.ideal:.4g}"])
