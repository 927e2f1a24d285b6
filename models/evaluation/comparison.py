r"""A stored model compared with rows: each metric of its samples, of training rows and of a Gaussian.

    samples     n, under the conditions of held-out rows ─┐
    floor       n training rows ─────────────────────────┼─ metric( . , reference rows)
    gaussian    n draws of a Gaussian of training rows ───┘

All three have as many rows, at most as there are training rows, so that their values can be compared; the reference
rows are those that training held out, or those of another source. Everything random is a function of the seed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from pushforward.models.data import Rows, Toy
from pushforward.models.data.source import Source
from pushforward.models.errors import BadCheckpoint, Diverged, InvalidData
from pushforward.models.evaluation import classifier, sides, table_baseline
from pushforward.models.evaluation.baselines import flat
from pushforward.models.evaluation.classifier import Frozen
from pushforward.models.evaluation.measurement import Evaluation, finished
from pushforward.models.evaluation.metrics.memorization import NearestTrainingRow, trained_on
from pushforward.models.evaluation.metrics.metric import Classify, Known, KnownModes, Labels, Metric, Reals
from pushforward.models.evaluation.metrics.registry import METRICS
from pushforward.models.evaluation.reference_labels import READ_LABELS, unlike
from pushforward.models.evaluation.samples import draw_under
from pushforward.models.evaluation.sides import Sides
from pushforward.models.family import Samples
from pushforward.models.spec import conditions as kinds
from pushforward.models.storage.evaluation import LabelCounts, MetricReport, MetricValue
from pushforward.models.storage.model import Model
from pushforward.models.training.data import TrainingData, conditions

T = TypeVar("T")
DRAWN, TRAINED = 0.4, 0.6  # of the whole, when the samples are drawn, and when the classifier is trained


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
    reference = sides.reference_rows(data, question.against, question.root, question.seed)
    _check_labels(question, data)
    training = sides.training_rows(data, question.seed)
    known_rows = _trained_on(question, reference, training)
    n = min(question.n, len(training.x))
    drawn = yield from _within(_drawn(model, data, n, question.seed, device), 0.0, DRAWN)
    if (table := data.spec.table) is not None:
        x, seen, held_out = table_baseline.coded(table, drawn.x, training.x, reference.x)
        drawn, training, reference = drawn._replace(x=x), training._replace(x=seen), reference._replace(x=held_out)
        data = table_baseline.as_seen(data)
    stored = frozen = None
    if any("labels" in METRICS[name].needs for name in question.metrics):
        frozen = stored = _stored(data, question, device)
        if frozen is None:
            making = sides.classifier_of(data, training, n_classes(data), question.seed, device)
            frozen = yield from _within(making, DRAWN, TRAINED)
    of = Sides(data.spec, sides.unit_of(training, data.spec), device, frozen)
    rows = _ThreeSides(of, drawn, training, reference, known_rows, question, data, device)
    known = replace(rows.known(), table=table)
    reports = list[MetricReport]()
    for name in question.metrics:
        done = TRAINED + (1 - TRAINED) * len(reports) / len(question.metrics)
        metric, values = METRICS[name], dict[str, MetricValue]()
        yield ComparisonStage(f"measures {name}", done, tuple(reports))
        for which, value in rows.values(metric, known):
            values[which] = value
            yield ComparisonStage(f"measures {name}", done, tuple(reports))
        ideal = metric.ideal(n, len(reference.x), known)
        reports.append(MetricReport(name=name, better=metric.better, ideal=ideal, **values))
    yield ComparisonStage("measured all", 1.0, tuple(reports))
    return Compared(tuple(reports), n, len(reference.x), frozen, frozen is not stored, rows.labels())


class LabeledSamples(NamedTuple):
    """Samples, and the labels that they were drawn under."""

    x: NDArray[Any]  # (n, *shape)
    labels: Labels | None


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
    name = NearestTrainingRow.name
    if question.against is None or name not in question.metrics:
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


def n_classes(data: TrainingData) -> int:
    """How many labels the data have. Raises InvalidData where they have none."""
    if isinstance(data.spec.condition, kinds.Labels):
        return data.spec.condition.n_classes
    if data.spec.n_classes is None:
        raise InvalidData("has no labels", field="run.data")
    return data.spec.n_classes


class _ThreeSides:
    """The sides that are compared with the reference rows."""

    def __init__(
        self,
        of: Sides,
        drawn: LabeledSamples,
        training: Rows,
        reference: Rows,
        trained_on: NDArray[np.bool_] | None,
        question: Question,
        data: TrainingData,
        device: torch.device,
    ) -> None:
        self._of, self._training, self._seed, self._data, self._device = of, training, question.seed, data, device
        n, rng = len(drawn.x), np.random.default_rng([question.seed, 10])
        places = rng.permutation(len(training.x))[:n]
        some = training.of(places)
        self.reference = of.of(reference.x, reference.y)._replace(trained_on=trained_on)
        self.samples = of.of(drawn.x, drawn.labels)
        self.floor = of.of(some.x, some.y, places)
        gaussian = sides.gaussian_of(training, data.spec)
        self.gaussian = None if gaussian is None else of.of(sides.draws(gaussian, n, data.spec, rng))
        labeled = None if drawn.labels is None else sides.labeled_draws(training, drawn.labels, data.spec, rng)
        self.labeled_gaussian = None if labeled is None else of.of(labeled, drawn.labels)

    def known(self) -> Known:
        """What metrics may use beside the sides."""
        source = self._data.source
        modes = None
        if isinstance(source, Toy) and source.centers is not None and source.mode_std is not None:
            modes = KnownModes(source.centers.astype(np.float64), source.mode_std)
        return Known(flat(self._training.x) / self._of.unit, self._seed, modes, self._fit)

    def values(self, metric: Metric, known: Known) -> Iterator[tuple[str, MetricValue]]:
        """The metric of each side, by the side's name."""
        labeled = "label_condition" in metric.needs
        gaussian = self.labeled_gaussian if labeled else self.gaussian
        for name, side in (("model", self.samples), ("floor", self.floor), ("gaussian", gaussian)):
            if side is not None:
                yield name, metric.measure(side, self.reference, known)

    def labels(self) -> LabelCounts | None:
        """The labels that the classifier finds; None without one."""
        samples, reference = self.samples.found, self.reference.found
        if samples is None or reference is None:
            return None
        counts = [np.bincount(found, minlength=n_classes(self._data)).tolist() for found in (samples, reference)]
        return LabelCounts(samples=tuple(counts[0]), reference=tuple(counts[1]))

    def _fit(self, x: Reals, labels: Labels) -> Classify:
        """A classifier of these rows, (n, D), by the network that also gives the features."""
        spec, device = self._data.spec, self._device

        def rows(x: Reals) -> NDArray[Any]:
            return x.reshape(len(x), *spec.shape)

        training = classifier.trained(rows(x), labels, spec, n_classes(self._data), seed=self._seed, device=device)
        net = finished(training)
        return lambda x: classifier.read(net, rows(x), device)[1]


def _within(stages: Evaluation[T], first: float, last: float) -> Comparing[T]:
    """The progress of a part as progress of the whole."""
    while True:
        try:
            stage = next(stages)
        except StopIteration as end:
            result: T = end.value
            return result
        yield ComparisonStage(stage.what, first + (last - first) * stage.done / max(1, stage.total), ())
