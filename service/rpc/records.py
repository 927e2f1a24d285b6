"""From records of jobs and models to messages."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from pushforward.models.data.uploads.datasets import Dataset
from pushforward.models.spec.condition import as_array
from pushforward.models.storage.card import Curve
from pushforward.models.storage.evaluation import EvaluationReport, MetricReport, MetricValue
from pushforward.service.application.catalog import FamilyCard, PresetCard
from pushforward.service.application.trainings.outlines import TrainingPlan
from pushforward.service.domain.catalog import Card, EvaluatedCard
from pushforward.service.domain.jobs import Event, Job, ModelEvaluation, Sampling, State
from pushforward.service.domain.sweeps import SweepRecord
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.structs import to_struct
from pushforward.service.rpc.tensors import tensor


def sampling(ask: Sampling) -> pb.Sampling:
    """The sample that a job draws."""
    given = None if ask.condition is None else as_array(ask.condition)
    condition = None if given is None else tensor(given if given.dtype.kind in "UO" else given.astype(np.float64))
    return pb.Sampling(
        model=ask.model,
        n=ask.n,
        seed=ask.seed,
        options=to_struct(ask.options),
        condition=condition,
        media_type=ask.media_type,
    )


def evaluation(asked: ModelEvaluation) -> pb.ModelEvaluation:
    """What a job compares."""
    return pb.ModelEvaluation(
        model=asked.model,
        against=_against(asked.against),
        metrics=asked.metrics,
        target=asked.target or "",
        n=asked.n,
        seed=asked.seed,
    )


def sweep(searched: SweepRecord) -> pb.Sweep:
    """A search, its trials and the best of them."""
    trials = [
        pb.Trial(
            job=trial.job,
            values=to_struct(trial.values),
            state=pb.JOB_STATE_UNSPECIFIED if trial.state is None else _state(State(trial.state)),
            version=trial.version or 0,
            score=trial.score,
        )
        for trial in searched.trials
    ]
    return pb.Sweep(
        method=searched.method,
        fields=to_struct(searched.fields),
        seed=searched.seed,
        trials=trials,
        score_name=searched.score_name or "",
        best=searched.best or "",
    )


def plan(told: TrainingPlan) -> pb.TrainingPlan:
    """What a training would do."""
    return pb.TrainingPlan(
        model=told.model,
        preset=told.preset or "",
        run=to_struct(told.run),
        form=told.form,
        capabilities=told.capabilities,
        data=to_struct(told.data.model_dump(mode="json")),
        notes=told.notes,
        forecast=None if told.forecast is None else pb.Forecast(**told.forecast.model_dump()),
        no_forecast=told.no_forecast or "",
        trials=told.trials or 0,
    )


def job(record: Job) -> pb.Job:
    """A job; unknown fields are zero, empty or absent."""
    return pb.Job(
        id=record.id,
        state=_state(record.state),
        model=record.model,
        version=record.version or 0,
        preset=record.preset or "",
        run=to_struct(record.run),
        kind=record.kind,
        job_kind=pb.JobKind.Value(f"JOB_KIND_{record.kind.upper()}"),
        ask=None if record.ask is None else sampling(record.ask),
        evaluation=None if record.evaluation is None else evaluation(record.evaluation),
        sweep=None if record.sweep is None else sweep(record.sweep),
        part_of=record.part_of or "",
        file_bytes=record.file_bytes or 0,
        file_sha256=record.file_sha256 or "",
        progress=pb.Progress(step=record.progress.step, total_steps=record.progress.total_steps),
        losses=record.losses,
        curve=None if record.curve is None else curve(record.curve),
        metrics=record.metrics,
        error=None if record.error is None else pb.Fault(type=record.error.type, detail=record.error.detail),
        queue_position=record.queue_position or 0,
        ahead=record.ahead,
        waiting_for=record.waiting_for or "",
        retry_at=record.retry_at,
        priority=record.priority,
        starts_at=record.starts_at,
        seconds_left=record.seconds_left,
        pause_requested=record.pause_requested,
        cancel_requested=record.cancel_requested,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        create_time=timestamp(record.created_at),
        start_time=timestamp(record.started_at),
        end_time=timestamp(record.finished_at),
    )


def curve(curve: Curve) -> pb.Curve:
    """A held-out loss; `best_step` is 0 where there is none."""
    return pb.Curve(
        name=curve.name, rows=curve.rows, steps=curve.steps, values=curve.values, best_step=curve.best_step or 0
    )


def timestamp(seconds: float | None) -> Timestamp | None:
    """Seconds since 1970, to the microsecond; None where there are none."""
    if seconds is None:
        return None
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp


def event(event: Event) -> pb.JobEvent:
    """An event of a job."""
    known = pb.EventKind.DESCRIPTOR.values_by_name.get(f"EVENT_KIND_{event.kind.upper()}")
    kind = pb.EVENT_KIND_UNSPECIFIED if known is None else pb.EventKind.Value(known.name)
    return pb.JobEvent(id=event.id, kind=event.kind, event_kind=kind, data=to_struct(event.data))


def dataset(dataset: Dataset) -> pb.Dataset:
    """A dataset."""
    return pb.Dataset(**dataset.model_dump(), create_time=timestamp(dataset.created_at))


def model(card: Card) -> pb.Model:
    """A card, its main fields typed."""
    return pb.Model(
        model=card.model,
        version=card.version,
        family=card.family,
        capabilities=card.capabilities,
        shape=card.spec.shape,
        latent_shape=card.latent_shape or (),
        metrics=card.metrics,
        curve=None if card.curve is None else curve(card.curve),
        notes=card.notes,
        steps=card.steps,
        start_from=card.start_from or "",
        started_at_step=card.started_at_step,
        card=to_struct(card.model_dump(mode="json")),
    )


def evaluated(card: EvaluatedCard) -> pb.Model:
    """A card, and the report of its latest evaluation."""
    message = model(Card.model_validate({name: getattr(card, name) for name in Card.model_fields}))
    if card.evaluation is not None:
        message.evaluation.CopyFrom(report(card.evaluation))
    if card.measure is not None:
        message.measure.CopyFrom(pb.Measure(numbers=card.measure.numbers, counted=card.measure.counted))
    return message


def report(report: EvaluationReport) -> pb.EvaluationReport:
    """The report of an evaluation."""
    return pb.EvaluationReport(
        against=_against(report.against),
        n=report.n,
        n_reference=report.n_reference,
        seed=report.seed,
        metrics=map(_metric, report.metrics),
        target=report.target or "",
        classifier=None if report.classifier is None else pb.ClassifierCard(**report.classifier.model_dump()),
        labels=None if report.labels is None else pb.LabelCounts(**report.labels.model_dump()),
        job=report.job,
        created_at=report.created_at,
    )


def _state(state: State) -> pb.JobState.ValueType:
    return pb.JobState.Value(f"JOB_STATE_{state.name}")


def _against(against: str | dict[str, Any]) -> Struct | None:
    """The source of data; None for the rows held out."""
    return None if isinstance(against, str) else to_struct(against)


def _metric(metric: MetricReport) -> pb.MetricReport:
    return pb.MetricReport(
        name=metric.name,
        better=metric.better,
        ideal=metric.ideal,
        model=_measured(metric.model),
        floor=None if metric.floor is None else _measured(metric.floor),
        gaussian=None if metric.gaussian is None else _measured(metric.gaussian),
    )


def _measured(measured: MetricValue) -> pb.MetricValue:
    return pb.MetricValue(
        value=measured.value,
        std_error=measured.std_error,
        interval=measured.interval or (),
        p_value=measured.p_value,
    )


def family(card: FamilyCard) -> pb.Family:
    """A family."""
    return pb.Family(
        family=card.family,
        summary=card.summary,
        capabilities=card.capabilities,
        schema=to_struct(card.schema),
        options=to_struct(card.options),
        takes_condition=card.takes_condition,
    )


def preset(card: PresetCard) -> pb.Preset:
    """A named run."""
    return pb.Preset(name=card.name, summary=card.summary, run=to_struct(card.run))
