r"""Evaluation of a finished training: held-out rows and samples under the weights that are served.

Every number can be compared with something. Log-likelihoods stand beside those of a Gaussian and of independent columns
(`models.evaluation.baselines`) at the same rows, with the standard error of the mean difference. Distances of samples
from held-out rows are of as many rows on either side, the same number for every family on the same data, and stand
beside those of as many training rows (the floor: what the distribution itself reaches) and of as many draws of the
Gaussian. `sliced_wasserstein` is in data units; `_standardized` divides by the standard deviations of the training
rows, one for each column of a vector and one for all pixels of an image, so that it has no unit.

Evaluation takes as long as some hundred training steps of a family that samples in steps, so it yields its progress.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pushforward.models.capabilities import capabilities
from pushforward.models.data import Toy
from pushforward.models.evaluation import baselines, samples, scores, table_baseline, translations
from pushforward.models.evaluation.baselines import GaussianBaseline
from pushforward.models.evaluation.measurement import (
    EVALUATION_SEED,
    Evaluation,
    EvaluationStage,
    HeldOutMeasurement,
    Numbers,
    finished,
)
from pushforward.models.family import Decodes, Diagnoses, Encodes, Samples, Scores, Translates
from pushforward.models.training.data import TrainingData
from pushforward.models.training.rows import first_rows
from pushforward.models.training.state import TrainingState

FEWEST_ROWS = 1_000  # however large they are
FITTED_ROWS, FITTED_VALUES = 20_000, 2**26  # training rows of a baseline, and the numbers in them, at most


def evaluate(data: TrainingData, state: TrainingState) -> Numbers:
    """All numbers, at once; the unit and the kind in the name."""
    return finished(evaluation(data, state)).metrics


def evaluation(data: TrainingData, state: TrainingState) -> Evaluation[HeldOutMeasurement]:
    """What the served weights reach on the validation rows. A number may be other than finite."""
    family = state.family
    known = fitting_rows(data)
    fits = family.fits_data and data.spec.table is None and data.spec.size <= baselines.MAX_ELEMENTS
    gaussian = GaussianBaseline.fit(known, data.spec) if fits else None
    metrics: Numbers = {}
    log_prob: tuple[float, ...] | None = None
    if isinstance(family, Scores):
        scored = yield from scores.score(family, data, state, known, gaussian)
        metrics, log_prob = {**scored.metrics}, scored.log_prob
    if isinstance(family, Encodes) and isinstance(family, Decodes):
        yield EvaluationStage("reconstructs held-out rows", 0, 1)
        metrics |= scores.reconstruction(family, data, state)
    if isinstance(family, Translates):
        yield EvaluationStage("translates held-out rows", 0, 1)
        metrics |= translations.measure(family, data, state)
    if isinstance(family, Diagnoses):
        yield EvaluationStage("diagnoses codes", 0, 1)
        metrics |= scores.diagnosis(family, data, state)
    if isinstance(family, Samples) and "sample" in capabilities(family):
        drawn = yield from samples.draw(family, data, state)
        if data.spec.table is not None:
            data, drawn, known = table_baseline.as_seen(data), *table_baseline.coded(data.spec.table, drawn, known)
        metrics |= samples.compare(data, drawn, known, gaussian)
    return HeldOutMeasurement(metrics, log_prob)


def fitting_rows(data: TrainingData) -> NDArray[np.generic]:
    """Training rows that baselines are fitted to, (N, *shape)."""
    if isinstance(data.train, Toy):
        return data.train.rows(FITTED_ROWS, np.random.default_rng([EVALUATION_SEED, 1])).x
    return first_rows(data.train, min(FITTED_ROWS, max(FEWEST_ROWS, FITTED_VALUES // data.spec.size))).x
