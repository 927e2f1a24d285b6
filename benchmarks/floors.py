"""The densities of the toys, and how near to them a model is wanted.

    KL(p || q) = E_p [log p(x) - log q(x)] >= 0

is how many nats a model q is above its floor, the entropy of p. Both logarithms are taken at the same rows, so their
difference has a much smaller error than either. Where a model is told which part of the density a row comes from, p is
that part's density.
"""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data import Checkerboard, Mixture, TwoMoons
from pushforward.models.data.source import Source
from pushforward.models.run import Run

Reals = NDArray[np.float64]

ARC = 1000  # points of a half circle: 3e-3 apart, for noise of 0.02 and more
EDGE = 1e-5  # float32 draws may lie this far outside their square


def parts_log_density(source: Source, x: NDArray[Any]) -> Reals | None:
    """The log-density of each part of a toy, (n, parts) nats; None where the source is none of ours.  x: (n, 2)."""
    at = np.asarray(x, np.float64)
    if isinstance(source, Mixture):
        square = ((at[:, None] - source.centers) ** 2).sum(2) / source.mode_std**2
        round_log_density: Reals = -0.5 * square - log(2 * pi * source.mode_std**2)
        return round_log_density
    if isinstance(source, TwoMoons):
        angle = (np.arange(ARC) + 0.5) * pi / ARC
        upper = np.stack([np.cos(angle), np.sin(angle)], 1)
        return np.stack([_smeared(at, arc, source.noise) for arc in (upper, (1.0, 0.5) - upper)], 1)
    if isinstance(source, Checkerboard):
        column, row = np.divmod(np.arange(8), 2)
        center = 2.0 * np.stack([column, 2 * row + column % 2], 1) - 3.0
        inside = np.abs(at[:, None] - center).max(2) <= 1 + EDGE
        return np.where(inside, -log(4.0), -np.inf)
    return None


def log_density(source: Source, x: NDArray[Any], part: NDArray[np.int64] | None) -> Reals | None:
    """Log p(x), or log p(x | part) where a part is told, (n,) nats; None where the source is none of ours."""
    parts = parts_log_density(source, x)
    if parts is None:
        return None
    if part is None:
        return _log_mean_exp(parts)
    told: Reals = np.take_along_axis(parts, part[:, None], 1)[:, 0]
    return told


def wanted_nats(run: Run) -> float | None:
    """At most how far above its floor a model is wanted; None where nothing is asked of it."""
    goal = _wanted_on_easy(run.family.model_dump())
    harder = {"checkerboard": 0.1, "grid_gaussians": 0.15}.get(run.data.source, 0.0)
    return None if goal is None else max(goal, harder)


def _wanted_on_easy(family: dict[str, Any]) -> float | None:
    match family:
        case {"family": "flow", "transform": {"transform": "spline"}}:
            return 0.02
        case {"family": "flow", "scheme": "autoregressive" | "inverse_autoregressive"}:
            return 0.1
        case {"family": "cnf" | "flow_matching"}:
            return 0.05
        case {"family": "diffusion"} | {
            "family": "vae",
            "objective": {"objective": "iwae"},
            "prior_codes": {"prior": "flow"},
        }:
            return 0.1
    return None


def _smeared(x: Reals, arc: Reals, noise: float) -> Reals:
    """Log of the mean over an arc of N(x; point, noise^2 I), (n,)."""
    square = ((x[:, None] - arc) ** 2).sum(2) / noise**2
    return _log_mean_exp(-0.5 * square) - log(2 * pi * noise**2)


def _log_mean_exp(logarithms: Reals) -> Reals:
    """Of each row, (n,)."""
    top = logarithms.max(1)
    value: Reals = top + np.log(np.exp(logarithms - top[:, None]).mean(1))
    return value
