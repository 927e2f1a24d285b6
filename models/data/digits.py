"""Handwritten digits that come with scikit-learn."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.mapped.pieces import Numbers
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import Finite, Rows
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec

SPEC = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, n_classes=10, shift=(8.0,), scale=(8.0,))


@cache
def _digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read once: they come as compressed text."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images[:, None].astype(np.uint8), digits.target.astype(np.int64)


@final
class Digits(Finite):
    """1,797 handwritten digits of scikit-learn: 8x8, 17 levels 0..16, labels.

    References:
        | Optical Recognition of Handwritten Digits (Alpaydin & Kaynak, 1998), UCI, doi:10.24432/C50P49
    """

    source: Literal["digits"] = "digits"

    @property
    def labels_are(self) -> str:
        return "digits"

    def outline(self, root: Path) -> DataSpec:
        condition = None if self.condition is None else Labels(n_classes=10)
        return SPEC.model_copy(update={"condition": condition, "n_rows": 1797})

    def rows(self, root: Path, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        x, labels = _digits()
        return Rows(x.copy(), labels.copy())

    def spec(self, rows: Rows, training: Numbers | None = None) -> DataSpec:
        return SPEC
