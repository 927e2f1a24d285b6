"""All metrics by name, in the order of a report. A new metric is a row, and is tested because it exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pushforward.models.data import Source, Toy
from pushforward.models.evaluation.metrics.bins import DifferentBins
from pushforward.models.evaluation.metrics.classifier_tests import Logistic, NearestNeighbors
from pushforward.models.evaluation.metrics.features import FrechetDistance, KernelDistance
from pushforward.models.evaluation.metrics.kernel_tests import EnergyDistance, MaximumMeanDiscrepancy
from pushforward.models.evaluation.metrics.labels import ClassificationAccuracy, LabelDivergence
from pushforward.models.evaluation.metrics.memorization import DCRShare, NearestTrainingRow
from pushforward.models.evaluation.metrics.metric import LACKS, Metric, Need
from pushforward.models.evaluation.metrics.modes import HighQualityShare, ModeMixture, ModesFound
from pushforward.models.evaluation.metrics.neighbors import Coverage, Density, Precision, Recall
from pushforward.models.evaluation.metrics.tables import ColumnPairs, ColumnShapes, MissingSimilarity
from pushforward.models.evaluation.metrics.transport import SlicedWasserstein
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.requirements import fits_convolutions

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        MaximumMeanDiscrepancy(),
        EnergyDistance(),
        SlicedWasserstein(),
        Logistic(),
        NearestNeighbors(),
        Precision(),
        Recall(),
        Density(),
        Coverage(),
        DifferentBins(),
        NearestTrainingRow(),
        DCRShare(),
        ModesFound(),
        HighQualityShare(),
        ModeMixture(),
        LabelDivergence(),
        FrechetDistance(),
        KernelDistance(),
        ClassificationAccuracy(),
        ColumnShapes(),
        ColumnPairs(),
        MissingSimilarity(),
    )
}


def has(spec: DataSpec, source: Source) -> frozenset[Need]:
    """What a model of these data has that a metric may need."""
    conditioned = isinstance(spec.condition, Labels)
    images = spec.is_image and fits_convolutions(spec)
    modes = isinstance(source, Toy) and source.centers is not None
    facts: dict[Need, bool] = {
        "labels": conditioned or spec.n_classes is not None,
        "images": images,
        "modes": modes,
        "label_condition": conditioned,
        "table": spec.table is not None,
        "missing": spec.table is not None and any(column.missing for column in spec.table.modelled),
    }
    return frozenset(need for need, there in facts.items() if there)


def why_not(metric: Metric, there: Iterable[Need]) -> str:
    """Why a metric does not apply to a model; empty where it does."""
    missing = [LACKS[need] for need in metric.needs if need not in set(there)]
    return " and ".join(missing)


def applicable(there: Iterable[Need]) -> list[str]:
    """The metrics that apply to a model that has all this."""
    there = frozenset(there)
    return [name for name, metric in METRICS.items() if not why_not(metric, there)]
