"""Whether labels of reference rows mean what labels of a model's data mean. Importing this does not import torch.

`classification_accuracy` alone reads labels that reference rows come with. Other metrics of labels compare what one
classifier, of the model's own data, finds on both sides, whatever labels the rows have or lack.

Sources that are made here say what their labels tell: both must say the same. The labels of a file are numbers that
users gave, so as many of them as the model has may be the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pushforward.models.data.source import Source
from pushforward.models.evaluation.metrics.registry import METRICS

READ_LABELS = frozenset(name for name, metric in METRICS.items() if "label_condition" in metric.needs)


class Unlike(NamedTuple):
    """Why labels cannot be compared, and what to do beside leaving the metric out."""

    why: str
    remedy: str


def unlike(against: Source, root: Path, mine: Source, n_classes: int) -> Unlike | None:
    """Why labels of `against` are not those of a model's data, `mine`; None where they are. Raises InvalidData."""
    found = against.n_labels(root)
    if found is None:
        return Unlike("rows of `against` have no labels", 'add "condition": "label" to the source where it has them')
    known = mine.labels_are
    if None not in (known, against.labels_are) and known != against.labels_are:
        return Unlike(
            f"labels of `against` are {against.labels_are}, those of its data {known}",
            f"give a source whose labels are {known}",
        )
    if found != n_classes:
        return Unlike(
            f"`against` has {_labels(found)}, its data {_labels(n_classes)}",
            f"give a source of {_labels(n_classes)}",
        )
    return None


def _labels(n: int) -> str:
    """`the labels 0 to 9`."""
    return f"the labels 0 to {n - 1}" if n > 1 else "one label"
