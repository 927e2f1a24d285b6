"""The sides of a comparison: samples, reference rows, training rows and draws of a Gaussian, in one form.

All are flat rows of float64, in data units and in standard deviations of the training rows. A classifier, where there
is one, adds its features and labels.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pushforward.models.data import Rows, TableFile, Toy
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import Finite, Source
from pushforward.models.errors import InvalidData
from pushforward.models.evaluation import baselines, classifier
from pushforward.models.evaluation.baselines import GaussianBaseline, flat
from pushforward.models.evaluation.classifier import Frozen
from pushforward.models.evaluation.metrics.metric import Labels, Reals, Side
from pushforward.models.evaluation.samples import common_scale
from pushforward.models.spec import conditions as kinds
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.training.data import TrainingData, fixed_rows, numpy_rng
from pushforward.models.training.rows import first_rows, held

TRAINING_ROWS, TRAINING_VALUES = 100_000, 2**27  # that samples are compared with, and the numbers in them, at most
FRESH_ROWS = 20_000  # of a density that trains on rows drawn afresh
REFERENCE_ROWS = 5_000
FITTED_ROWS = 20_000  # of a Gaussian
FEW = 10  # rows of a label, below which it has no Gaussian of its own


@dataclass(frozen=True)
class Sides:
    """Makes sides of rows."""

    spec: DataSpec  # of rows as networks see them
    unit: Reals  # (D,)
    device: torch.device
    frozen: Frozen | None = None

    def of(self, rows: NDArray[Any], labels: Labels | None = None, places: Labels | None = None) -> Side:
        """A side of rows, (n, *shape) in data units."""
        features, found = (
            (None, None) if self.frozen is None else classifier.read(self.frozen.classifier, rows, self.device)
        )
        return self.plain(rows)._replace(labels=labels, found=found, features=features, places=places)

    def plain(self, rows: NDArray[Any]) -> Side:
        """A side of rows, (n, *shape), without labels and features."""
        x = flat(rows)
        return Side(x, x / self.unit)


def training_rows(data: TrainingData, seed: int) -> Rows:
    """The training rows, or rows of a density that is drawn afresh."""
    rng = numpy_rng(seed, 2**34)
    if isinstance(data.train, Toy):
        return data.train.rows(FRESH_ROWS, rng)
    n = data.n_rows or 0
    most = min(TRAINING_ROWS, max(REFERENCE_ROWS, TRAINING_VALUES // data.spec.size))
    return first_rows(data.train, n) if n <= most else data.train.of(rng.permutation(n)[:most])


def unit_of(training: Rows, spec: DataSpec) -> Reals:
    """The standard deviations of training rows, (D,)."""
    return common_scale(flat(training.x[:FITTED_ROWS]), spec.shape)


def reference_rows(
    data: TrainingData, against: Source | None, root: Path, seed: int, scratch: ScratchSpace = IN_MEMORY
) -> Rows:
    """The rows that training held out; or rows of another source. Raises InvalidData, with the field."""
    if against is None:
        return data.validation
    rng = numpy_rng(seed, 2**34 + 1)
    try:
        if scratch.folder is not None and isinstance(against, Finite):
            scratch = scratch.beside("against").of(against.identity(root))
        if data.spec.table is not None:
            if not isinstance(against, TableFile):
                raise InvalidData("is no table, and the model's data are one; give a table", field="source")
            rows = against.rows_like(root, data.spec.table, scratch)
        elif isinstance(against, Toy):
            rows = fixed_rows(against) or against.rows(REFERENCE_ROWS, rng)
        elif isinstance(against, Finite):
            rows = against.rows(root, scratch)
        else:
            raise TypeError(f"{type(against).__name__} is neither a Toy nor a Finite source")
    except InvalidData as error:
        fault = against.reworded(error)
        raise InvalidData(fault.message, field=f"against.{fault.field}" if fault.field else "against") from error
    spec = data.card_spec or data.spec
    if rows.x.shape[1:] != spec.shape:
        raise InvalidData(
            f"has rows of shape {list(rows.x.shape[1:])}, the model's are {list(spec.shape)}", field="against"
        )
    return held(spec, rows.of(rng.permutation(len(rows.x))[:REFERENCE_ROWS]))


def gaussian_of(training: Rows, spec: DataSpec) -> GaussianBaseline | None:
    """The Gaussian of the training rows; None where a row has too many elements for a covariance."""
    return GaussianBaseline.fit(training.x[:FITTED_ROWS], spec) if spec.size <= baselines.MAX_ELEMENTS else None


def draws(gaussian: GaussianBaseline, n: int, spec: DataSpec, rng: np.random.Generator) -> NDArray[Any]:
    """Draws as data, (n, *shape): on their levels, within their range."""
    x = gaussian.draw(n, rng).astype(spec.dtype).reshape(n, *spec.shape)
    return np.asarray(spec.quantize(torch.from_numpy(x)).numpy())


def labeled_draws(training: Rows, labels: Labels, spec: DataSpec, rng: np.random.Generator) -> NDArray[Any] | None:
    """A draw of the Gaussian of each label, (n, *shape); of the Gaussian of all rows where a label has few."""
    whole = gaussian_of(training, spec)
    if whole is None or training.y is None:
        return None
    x = np.empty((len(labels), *spec.shape), spec.dtype)
    for label in np.unique(labels):
        own = training.of(np.flatnonzero(training.y == label))
        mine = labels == label
        varies = len(own.x) >= FEW and bool((own.x != own.x[0]).any())
        x[mine] = draws((gaussian_of(own, spec) if varies else None) or whole, int(mine.sum()), spec, rng)
    return x


def classifier_of(
    data: TrainingData, training: Rows, n_classes: int, seed: int, device: torch.device
) -> Generator[Any, None, Frozen]:
    """A classifier that is trained on the labeled training rows, and its card; yields its progress."""
    if training.y is None or data.validation.y is None:
        raise InvalidData("has no labels for a classifier", field="run.data")
    net = yield from classifier.trained(training.x, training.y, data.spec, n_classes, seed=seed, device=device)
    found = classifier.accuracy(net, data.validation.x, data.validation.y, device)
    return classifier.frozen(net, n_classes, data.fingerprint, found)


def n_classes(data: TrainingData) -> int:
    """How many labels the data have. Raises InvalidData where they have none."""
    if isinstance(data.spec.condition, kinds.Labels):
        return data.spec.condition.n_classes
    if data.spec.n_classes is None:
        raise InvalidData("has no labels", field="run.data")
    return data.spec.n_classes
