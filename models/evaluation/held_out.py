r"""What a finished training reached: the weights that are served on held-out rows, and the samples they draw.

Every number can be compared with something. Log-likelihoods stand beside those of a Gaussian and of independent columns
(`models.evaluation.baselines`) at the same rows, with the standard error of the mean difference. Distances of samples
from held-out rows are of as many rows on either side, the same number for every family on the same data, and stand
beside those of as many training rows (the floor: what the distribution itself reaches) and of as many draws of the
Gaussian. `sliced_wasserstein` is in data units; `_standardized` divides by the standard deviations of the training
rows, one for each column of a vector and one for all pixels of an image, so that no unit shows.

Evaluation takes as long as some hundred training steps of a family that samples in steps, so it yields how far it is.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushforward.models.data import Mixture, Rows
from pushforward.models.evaluation import baselines
from pushforward.models.evaluation.baselines import GaussianBaseline, flat, independent_columns
from pushforward.models.evaluation.sample_metrics import bits_per_dim, modes, sliced_wasserstein
from pushforward.models.family import Decodes, Diagnoses, Encodes, Samples, Scores, capabilities, reconstruct
from pushforward.models.noise import Noise
from pushforward.models.stepwise.program import states
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.training.data import TrainingData, conditions, held_out
from pushforward.models.training.state import TrainingState, device_of

SCORED_AT_ONCE, RECONSTRUCTED_ROWS, DIAGNOSED_ROWS = 32, 512, 5_000  # validation rows
DRAWN_VECTORS, DRAWN_IMAGES = 2_500, 128
DRAWN_IMAGE_STEPS = 2**17  # images drawn times steps of their sampler, at most: fewer images beyond 1,024 steps
DRAWN_AT_ONCE = 256
FITTED_ROWS = 20_000  # training rows of a baseline, at most
RETURNS = 0.1  # how far from its row a decoded code may be, network units
EVALUATION_SEED = 0

Numbers = dict[str, float]
Reals = NDArray[np.float64]
T = TypeVar("T")


class EvaluationStage(NamedTuple):
    """How far an evaluation has come."""

    what: str
    done: int
    total: int


Evaluation = Generator[EvaluationStage, None, T]  # stages on the way, what was measured at the end


def evaluate(data: TrainingData, state: TrainingState) -> Numbers:
    """All numbers, without a word on the way; the unit and the kind in the name."""
    return finished(evaluation(data, state))


def finished(stages: Evaluation[T]) -> T:
    """What an evaluation returns at its end."""
    while True:
        try:
            next(stages)
        except StopIteration as end:
            measured: T = end.value
            return measured


def evaluation(data: TrainingData, state: TrainingState) -> Evaluation[Numbers]:
    """What the served weights reach on the validation rows. A number may be other than finite."""
    family = state.run.family
    known = fitting_rows(data)
    fits = family.fits_data and data.spec.size <= baselines.MAX_ELEMENTS
    gaussian = GaussianBaseline.fit(known, data.spec) if fits else None
    metrics: Numbers = {}
    if isinstance(family, Scores):
        metrics |= yield from _score(family, data, state, known, gaussian)
    if isinstance(family, Encodes) and isinstance(family, Decodes):
        yield EvaluationStage("reconstructs held-out rows", 0, 1)
        metrics |= _reconstruct(family, data, state)
    if isinstance(family, Diagnoses):
        yield EvaluationStage("diagnoses codes", 0, 1)
        metrics |= _diagnose(family, data, state)
    if isinstance(family, Samples) and "sample" in capabilities(family):
        drawn = yield from _draw(family, data, state)
        metrics |= _judge_samples(data, drawn, known, gaussian)
    return metrics


def fitting_rows(data: TrainingData) -> NDArray[np.generic]:
    """Training rows that baselines are fitted to, (N, *shape)."""
    if isinstance(data.train, Rows):
        return data.train.x[:FITTED_ROWS]
    return data.train.rows(FITTED_ROWS, np.random.default_rng([EVALUATION_SEED, 1])).x


def _score(
    family: Scores,
    data: TrainingData,
    state: TrainingState,
    known: NDArray[np.generic],
    gaussian: GaussianBaseline | None,
) -> Evaluation[Numbers]:
    spec, values, kind = data.spec, list[float](), ""
    total = min(len(data.validation.x), family.validation_rows(spec))
    for first in range(0, total, SCORED_AT_ONCE):
        last = min(first + SCORED_AT_ONCE, total)
        scored = yield from _log_prob(family, data, state, first, last, total)
        values += scored.value.tolist()
        kind = scored.kind
    log_p = np.array(values)
    metrics = {
        f"validation_log_prob_nats_{kind}": float(log_p.mean()),
        "validation_log_prob_std_error_nats": std_error(log_p),
        "validation_rows_scored": float(total),
    }
    of_levels = spec.levels is not None and family.scores_only_levels(spec)
    if of_levels:
        kind = "upper_bound" if kind == "lower_bound" else kind
        metrics[f"validation_bits_per_dim_{kind}"] = bits_per_dim(float(log_p.mean()), spec.size)
    if state.run.family.fits_data and family.scores_rows(spec) and of_levels == (spec.levels is not None):
        rows = data.validation.x[:total]
        bits_of = spec.size if of_levels else None
        metrics |= compared("independent_columns", independent_columns(known, rows, spec), log_p, bits_of)
        if gaussian is not None:
            metrics |= compared("gaussian", gaussian.log_prob(rows), log_p, bits_of)
    return metrics


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
    """Of the mean; 0 of a single value."""
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def _log_prob(
    family: Scores, data: TrainingData, state: TrainingState, first: int, last: int, total: int
) -> Evaluation[LogProb]:
    """Log p of some validation rows, a stage before each call of the network."""
    x, c = held_out(data, slice(first, last), device_of(state))
    noise = Noise.rows(EVALUATION_SEED, len(x), start=first, device=x.device)
    with torch.no_grad():
        scorer = family.scorer(state.served, family.ScoreOptions())
        way = scorer.init((x, c), noise)
    for k in range(scorer.steps):
        done = first + (last - first) * k // scorer.steps
        yield EvaluationStage("scores held-out rows", done, total)
        with torch.no_grad():
            way = scorer.step(way, torch.full((len(x),), k), noise)
    yield EvaluationStage("scores held-out rows", last, total)
    with torch.no_grad():
        return scorer.finish(way, noise)


@torch.no_grad()
def _reconstruct(family: Encodes, data: TrainingData, state: TrainingState) -> Numbers:
    x, c = held_out(data, slice(RECONSTRUCTED_ROWS), device_of(state))
    error = reconstruct(state.run.family, state.served, x, c) - x
    metrics = {"validation_rmse": float(error.double().square().mean().sqrt())}
    if family.inverts:
        off = (state.nets.spec.normalize(x + error) - state.nets.spec.normalize(x)).flatten(1).abs().amax(1)
        metrics["rows_that_do_not_return"] = float((~(off <= RETURNS)).double().mean())
    return metrics


@torch.no_grad()
def _diagnose(family: Diagnoses, data: TrainingData, state: TrainingState) -> Numbers:
    x, c = held_out(data, slice(DIAGNOSED_ROWS), device_of(state))
    return family.diagnose(state.served, x, c, Noise.rows(EVALUATION_SEED, len(x), device=x.device))


def rows_drawn(shape: tuple[int, ...], steps: int) -> int:
    """How many samples are drawn by a sampler of so many steps."""
    return DRAWN_VECTORS if len(shape) == 1 else max(32, min(DRAWN_IMAGES, DRAWN_IMAGE_STEPS // steps))


@torch.inference_mode()
def _draw(family: Samples, data: TrainingData, state: TrainingState) -> Evaluation[NDArray[np.generic]]:
    """Samples, (n, *shape), given the conditions of held-out rows, as often as those have them."""
    sampler = family.sampler(state.served, family.SampleOptions())
    n = rows_drawn(data.spec.shape, sampler.steps)
    noise = Noise.rows(EVALUATION_SEED, n, device=device_of(state))
    like = data.validation.of(np.arange(n) % len(data.validation.x))
    c = conditions(data, like, device_of(state))
    chunks = list[Tensor]()
    for first in range(0, n, DRAWN_AT_ONCE):
        some = slice(first, min(first + DRAWN_AT_ONCE, n))
        for k, way in enumerate(states(sampler, (c[some],), noise[some])):  # noqa: B007  the last one is needed
            yield EvaluationStage("draws samples", first + (some.stop - first) * k // sampler.steps, n)
        chunks.append(sampler.finish(way, noise[some]))
    return data.spec.quantize(torch.cat(chunks)).cpu().numpy()


def _judge_samples(
    data: TrainingData, drawn: NDArray[np.generic], known: NDArray[np.generic], gaussian: GaussianBaseline | None
) -> Numbers:
    x, train, held = flat(drawn), flat(known), flat(data.validation.x)
    metrics = {"samples_not_finite": float((~np.isfinite(x).all(1)).mean())}
    n = min(len(x), len(held), len(train))
    held = held[:n]
    unit = common_scale(train, data.spec.shape)
    metrics |= {
        "sliced_wasserstein": sliced_wasserstein(x[:n], held),
        "sliced_wasserstein_standardized": sliced_wasserstein(x[:n] / unit, held / unit),
        "sliced_wasserstein_standardized_floor": sliced_wasserstein(train[-n:] / unit, held / unit),
        "sliced_wasserstein_rows": float(n),
    }
    if data.spec.low is None:
        metrics["samples_far_out"] = far_out(x, train)
    if gaussian is not None:
        draws = gaussian.draw(n, np.random.default_rng([EVALUATION_SEED, 2])).astype(data.spec.dtype)
        like = flat(data.spec.quantize(torch.from_numpy(draws)).numpy())
        metrics["sliced_wasserstein_standardized_gaussian"] = sliced_wasserstein(like / unit, held / unit)
    if isinstance(data.source, Mixture):
        reached = modes(drawn.astype(np.float64), data.source.centers, data.source.spread)
        metrics |= {"modes_found": float(reached.found), "high_quality_share": reached.high_quality}
    return metrics


def common_scale(train: Reals, shape: tuple[int, ...]) -> Reals:
    """What makes distances free of units, (D,): a column's standard deviation, or that of all pixels of an image.

    1 where nothing varies.
    """
    scale = baselines.spread(train)
    if len(shape) > 1:
        scale = np.full_like(scale, np.sqrt((scale**2).mean()))
    return np.where(scale > 0, scale, 1.0)


def far_out(x: Reals, train: Reals) -> float:
    """The share of rows that lie further outside the range of the training rows than that range is wide.

    Columns that are constant in training have no width, and do not count.
    """
    varying = baselines.spread(train) > 0
    x, train = x[:, varying], train[:, varying]
    low, high = train.min(0), train.max(0)
    width = high - low
    return float(((x < low - width) | (x > high + width)).any(1).mean())
