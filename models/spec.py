"""What data are: shape, range, levels, labels and the units that networks see.

Data live in their own units everywhere outside a family's mathematics: digits are 0..16, 8-bit images 0..255, a
table's columns whatever they are. A family maps them to network units by the affine `normalize`; its log-density
in data units is the one in network units plus `log_jacobian`.
"""

from __future__ import annotations

from functools import cached_property
from math import inf, isfinite, log, prod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator

from models.conditions import AnyCondition
from models.errors import InvalidData, InvalidInput
from models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]


class DataSpec(BaseModel):
    """The kind of data a model was trained on.

    Attributes:
        shape: of one row, without the batch: `(2,)`, `(1, 28, 28)` (channels first).
        low, high: the closed range, in data units, or None where unbounded.
        levels: how many equally spaced values a pixel takes in `[low, high]`, or None for continuous data.
        n_classes: how many labels there are, or None.
        condition: what a model is told beside each row, or None.
        n_rows: how many rows train it, or None where they are drawn afresh.
        shift, scale: network units are `(x - shift) / scale`; one number, or one for each element of a vector.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[PositiveInt, ...]
    low: float | None = None
    high: float | None = None
    levels: int | None = None
    n_classes: int | None = None
    condition: AnyCondition | None = None
    n_rows: int | None = None
    shift: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, values in (("shift", self.shift), ("scale", self.scale)):
            if len(values) not in (1, self.size) or not all(map(isfinite, values)):
                raise ValueError(f"{name} takes one finite number, or one for each of the {self.size} elements")
        if min(self.scale) <= 0:
            raise ValueError("scale must be positive")
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high come together")
        if self.low is not None and self.high is not None and not -inf < self.low < self.high < inf:
            raise ValueError("low and high are finite, and low is below high")
        if not self.shape:
            raise ValueError("shape has at least one axis; a row of one number is (1,)")
        if self.levels is not None and (self.low is None or self.levels < 2):
            raise ValueError("levels needs low and high, and at least 2 of them")
        return self

    @property
    def size(self) -> int:
        """The number of elements of one row, D."""
        return prod(self.shape)

    @property
    def condition_size(self) -> int:
        """The number of elements of a condition as networks see it, C; 0 without."""
        return 0 if self.condition is None else self.condition.size

    @property
    def is_image(self) -> bool:
        """Whether a row is (channels, height, width) with 1 or 3 channels."""
        return len(self.shape) == 3 and self.shape[0] in (1, 3)

    @property
    def bin_width(self) -> float:
        """The distance between neighboring levels, in data units."""
        if self.levels is None or self.low is None or self.high is None:
            raise ValueError("continuous data have no levels")
        return (self.high - self.low) / (self.levels - 1)

    @property
    def log_jacobian(self) -> float:
        """Log |d normalize(x) / dx| of a row, in nats."""
        repeats = self.size // len(self.scale)
        return -repeats * sum(map(log, self.scale))

    def normalize(self, x: Tensor) -> Tensor:
        """Data units to network units; bounded data to [-1, 1].  x: (B, *shape)."""
        shift, scale = self._affine(x)
        return (x - shift) / scale

    def denormalize(self, u: Tensor) -> Tensor:
        """Network units to data units.  u: (B, *shape)."""
        shift, scale = self._affine(u)
        return u * scale + shift

    def clip(self, x: Tensor) -> Tensor:
        """Into the range, where there is one."""
        return x if self.low is None else x.clamp(self.low, self.high)

    def quantize(self, x: Tensor) -> Tensor:
        """What a sample must be to be data: inside the range, and on a level where there are levels."""
        x = self.clip(x)
        if self.levels is None or self.low is None:
            return x
        return ((x - self.low) / self.bin_width).round() * self.bin_width + self.low

    def check(self, x: np.ndarray, *, field: str = "x", on_levels: bool = False) -> None:
        """Refuse rows that are not of this kind.

        Arguments:
            x: rows, (n, *shape).
            field: the name the refusal gives the array.
            on_levels: whether values between levels are refused too.

        Raises:
            InvalidInput: naming the field and the remedy.
        """
        if x.shape[1:] != self.shape or len(x) == 0:
            raise InvalidInput(
                f"has shape {list(x.shape)}; send at least one row of shape {list(self.shape)}: [n, "
                f"{', '.join(map(str, self.shape))}]",
                field=field,
            )
        if not np.isfinite(x).all():
            raise InvalidInput("holds NaN or infinite values; every value must be finite", field=field)
        if self.low is None or self.high is None:
            return
        if x.min() < self.low or x.max() > self.high:
            raise InvalidInput(
                f"has values in [{x.min():g}, {x.max():g}]; this model's data lie in [{self.low:g}, {self.high:g}]",
                field=field,
            )
        if on_levels and self.levels is not None:
            offset = (x - self.low) / self.bin_width
            if np.abs(offset - np.round(offset)).max() > 1e-3:
                raise InvalidInput(
                    f"has values between levels; round to the {self.levels} levels {self.low:g}, "
                    f"{self.low + self.bin_width:g}, ..., {self.high:g} first",
                    field=field,
                )

    def _affine(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale as tensors beside `like`, made once: 784 numbers take longer to copy than to use."""
        kind = like.dtype, like.device
        known = self._tensors.get(kind)
        if known is None or known[0] is not self.shift or known[1] is not self.scale:  # `model_copy` copies these too
            known = self.shift, self.scale, self._beside(like, self.shift), self._beside(like, self.scale)
            self._tensors[kind] = known
        return known[2], known[3]

    @cached_property
    def _tensors(self) -> dict[Any, tuple[Any, Any, Tensor, Tensor]]:
        return {}

    def _beside(self, like: Tensor, values: tuple[float, ...]) -> Tensor:
        with torch.inference_mode(False):
            return like.new_tensor(values).view((1, *self.shape) if len(values) > 1 else (1,))


def convolves(spec: DataSpec) -> bool:
    """Whether data are images for convolutions. Raises InvalidData for images of a size they do not cover."""
    if not spec.is_image:
        return False
    sides = spec.shape[1:]
    if min(sides) < 5 or max(sides) > 32:
        raise InvalidData(f"images are {sides[0]}x{sides[1]}; this family reads sides from 5 to 32", field="run.data")
    return True


def rows_kept(spec: DataSpec) -> int:
    """How many training rows a family may keep something of. Raises InvalidData where they are drawn afresh."""
    if spec.n_rows is None:
        raise InvalidData("this family keeps a code of each training row; these never end, give n", field="run.data.n")
    return spec.n_rows
