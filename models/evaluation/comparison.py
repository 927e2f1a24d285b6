r"""A stored model compared with rows: each metric of its samples, of training rows and of a Gaussian.

    samples     n, under the conditions of held-out rows ─┐
    floor       n training rows ─────────────────────────┼─ metric( . , reference rows)
    gaussian    n draws of a Gaussian of training rows ───┘

All three have as many rows, at most as there are training rows, so that their values can be compared; the reference
rows are those that training held out, or those of another source. Everything random is a function of the seed.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pushforward.models.data import Rows
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import Source
from pushforward.models.errors import BadCheckpoint, Diverged, InvalidData
from pushforward.models.evaluation import classifier, table_baseline
from pushforward.models.evaluation.classifier import Frozen
from pushforward.models.evaluation.measurement import Evaluation
from pushforward.models.evaluation.metrics.memory.memorization import trained_on
from pushforward.models.evaluation.metrics.registry import METRICS, NEAR_TRAINING
from pushforward.models.evaluation.reference_labels import READ_LABELS, unlike
from pushforward.models.evaluation.samples import draw_under
from pushforward.models.evaluation.sides import membership, sides
from pushforward.models.evaluation.sides.sides import Sides, n_classes
from pushforward.models.evaluation.sides.three_sides import ComparedRows, LabeledSamples, ThreeSides
from pushforward.models.family import Samples
from pushforward.models.spec import conditions as kinds
from pushforward.models.stepwise.relay import relayed
from pushforward.models.storage.evaluation import LabelCounts, MetricReport, MetricValue
from pushforward.models.storage.model import Model
from pushforward.models.tables.table import Table
from pushforward.models.training.data import TrainingData, conditions

T = TypeVar("T")
DRAWN, SCORED, TRAINED = 0.4, 0.5, 0.6  # of the whole: samples are drawn, rows are scored, the classifier is trained


class ComparisonStage(NamedTuple):
    """How far a comparison has come."""

    what: str
    fraction: float
    measured: tuple[MetricReport, ...]


Comparing = Generator[ComparisonStage, None, T]


@dataclass(frozen=True)
class Question:
    """What is compared, and how."""

    metrics: Sequence[str]
    n: int
    seed: int
    against: Source | None = None  # None: the rows held out
    root: Path = field(default_factory=Path)  # of files of `against`
    classifiers: Path | None = None  # the folder whose classifier is used again
    target: str | None = None  # the column of `train_on_synthetic`
    scratch: ScratchSpace = IN_MEMORY  # where rows of `against` go that are too large for memory


class Compared(NamedTuple):
    """The result of a comparison."""

    metrics: tuple[MetricReport, ...]
    n: int
    n_reference: int
    frozen: Frozen | None
    is_new: bool  # whether its classifier was trained for it
    labels: LabelCounts | None  # that the classifier finds


def compare(model: Model, data: TrainingData, question: Question, device: torch.device) -> Comparing[Compared]:
    """Compare; yields its progress.

    Raises InvalidData, BadCheckpoint, Diverged where samples are not finite.
    """
    if data.fingerprint != model.card.data_fingerprint:
        raise InvalidData("are not the data that the model was trained on: they have changed since", field="run.data")
    reference = sides.reference_rows(data, question.against, question.root, question.seed, question.scratch)
    _check_labels(question, data)
    target = _target(question, data)
    training = sides.training_rows(data, question.seed)
    known_rows = _trained_on(question, reference, training)
    n = min(question.n, len(training.x))
    needs = {need for name in question.metrics for need in METRICS[name].needs}
    drawn = yield from _within(_drawn(model, data, n, question.seed, device), 0.0, DRAWN)
    rows = ComparedRows(drawn, training, reference, known_rows, data.spec.table)
    if "likelihood" in needs:
        asked = membership.members(model.family, data, training, question.seed)
        scoring = membership.likelihoods(model, data, asked, device)
        rows = replace(rows, members=asked, likelihoods=(yield from _within(scoring, DRAWN, SCORED)))
    if rows.table is not None:
        rows, data = _as_seen(rows, rows.table), table_baseline.as_seen(data)
    stored = frozen = None
    if "labels" in needs:
        frozen = stored = _stored(data, question, device)
        if frozen is None:
            making = sides.classifier_of(data, rows.training, n_classes(data), question.seed, device)
            frozen = yield from _within(making, SCORED, TRAINED)
    of = ThreeSides(
        Sides(data.spec, sides.unit_of(rows.training, data.spec), device, frozen), rows, data, question.seed
    )
    known = of.known(target)
    reports = list[MetricReport]()
    for name in question.metrics:
        done = TRAINED + (1 - TRAINED) * len(reports) / len(question.metrics)
        metric, values = METRICS[name], dict[str, MetricValue]()
        yield ComparisonStage(f"measures {name}", done, tuple(reports))
        for which, value in of.values(metric, known):
            values[which] = value
            yield ComparisonStage(f"measures {name}", done, tuple(reports))
        ideal = metric.ideal(n, len(reference.x), known)
        reports.append(MetricReport(name=name, better=metric.better, ideal=ideal, **values))
    yield ComparisonStage("measured all", 1.0, tuple(reports))
    return Compared(tuple(reports), n, len(reference.x), frozen, frozen is not stored, of.labels())


def _drawn(model: Model, data: TrainingData, n: int, seed: int, device: torch.device) -> Evaluation[LabeledSamples]:
    """Samples under the conditions of held-out rows."""
    family = model.family
    if not isinstance(family, Samples):
        raise BadCheckpoint("the model cannot be sampled")
    like = data.validation.of(np.arange(n) % len(data.validation.x))
    sampler = family.sampler(model.nets, family.SampleOptions())
    x = yield from draw_under(sampler, conditions(data, like, device), data.spec, seed)
    if not data.spec.is_finite(x):
        raise Diverged("samples of the model are not finite; train it again with a lower optimizer.lr")
    return LabeledSamples(x, like.y if isinstance(data.spec.condition, kinds.Labels) else None)


def _as_seen(rows: ComparedRows, table: Table) -> ComparedRows:
    """Rows of a table as networks see them."""
    x, seen, held_out = table_baseline.coded(table, rows.drawn.x, rows.training.x, rows.reference.x)
    return replace(
        rows,
        drawn=rows.drawn._replace(x=x),
        training=rows.training._replace(x=seen),
        reference=rows.reference._replace(x=held_out),
        members=None if rows.members is None else rows.members.coded(table),
    )


def _target(question: Question, data: TrainingData) -> int | None:
    """The cell of the column that is predicted, where one is named. Raises InvalidData of another."""
    if question.target is None:
        return None
    modelled = [] if data.spec.table is None else [column.name for column in data.spec.table.modelled]
    if question.target not in modelled:
        raise InvalidData(f"{question.target!r} is no column that the model models: {modelled}", field="target")
    return modelled.index(question.target)


def _check_labels(question: Question, data: TrainingData) -> None:
    """Raises InvalidData where a metric needs labels that the rows of another source lack."""
    asked = [name for name in question.metrics if name in READ_LABELS]
    if question.against is None or not asked:
        return
    found = unlike(question.against, question.root, data.source, n_classes(data))
    if found is not None:
        raise InvalidData(f"{asked[0]} does not apply: {found.why}; leave it out, or {found.remedy}", field="metrics")


def _trained_on(question: Question, reference: Rows, training: Rows) -> NDArray[np.bool_] | None:
    """Which rows of another source are training rows, where that is asked. Raises InvalidData where all are."""
    name = next((name for name in question.metrics if name in NEAR_TRAINING), None)
    if question.against is None or name is None:
        return None
    known = trained_on(reference.x, training.x)
    if known.all():
        raise InvalidData(
            f"has only rows that the model was trained on, so {name} has nothing to compare with; give rows that it "
            f'was not trained on, or "held_out", or name the other metrics in `metrics`',
            field="against",
        )
    return known


def _stored(data: TrainingData, question: Question, device: torch.device) -> Frozen | None:
    """The classifier that an earlier evaluation left beside the model."""
    if question.classifiers is None:
        return None
    return classifier.stored(question.classifiers, data.spec, data.fingerprint, device)


def _within(stages: Evaluation[T], first: float, last: float) -> Comparing[T]:
    """The progress of a part as progress of the whole."""
    share = last - first
    return relayed(
        stages, lambda stage: ComparisonStage(stage.what, first + share * stage.done / max(1, stage.total), ())
    )
