r"""Mode-specific normalization of a table's numbers.

A number t has a mixture of at most 10 normal modes b of weights w_b, means m_b and deviations s_b. Its code is a mode

    b ~ w_b N(t; m_b, s_b^2) / sum_b' w_b' N(t; m_b', s_b'^2)     and     alpha = (t - m_b) / (4 s_b),

which a tanh covers. The mixture is fitted when networks are built, to what the table keeps of its training rows: the
quantiles that the column's transform has knots at (`models.tables.transform`). EM runs on `POINTS` evenly spaced
quantiles, for 1, 2, ... modes in turn; the least information criterion -2 log L + 3 M log n chooses among them. A
column with a `standard` or `log` transform is taken for normal, or log-normal: it has one mode. Between two knots
quantiles lie on a line, so a gap in the data may have a mode of about the weight of a knot. The mixtures are kept with
the weights, so that a model decodes as it was trained.

References:
    | Modeling Tabular Data using Conditional GAN (Xu et al., 2019), https://arxiv.org/abs/1907.00503: section 4.2
    | Estimating the Dimension of a Model (Schwarz, 1978), doi:10.1214/aos/1176344136
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.tables.choices import invert
from pushforward.models.tables.coding import coder
from pushforward.models.tables.table import Table
from pushforward.models.tables.transform import NumberTransform

if TYPE_CHECKING:
    from torch import Tensor

Reals = NDArray[np.float64]

MODES = 10
POINTS = 200  # quantiles that a mixture is fitted to
ITERATIONS = 60
NARROWEST = 1e-3  # deviation of a mode, as a share of the quantiles' range
REACH = 4.0  # deviations that alpha = 1 stands for


class NumberMixture(NamedTuple):
    """Of one number, M modes."""

    weight: Reals
    mean: Reals
    std: Reals


@final
@dataclass(frozen=True)
class ModeCoder:
    """Numbers in network units as modes and places within them, and back."""

    table: Table
    weight: Tensor  # (P, M) float64
    mean: Tensor  # (P, M), in the units of the knots of a column's transform
    std: Tensor  # (P, M)

    def encode(self, u: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Alpha, (B, P) in [-1, 1], and modes, (B, P).  u: (B, P); uniform: (B, P) in (0, 1), draws the modes."""
        coding = coder(self.table, u.device)
        slope, knot, image = coding.piece(u.double(), coding.images)
        t = (knot + (u.double() - image) / slope)[:, :, None]
        log_share = self.weight.log() - self.std.log() - 0.5 * ((t - self.mean) / self.std) ** 2  # (B, P, M)
        b = invert(log_share.flatten(0, 1), uniform.flatten()).view_as(u)
        mean, std = self._of(b)
        return ((t[:, :, 0] - mean) / (REACH * std)).clamp(-1, 1).to(u.dtype), b

    def decode(self, alpha: Tensor, b: Tensor) -> Tensor:
        """Network units, (B, P), of the same."""
        coding = coder(self.table, alpha.device)
        mean, std = self._of(b)
        t = mean + REACH * std * alpha.double()
        slope, knot, image = coding.piece(t, coding.knots)
        return (image + slope * (t - knot)).to(alpha.dtype)

    def _of(self, b: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of modes, (B, P) each."""
        mean, std = (each.expand(len(b), -1, -1).gather(2, b[:, :, None])[:, :, 0] for each in (self.mean, self.std))
        return mean, std


def fitted_modes(table: Table) -> list[NumberMixture]:
    """The mixture of each number, all with as many modes; those that a number lacks have weight 0."""
    found = [mixture_of(number.column.transform) for number in table.numbers]
    most = max((len(each.weight) for each in found), default=1)
    return [_padded(each, most) for each in found]


def mixture_of(transform: NumberTransform) -> NumberMixture:
    """The mixture of the numbers that a transform was fitted to, in the units of its knots."""
    normal = NormalDist()
    at = np.array([normal.inv_cdf((i + 0.5) / POINTS) for i in range(POINTS)])
    knots, images = np.array(transform.knots), np.array(transform.images)
    if len(knots) == 2:  # of a mean and a deviation: the line through them
        slope = (knots[1] - knots[0]) / (images[1] - images[0])
        return NumberMixture(np.ones(1), knots[:1] - slope * images[0], np.array([slope]))
    t = np.interp(at, images, knots)
    return min((_em(t, m) for m in range(1, MODES + 1)), key=lambda mixture: _criterion(t, mixture))


def _em(t: Reals, m: int) -> NumberMixture:
    """Maximum likelihood by EM, from modes at evenly spaced quantiles.  t: (N,), sorted."""
    spread = float(np.ptp(t))
    mixture = NumberMixture(
        np.full(m, 1 / m),
        np.array([part.mean() for part in np.array_split(t, m)]),
        np.array([part.std() for part in np.array_split(t, m)]).clip(NARROWEST * spread),
    )
    for _ in range(ITERATIONS):
        log_joint = _log_joint(t, mixture)
        share = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=1, keepdims=True))
        total = share.sum(0).clip(1e-9)
        mean = (share * t[:, None]).sum(0) / total
        variance = (share * (t[:, None] - mean) ** 2).sum(0) / total
        mixture = NumberMixture(total / total.sum(), mean, np.sqrt(variance).clip(NARROWEST * spread))
    return mixture


def _criterion(t: Reals, mixture: NumberMixture) -> float:
    log_l = float(np.logaddexp.reduce(_log_joint(t, mixture), axis=1).sum())
    return -2 * log_l + 3 * len(mixture.weight) * float(np.log(len(t)))


def _log_joint(t: Reals, mixture: NumberMixture) -> Reals:
    """Log w_b N(t; m_b, s_b^2), (N, M), but for a constant."""
    z = (t[:, None] - mixture.mean) / mixture.std
    joint: Reals = np.log(mixture.weight) - np.log(mixture.std) - 0.5 * z**2
    return joint


def _padded(mixture: NumberMixture, m: int) -> NumberMixture:
    more = m - len(mixture.weight)
    return NumberMixture(
        np.append(mixture.weight, np.zeros(more)),
        np.append(mixture.mean, np.zeros(more)),
        np.append(mixture.std, np.ones(more)),
    )
