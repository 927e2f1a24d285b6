r"""Uniform dequantization: densities over data that have levels.

Data on levels y, a distance w apart (`DataSpec.bin_width`), have probabilities, not densities. A density p over R^D
gives each level its bin, centered on it: with u ~ U(0, 1)^D,

    P(y) = w^D E_u p(y + w (u - 1/2)),

and by Jensen's inequality

    log P(y) >= E_u [log p(y + w (u - 1/2))] + D log w.

Rounding a draw of p to the nearest level is a draw of P. Elements outside the range belong to the outermost levels
then, which the bound leaves out, so it stays a bound.

References:
    | A note on the evaluation of generative models (Theis et al., 2015), https://arxiv.org/abs/1511.01844
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from models.spec import DataSpec


def dequantize(spec: DataSpec, x: Tensor, u01: Tensor) -> Tensor:
    """Levels to points of their bins, data units.  x, u01: (B, *shape), u01 uniform in (0, 1)."""
    return x + spec.bin_width * (u01 - 0.5)


def level_log_volume(spec: DataSpec) -> float:
    """D log w: the log-volume of a level's bin, to add to a log-density in data units. Nats."""
    return spec.size * log(spec.bin_width)
