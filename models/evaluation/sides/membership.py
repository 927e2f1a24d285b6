"""Likelihoods of training rows and of rows held out, which `likelihood_membership` compares.

As many rows of either kind as a training scores of held-out ones at its end, which takes some seconds on one core.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from pushforward.models.data import Rows
from pushforward.models.errors import BadCheckpoint
from pushforward.models.evaluation import scores
from pushforward.models.evaluation.baselines import GaussianBaseline
from pushforward.models.evaluation.measurement import Evaluation
from pushforward.models.evaluation.metrics.metric import Likelihoods
from pushforward.models.evaluation.table_baseline import coded
from pushforward.models.family import Family, Scores
from pushforward.models.storage.model import Model
from pushforward.models.tables.table import Table
from pushforward.models.training.data import TrainingData


class Members(NamedTuple):
    """Rows whose likelihoods are compared."""

    training: Rows
    held_out: Rows

    def coded(self, table: Table) -> Members:
        """Rows of a table as networks see them."""
        x, y = coded(table, self.training.x, self.held_out.x)
        return Members(self.training._replace(x=x), self.held_out._replace(x=y))

    def under(self, gaussian: GaussianBaseline) -> Likelihoods:
        """Their likelihoods under a Gaussian."""
        return Likelihoods(*(gaussian.log_prob(rows.x) for rows in self))


def members(family: Family, data: TrainingData, training: Rows, seed: int) -> Members:
    """Training rows, drawn at random, and rows that training held out. Raises BadCheckpoint without a likelihood."""
    if not isinstance(family, Scores):
        raise BadCheckpoint("the model has no likelihood")
    n = family.validation_rows(data.spec)
    some = np.random.default_rng([seed, 11]).permutation(len(training.x))[:n]
    return Members(training.of(some), data.validation.of(np.arange(min(n, len(data.validation.x)))))


def likelihoods(model: Model, data: TrainingData, of: Members, device: torch.device) -> Evaluation[Likelihoods]:
    """Their likelihoods under the model; yields its progress. No two rows have the same noise."""
    if not isinstance(model.family, Scores):
        raise BadCheckpoint("the model has no likelihood")
    trained = yield from scores.log_likelihoods(
        model.family, model.nets, data, of.training, device, "scores training rows", len(of.held_out.x)
    )
    held_out = yield from scores.log_likelihoods(model.family, model.nets, data, of.held_out, device)
    return Likelihoods(trained.log_prob, held_out.log_prob)
