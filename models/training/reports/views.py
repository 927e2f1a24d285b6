"""What an eye sees of a training: samples, reconstructions and densities of the averaged weights.

A view is a function of the weights alone: its noise and its rows are the same each time, so that one sees the same
samples sharpen. It draws nothing from the streams of the training and changes no network, so a training that is looked
at is the same bit for bit.

Views are made step by step and yield the share that is done, because a sampler may take longer than a training can
spare: whoever looks may stop. Samplers that take a number of steps take few.
"""

from __future__ import annotations

from collections.abc import Generator
from math import log
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushforward.models.capabilities import capabilities
from pushforward.models.config.config import Options
from pushforward.models.family import Decodes, Encodes, Family, Samples, Scores, reconstruct
from pushforward.models.flows.options import MatchingSampleOptions
from pushforward.models.noise import Noise
from pushforward.models.samplers.options import DenoisingOptions
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.mapping import Reconstruction
from pushforward.models.stepwise.program import Given, Out, Program, states
from pushforward.models.stepwise.relay import relayed
from pushforward.models.training.data import TrainingData, conditions, held_out
from pushforward.models.training.state import TrainingState, device_of

What = Literal["samples", "reconstructions", "density"]
T = TypeVar("T")
Making: TypeAlias = Generator[float, None, T]  # yields the share that is done; returns the view
Reals: TypeAlias = NDArray[np.float64]

SEED = 2
SAMPLES, POINTS, PAIRS = 16, 512, 8  # images or series, points of the plane, rows reconstructed
AROUND = 1_000  # held-out points beside them
CELLS, FEW_CELLS = 64, 32  # of a density, along each axis; few where a likelihood takes steps
FEW = {"steps": 8, "draws": 1}  # options of samplers and likelihoods
CHEAP: dict[type[Options], dict[str, object]] = {  # samplers of a forward pass or two a step
    DenoisingOptions: {"sampler": "dpm_solver", "steps": 12},
    MatchingSampleOptions: {"solver": "heun"},
}
MOST_CONDITIONS = 8  # that a density is the mean over
TAIL, MARGIN = 0.005, 0.15  # of held-out points outside the frame, and around the others, of its width
ELONGATED = 4.0  # a frame that would be so much longer than wide has a scale for each axis


class Frame(NamedTuple):
    """A rectangle of the plane."""

    low: Reals  # (2,)
    high: Reals


def views(family: Family, spec: DataSpec) -> tuple[What, ...]:
    """The views there are of a family on such data."""
    if spec.table is not None:
        return ()
    able, is_plane = capabilities(family), spec.shape == (2,)
    is_drawn = spec.is_image or spec.is_series
    is_there: dict[What, bool] = {
        "samples": (is_drawn or is_plane) and "sample" in able,
        "reconstructions": is_drawn and "reconstruct" in able,
        "density": is_plane and "likelihood" in able and not spec.discrete and not spec.counts,
    }
    return tuple(what for what, there in is_there.items() if there)


@torch.no_grad()
def samples(data: TrainingData, state: TrainingState) -> Making[NDArray[np.generic]]:
    """New rows, (n, *shape), under the conditions of held-out rows."""
    family, n = state.family, POINTS if data.spec.shape == (2,) else SAMPLES
    if not isinstance(family, Samples):
        raise TypeError(f"{family.family} does not sample")
    like = data.validation.of(np.arange(n) % len(data.validation.x))
    c = conditions(data, like, device_of(state))
    sampler = family.sampler(state.average, _quick(family.SampleOptions()))
    x = yield from _gradually(sampler, (c,), Noise.rows(SEED, n, device=c.device))
    return data.spec.quantize(x).cpu().numpy()


@torch.no_grad()
def reconstructions(
    data: TrainingData, state: TrainingState
) -> Making[tuple[NDArray[np.generic], NDArray[np.generic]]]:
    """Held-out rows, and what becomes of them: (n, *shape) each."""
    family, nets = state.family, state.average
    x, c = held_out(data, slice(PAIRS), device_of(state))
    if isinstance(family, Encodes) and isinstance(family, Decodes):
        encoder = family.encoder(nets, _quick(family.EncodeOptions()))
        decoder = family.decoder(nets, _quick(family.DecodeOptions()))
        program = Reconstruction(encoder, decoder, family.latent_shape(data.spec))
        y = yield from _gradually(program, (x, c), Noise.rows(SEED, len(x), device=x.device))
    else:
        y = reconstruct(family, nets, x, c)
    return x.cpu().numpy(), data.spec.quantize(y).cpu().numpy()


@torch.no_grad()
def density(data: TrainingData, state: TrainingState) -> Making[Reals | None]:
    """p(x) over the frame, of its maximum, (n, n), the top first; None where conditions are too many.

    Under conditions it is the mean over those of held-out rows.
    """
    family, device = state.family, device_of(state)
    if not isinstance(family, Scores):
        raise TypeError(f"{family.family} has no likelihood")
    _, c = held_out(data, slice(AROUND), device)
    distinct, counts = torch.unique(c, dim=0, return_counts=True) if c.shape[1] else (c[:1], [len(c)])
    if len(distinct) > MOST_CONDITIONS:
        return None
    scorer, log_p = family.scorer(state.average, _quick(family.curve_options())), list[Tensor]()
    n = FEW_CELLS if scorer.steps else CELLS
    x = torch.from_numpy(_cells(frame(data), n).astype(data.spec.dtype)).to(device)
    noise = Noise.rows(SEED, len(x), device=device)
    for i, each in enumerate(distinct):
        making = _gradually(scorer, (x, each.expand(len(x), -1)), noise)
        scored = yield from _of_several(making, i, len(distinct))
        log_p.append(scored.value.double() + log(int(counts[i]) / len(c)))
    total = torch.logsumexp(torch.stack(log_p), 0).nan_to_num(nan=-torch.inf, posinf=-torch.inf)
    shares = (total - total.max()).exp().nan_to_num(nan=0.0)
    return shares.view(n, n).flip(0).cpu().numpy()


def around(data: TrainingData) -> NDArray[np.generic]:
    """Held-out points of the plane, (n, 2), for samples to lie among."""
    return data.validation.x[:AROUND]


def frame(data: TrainingData) -> Frame:
    """Where held-out points of the plane lie, but for the farthest; of one scale where that is not too long."""
    x = data.validation.x[:AROUND].astype(np.float64)
    low, high = np.quantile(x, [TAIL, 1 - TAIL], axis=0)
    width = np.where(high > low, high - low, 1.0)
    if width.max() <= ELONGATED * width.min():
        width = np.full(2, width.max())
    middle, half = (low + high) / 2, width * (0.5 + MARGIN)
    return Frame(middle - half, middle + half)


def _quick(options: Options) -> Options:
    """The same options with few steps and one draw, where these may be chosen."""
    fewer = {name: n for name, n in FEW.items() if name in type(options).model_fields}
    chosen = {**options.model_dump(exclude_defaults=True), **fewer, **CHEAP.get(type(options), {})}
    return type(options).model_validate(chosen)


def _cells(where: Frame, n: int) -> Reals:
    """The centers of n x n cells, (n * n, 2), the lowest line first."""
    ticks = (np.arange(n) + 0.5) / n
    right, up = np.meshgrid(*(low + (high - low) * ticks for low, high in zip(*where, strict=True)))
    return np.stack([right.ravel(), up.ravel()], 1)


def _gradually(program: Program[Given, Out], given: Given, noise: Noise) -> Making[Out]:
    for k, state in enumerate(states(program, given, noise)):  # noqa: B007  the last one is needed
        yield k / (program.steps + 1)
    return program.finish(state, noise)


def _of_several(making: Making[T], i: int, n: int) -> Making[T]:
    return relayed(making, lambda share: (i + share) / n)
