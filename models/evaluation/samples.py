"""Samples of a trained model, and their distances from held-out rows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushforward.models.data import Mixture
from pushforward.models.evaluation import baselines
from pushforward.models.evaluation.baselines import GaussianBaseline, flat
from pushforward.models.evaluation.measurement import EVALUATION_SEED, Evaluation, EvaluationStage, Numbers, Reals
from pushforward.models.evaluation.sample_metrics import modes, sliced_wasserstein
from pushforward.models.family import Samples
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.program import states
from pushforward.models.stepwise.sampling import Sampler
from pushforward.models.training.data import TrainingData, conditions
from pushforward.models.training.state import TrainingState, device_of

DRAWN_VECTORS, DRAWN_IMAGES = 2_500, 128
DRAWN_IMAGE_STEPS = 2**17  # images drawn times steps of their sampler, at most: fewer images beyond 1,024 steps
DRAWN_AT_ONCE = 256


def rows_drawn(shape: tuple[int, ...], steps: int) -> int:
    """How many samples are drawn by a sampler of so many steps."""
    return DRAWN_VECTORS if len(shape) == 1 else max(32, min(DRAWN_IMAGES, DRAWN_IMAGE_STEPS // steps))


def draw(family: Samples, data: TrainingData, state: TrainingState) -> Evaluation[NDArray[np.generic]]:
    """Samples, (n, *shape), under the conditions of held-out rows."""
    sampler = family.sampler(state.served, family.SampleOptions())
    n = rows_drawn(data.spec.shape, sampler.steps)
    like = data.validation.of(np.arange(n) % len(data.validation.x))
    drawn = yield from draw_under(sampler, conditions(data, like, device_of(state)), data.spec, EVALUATION_SEED)
    return drawn


@torch.inference_mode()
def draw_under(sampler: Sampler, c: Tensor, spec: DataSpec, seed: int) -> Evaluation[NDArray[np.generic]]:
    """A sample under each condition, (n, *shape).  c: (n, C)."""
    noise, chunks = Noise.rows(seed, len(c), device=c.device), list[Tensor]()
    for first in range(0, len(c), DRAWN_AT_ONCE):
        some = slice(first, min(first + DRAWN_AT_ONCE, len(c)))
        for k, way in enumerate(states(sampler, (c[some],), noise[some])):  # noqa: B007  the last one is needed
            yield EvaluationStage("draws samples", first + (some.stop - first) * k // sampler.steps, len(c))
        chunks.append(sampler.finish(way, noise[some]))
    return spec.quantize(torch.cat(chunks)).cpu().numpy()


def compare(
    data: TrainingData, drawn: NDArray[np.generic], known: NDArray[np.generic], gaussian: GaussianBaseline | None
) -> Numbers:
    """How far samples, (n, *shape), are from held-out rows, beside training rows and draws of the Gaussian."""
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
        reached = modes(drawn.astype(np.float64), data.source.centers, data.source.mode_std)
        metrics |= {"modes_found": float(reached.found), "high_quality_share": reached.high_quality}
    return metrics


def common_scale(train: Reals, shape: tuple[int, ...]) -> Reals:
    """The unit of standardized distances, (D,): a column's standard deviation, that of all pixels of an image, or
    that of all steps of a channel of a series.

    1 where nothing varies.
    """
    scale = baselines.standard_deviations(train)
    if len(shape) > 1:
        alike = scale.reshape(shape[0] if len(shape) == 2 else 1, -1)  # elements of one unit
        scale = np.broadcast_to(np.sqrt((alike**2).mean(1, keepdims=True)), alike.shape).ravel()
    return np.where(scale > 0, scale, 1.0)


def far_out(x: Reals, train: Reals) -> float:
    """The share of rows that lie further outside the range of the training rows than that range is wide.

    Columns that are constant in training have no width, and do not count.
    """
    varying = baselines.standard_deviations(train) > 0
    x, train = x[:, varying], train[:, varying]
    low, high = train.min(0), train.max(0)
    width = high - low
    return float(((x < low - width) | (x > high + width)).any(1).mean())
