"""What a finished training reached: its averaged weights on held-out rows, and the samples they draw."""

from __future__ import annotations

from math import isfinite

import numpy as np
import torch
from torch import Tensor

from models.data import Mixture
from models.family import Decodes, Diagnoses, Encodes, Samples, Scores, capabilities
from models.interpolate import reconstruct
from models.metrics import bits_per_dim, modes, sliced_wasserstein
from models.noise import Noise
from models.sampling import sample
from models.train import State, TrainingData, conditions, device_of

SCORED_AT_ONCE, RECONSTRUCTED_ROWS, DIAGNOSED_ROWS = 32, 512, 5_000  # validation rows
DRAWN_VECTORS = 2_500
DRAWN_IMAGE_STEPS = 6_400  # images drawn times steps of their sampler
EVALUATION_SEED = 0


def evaluate(data: TrainingData, state: State) -> dict[str, float]:
    """What the averaged weights reach on the validation rows, the unit and the kind in the name; finite numbers only.

    Some seconds on one core: a family says how many rows it scores (`validation_rows_scored`), and few images are drawn
    where a sampler takes many steps.
    """
    family = state.run.family
    metrics: dict[str, float] = {}
    with torch.no_grad():
        if isinstance(family, Scores):
            metrics |= _score(family, data, state)
        if isinstance(family, Encodes) and isinstance(family, Decodes):
            rows, x, c = _held_out(data, state, slice(RECONSTRUCTED_ROWS))
            error = reconstruct(family, state.average, x, c) - x
            metrics["validation_rmse"] = float(error.square().mean().sqrt())
        if isinstance(family, Diagnoses):
            rows, x, c = _held_out(data, state, slice(DIAGNOSED_ROWS))
            metrics |= family.diagnose(state.average, x, c, Noise.rows(EVALUATION_SEED, rows, device=x.device))
        if isinstance(family, Samples) and "sample" in capabilities(family):
            metrics |= _judge_samples(family, data, state)
    return {name: value for name, value in metrics.items() if isfinite(value)}


def _score(family: Scores, data: TrainingData, state: State) -> dict[str, float]:
    options = family.ScoreOptions()
    values, kind = list[float](), ""
    total = min(len(data.validation.x), family.validation_rows(data.spec))
    for first in range(0, total, SCORED_AT_ONCE):
        rows, x, c = _held_out(data, state, slice(first, min(first + SCORED_AT_ONCE, total)))
        noise = Noise.rows(EVALUATION_SEED, rows, start=first, device=x.device)
        scored = family.log_prob(state.average, x, c, noise, options)
        values += scored.value.tolist()
        kind = scored.kind
    mean = float(np.mean(values))
    metrics = {f"validation_log_prob_nats_{kind}": mean, "validation_rows_scored": float(len(values))}
    if data.spec.levels is not None and family.scores_only_levels(data.spec):
        kind = "upper_bound" if kind == "lower_bound" else kind
        metrics[f"validation_bits_per_dim_{kind}"] = bits_per_dim(mean, data.spec.size)
    return metrics


def _judge_samples(family: Samples, data: TrainingData, state: State) -> dict[str, float]:
    sampler = family.sampler(state.average, family.SampleOptions())
    n = DRAWN_VECTORS if len(data.spec.shape) == 1 else max(32, min(512, DRAWN_IMAGE_STEPS // sampler.steps))
    noise = Noise.rows(EVALUATION_SEED, n, device=device_of(state))
    like = data.validation.of(np.arange(n) % len(data.validation.x))
    c = conditions(data, like, device_of(state))  # as often as held-out rows are told so
    chunks = [sample(sampler, noise[at : at + 256], c[at : at + 256]) for at in range(0, n, 256)]
    x = data.spec.quantize(torch.cat(chunks)).cpu().numpy()
    metrics = {"sliced_wasserstein": sliced_wasserstein(x, data.validation.x[:n])}
    if isinstance(state.run.data, Mixture):
        reached = modes(x, state.run.data.centers, state.run.data.spread)
        metrics |= {"modes_found": float(reached.found), "high_quality_share": reached.high_quality}
    return metrics


def _held_out(data: TrainingData, state: State, which: slice) -> tuple[int, Tensor, Tensor]:
    """Some validation rows: how many, x and c."""
    rows, device = data.validation.of(np.arange(len(data.validation.x))[which]), device_of(state)
    x = torch.from_numpy(rows.x.astype(np.float32)).to(device)
    return len(x), x, conditions(data, rows, device)
