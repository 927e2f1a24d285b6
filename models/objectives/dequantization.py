r"""Uniform dequantization: densities over data that have levels.

Data on levels y of distance w (`DataSpec.bin_width`) have probabilities P(y), not densities. A density p over the
reals gives its bin to each level, P(y) = w E_u p(y + w (u - 1/2)), u ~ U(0, 1)^D, and by Jensen

    log P(y) >= E_u log p(y + w (u - 1/2)) + D log w.

Bins are centered on their levels, so rounding a draw of p to the nearest level is a draw of P.

References:
    | A note on the evaluation of generative models (Theis et al., 2015), https://arxiv.org/abs/1511.01844
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from models.spec import DataSpec


def dequantize(spec: DataSpec, x: Tensor, u01: Tensor) -> Tensor:
    """Levels to points of their bins, data units.  x, u01: (B, *shape), u01 uniform in (0, 1)."""
    return x + spec.bin_width * (u01 - 0.5)
