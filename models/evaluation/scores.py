"""Log-likelihoods of held-out rows beside those of the baselines, and how far codes lead back to their rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushforward.models.data import Rows
from pushforward.models.evaluation import table_baseline
from pushforward.models.evaluation.baselines import GaussianBaseline, independent_columns
from pushforward.models.evaluation.measurement import (
    EVALUATION_SEED,
    Evaluation,
    EvaluationStage,
    HeldOutMeasurement,
    Numbers,
    Reals,
)
from pushforward.models.evaluation.sample_metrics import bits_per_dim
from pushforward.models.family import Diagnoses, Encodes, Scores, reconstruct
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.coding import coded_rows
from pushforward.models.training.data import TrainingData, conditions, held_out, in_data_units
from pushforward.models.training.state import TrainingState, device_of

SCORED_AT_ONCE, RECONSTRUCTED_ROWS, DIAGNOSED_ROWS = 32, 512, 5_000  # validation rows
RETURNS = 0.1  # how far from its row a decoded code may be, network units


class LogLikelihoods(NamedTuple):
    """Log-likelihoods of rows, and what kind of numbers they are."""

    log_prob: Reals  # (n,) nats
    kind: str


def score(
    family: Scores,
    data: TrainingData,
    state: TrainingState,
    known: NDArray[np.generic],
    gaussian: GaussianBaseline | None,
) -> Evaluation[HeldOutMeasurement]:
    """Log-likelihoods of validation rows, their mean, and those of the baselines at the same rows."""
    spec = data.spec
    total = min(len(data.validation.x), family.validation_rows(spec))
    held_out_rows = data.validation.of(np.arange(total))
    log_p, kind = yield from log_likelihoods(family, state.served, data, held_out_rows, device_of(state))
    metrics = {
        f"validation_log_prob_nats_{kind}": float(log_p.mean()),
        "validation_log_prob_std_error_nats": std_error(log_p),
        "validation_rows_scored": float(total),
    }
    of_levels = spec.discrete and family.scores_only_levels(spec)
    if of_levels:
        kind = "upper_bound" if kind == "lower_bound" else kind
        metrics[f"validation_bits_per_dim_{kind}"] = bits_per_dim(float(log_p.mean()), spec.size)
    if state.family.fits_data and family.scores_rows(spec) and of_levels == spec.discrete:
        rows = held_out_rows.x
        bits_of = spec.size if of_levels else None
        of_columns = independent_columns if spec.table is None else table_baseline.independent_columns
        metrics |= compared("independent_columns", of_columns(known, rows, spec), log_p, bits_of)
        if gaussian is not None:
            metrics |= compared("gaussian", gaussian.log_prob(rows), log_p, bits_of)
    return HeldOutMeasurement(metrics, tuple(sorted(log_p.tolist())))


def compared(name: str, baseline: Reals, log_p: Reals, bits_of: int | None) -> Numbers:
    """A baseline's mean, and how many nats above it the model is, with the standard error of that mean difference.

    Where values have levels, bits of each of the `bits_of` elements, too.
    """
    above = log_p - baseline
    bits = {} if bits_of is None else {f"{name}_bits_per_dim": bits_per_dim(float(baseline.mean()), bits_of)}
    return bits | {
        f"{name}_log_prob_nats": float(baseline.mean()),
        f"nats_above_{name}": float(above.mean()),
        f"nats_above_{name}_std_error": std_error(above),
    }


def std_error(values: Reals) -> float:
    """The standard error of the mean; 0 for a single value."""
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def log_likelihoods(
    family: Scores,
    nets: Nets,
    data: TrainingData,
    rows: Rows,
    device: torch.device,
    what: str = "scores held-out rows",
    noise_from: int = 0,
) -> Evaluation[LogLikelihoods]:
    """Log p of rows of the data, a stage before each call of the network; `noise_from` numbers the first noise."""
    values, kind, total = list[float](), "", len(rows.x)
    for first in range(0, total, SCORED_AT_ONCE):
        some = rows.of(np.arange(first, min(first + SCORED_AT_ONCE, total)))
        x, c = in_data_units(data, some, device), conditions(data, some, device)
        noise = Noise.rows(EVALUATION_SEED, len(x), start=noise_from + first, device=x.device)
        with torch.no_grad():
            scorer = family.scorer(nets, family.ScoreOptions())
            way = scorer.init((x, c), noise)
        for k in range(scorer.steps):
            yield EvaluationStage(what, first + len(x) * k // scorer.steps, total)
            with torch.no_grad():
                way = scorer.step(way, torch.full((len(x),), k), noise)
        yield EvaluationStage(what, first + len(x), total)
        with torch.no_grad():
            found: LogProb = scorer.finish(way, noise)
        values += found.value.tolist()
        kind = found.kind
    return LogLikelihoods(np.array(values), kind)


@torch.no_grad()
def reconstruction(family: Encodes, data: TrainingData, state: TrainingState) -> Numbers:
    """The reconstruction error of validation rows, and the share that an invertible family does not return to."""
    x, c = held_out(data, slice(RECONSTRUCTED_ROWS), device_of(state))
    error = as_seen(data.spec, reconstruct(state.family, state.served, x, c)) - as_seen(data.spec, x)
    metrics = {"validation_rmse": float(error.double().square().mean().sqrt())}
    if family.inverts:
        off = (state.nets.spec.normalize(x + error) - state.nets.spec.normalize(x)).flatten(1).abs().amax(1)
        metrics["rows_that_do_not_return"] = float((~(off <= RETURNS)).double().mean())
    return metrics


def as_seen(spec: DataSpec, x: Tensor) -> Tensor:
    """Rows of a table as networks see them; other rows as they are."""
    return x if spec.table is None else coded_rows(spec.table, x)


@torch.no_grad()
def diagnosis(family: Diagnoses, data: TrainingData, state: TrainingState) -> Numbers:
    """What the family itself measures on validation rows."""
    x, c = held_out(data, slice(DIAGNOSED_ROWS), device_of(state))
    return family.diagnose(state.served, x, c, Noise.rows(EVALUATION_SEED, len(x), device=x.device))
