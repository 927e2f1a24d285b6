"""The report of an evaluation, beside the card of the version that it is about. Importing this does not import torch.

    {folder}/evaluation.json            `EvaluationReport`, sealed (`models.storage.sealed`)
            /classifier.json            `ClassifierCard`, sealed
            /classifier.safetensors     the weights of the classifier, whose digest is on its card

A card is written once, with the weights that it describes; a model is evaluated later, and again. So the report is a
file of its own, replaced as a whole by one rename. A model that was never evaluated has none.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from pushforward.models.config.config import Config
from pushforward.models.config.json_float import JsonFloat
from pushforward.models.storage.durable import sync
from pushforward.models.storage.sealed import seal, unseal

REPORT, CLASSIFIER, CLASSIFIER_WEIGHTS = "evaluation.json", "classifier.json", "classifier.safetensors"

C = TypeVar("C", bound=Config)
Better = Literal["lower", "higher", "nearer"]  # nearer to the ideal value


class MetricValue(Config):
    """The value of a metric, and how sure it is."""

    value: JsonFloat
    """The value."""
    std_error: JsonFloat | None = None
    """Standard error of the value; null where it is not known."""
    interval: tuple[JsonFloat, JsonFloat] | None = None
    """Confidence interval of 95 %; null where it is not known."""
    p_value: JsonFloat | None = None
    """Of the hypothesis that both sides have one distribution; null where the metric is no test."""


class MetricReport(Config):
    """A metric of a model's samples, and the same metric of training rows and of a Gaussian's draws."""

    name: str
    """Name of the metric."""
    better: Better
    """Which values are better: lower, higher, or nearer to the ideal value."""
    ideal: JsonFloat
    """Value of a perfect model, or the mean of its values."""
    model: MetricValue
    """Of the model's samples."""
    floor: MetricValue | None = None
    """Of as many training rows: what samples of the data themselves reach."""
    gaussian: MetricValue | None = None
    """Of as many draws of a Gaussian that is fitted to the training rows; null where none is fitted."""


class ClassifierCard(Config):
    """A small classifier, trained on the labeled training rows and frozen: its features and labels are compared."""

    weights_sha256: str
    """sha256 of its weights."""
    n_classes: int
    """Labels that it tells apart."""
    data_fingerprint: str
    """sha256 of the rows that it was trained on or, where they are generated, of their recipe."""
    accuracy: JsonFloat
    """Share of held-out rows whose label it finds."""


class LabelCounts(Config):
    """How often the classifier finds each label."""

    samples: tuple[int, ...]
    """Among the samples, by label."""
    reference: tuple[int, ...]
    """Among the rows that they are compared with, by label."""


class EvaluationReport(Config):
    """How a model's samples compare with rows that it was not trained on."""

    against: Literal["held_out"] | dict[str, Any]
    """What the samples are compared with: the rows held out from training, or a source of data."""
    n: int
    """Samples drawn."""
    n_reference: int
    """Rows that they are compared with."""
    seed: int
    """Seed of the samples and of all that is random in the metrics."""
    metrics: tuple[MetricReport, ...]
    """The metrics, each beside its floor and a Gaussian."""
    target: str | None = None
    """Column that `train_on_synthetic` predicts; null where that is not measured."""
    classifier: ClassifierCard | None = None
    """The classifier whose features or labels were compared; null where none was needed."""
    labels: LabelCounts | None = None
    """Labels that the classifier finds; null without a classifier."""
    job: str = ""
    """Job that evaluated the model."""
    created_at: float = 0.0
    """When, seconds since 1970."""


def write_report(folder: Path, report: EvaluationReport) -> None:
    """Replace the report of a version, as a whole. Raises OSError."""
    replace(folder / REPORT, seal(report.model_dump(mode="json")))


def read_report(folder: Path) -> EvaluationReport | None:
    """The report of a version; None where there is none. Raises ValueError where it is altered, OSError."""
    return _read(folder / REPORT, EvaluationReport)


def read_classifier_card(folder: Path) -> ClassifierCard | None:
    """The card of a version's classifier; None where there is none. Raises ValueError, OSError."""
    return _read(folder / CLASSIFIER, ClassifierCard)


def write_classifier(folder: Path, card: ClassifierCard, weights: bytes) -> None:
    """Write a classifier: its weights, and then the card that names them. Raises OSError."""
    replace(folder / CLASSIFIER_WEIGHTS, weights)
    replace(folder / CLASSIFIER, seal(card.model_dump(mode="json")))


def replace(file: Path, content: bytes) -> None:
    """Write a file that is there as a whole, or as it was. Raises OSError."""
    draft = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    try:
        draft.write_bytes(content)
        sync(draft)
        draft.replace(file)
        sync(file.parent)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _read(file: Path, kind: type[C]) -> C | None:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return kind.model_validate_json(json.dumps(unseal(content, kind.model_fields.keys())))
    except ValidationError as error:
        raise ValueError(f"{file.name} does not hold what it should: {error}") from error
