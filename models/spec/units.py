"""Data units and network units, and the maps between them.

Counts are whole numbers from 0; networks see their log(1 + x), in which few and many are told apart alike, and the
affine map is of it. They have probabilities, so the logarithm has no part in any density.

Here, and nowhere else, numbers in data units become float32, and come back. The affine maps are computed in float64
and rounded once: to float32 on the way to networks, to `dtype` (`models.spec.precision`) on the way back. So data keep
their precision however far from zero they lie, and rescaling them by a shifts log-densities by exactly -D log a.

Where float32 would hold the data, float64 stays float64 both ways: what tests of mathematics compute with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from math import log, prod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import ConfigDict, PositiveInt

from pushforward.models.config.described import Described
from pushforward.models.lazy import torch
from pushforward.models.spec.precision import Held

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]

MAX_COUNT = 2**24  # float32 holds all whole numbers up to it


class Units(Described, ABC):
    """The shape, the range and the units of data.

    Attributes:
        shape: of one row, without the batch: `(2,)`, `(1, 28, 28)`, `(3, 100)` (channels first).
        low, high: the closed range, in data units, or None where unbounded.
        levels: how many equally spaced values a pixel takes in `[low, high]`, or None for continuous data.
        counts: whether elements are whole numbers from 0, without an upper end.
        shift, scale: network units are `(x - shift) / scale`; one number, one for each element of a vector, or one for
            each channel of a series. Of counts, log(1 + x) takes the place of x.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[PositiveInt, ...]
    """Shape of one row; images and series are channels first."""
    low: float | None = None
    """Lower end of the range, in data units; null where unbounded."""
    high: float | None = None
    """Upper end of the range, in data units; null where unbounded."""
    levels: int | None = None
    """How many equally spaced values an element takes; null for continuous data."""
    counts: bool = False
    """Whether elements are whole numbers from 0, of which networks see log(1 + x)."""
    shift: tuple[float, ...] = (0.0,)
    """Networks see (x - shift) / scale: one number, one for each element, or one for each channel."""
    scale: tuple[float, ...] = (1.0,)
    """Networks see (x - shift) / scale: one number, one for each element, or one for each channel."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, some fields changed; what was computed of the old ones is forgotten."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    @property
    @abstractmethod
    def dtype(self) -> Held:
        """The type that data units are held in."""

    @property
    def size(self) -> int:
        """The number of elements of one row, D."""
        return prod(self.shape)

    @property
    def row_bytes(self) -> int:
        """What the numbers of one row take, as they are held."""
        return self.size * np.dtype(self.dtype).itemsize

    @property
    def discrete(self) -> bool:
        """Whether elements are levels or counts, so that rows have probabilities."""
        return self.counts or self.levels is not None

    @property
    def bin_width(self) -> float:
        """The distance between neighboring levels, or counts, in data units."""
        if self.counts:
            return 1.0
        if self.levels is None or self.low is None or self.high is None:
            raise ValueError("continuous data have no levels")
        return (self.high - self.low) / (self.levels - 1)

    @property
    def log_jacobian(self) -> float:
        """Log |d normalize(x) / dx| of a row, in nats."""
        if self.counts:
            raise ValueError("counts have probabilities, and no density")
        repeats = self.size // len(self.scale)
        return -repeats * sum(map(log, self.scale))

    def log_jacobians(self, x: Tensor) -> Tensor:
        """`log_jacobian` for each of some rows, (B,) float64.  x: (B, ...)."""
        return torch.full((len(x),), self.log_jacobian, dtype=torch.float64, device=x.device)

    def normalize(self, x: Tensor) -> Tensor:
        """Data units to network units; bounded data to [-1, 1].  x: (B, *shape)."""
        shift, scale = self._affine(x)
        exact = x.double().clamp_min(0).log1p() if self.counts else x.double()
        return self._to_networks((exact - shift) / scale, x)

    def denormalize(self, u: Tensor) -> Tensor:
        """Network units to data units.  u: (B, *shape)."""
        shift, scale = self._affine(u)
        exact = u.double() * scale + shift
        return self._to_data(exact.expm1() if self.counts else exact, u)

    def log_mean_count(self, like: Tensor) -> Tensor:
        """Log E[x] of each element's counts were 1 + x log-normal, (1, *shape) or (1,): where log-rates begin."""
        shift, scale = self._affine(like)
        return torch.expm1(shift + scale.square() / 2).log()

    def to_fraction(self, x: Tensor, *, margin: float = 0.0) -> Tensor:
        """(x - low) / (high - low) of a range that is widened by a margin, in data units, on either side."""
        low, high = self._range(margin)
        return self._to_networks((x.double() - low) / (high - low), x)

    def from_fraction(self, s: Tensor, *, margin: float = 0.0) -> Tensor:
        """The inverse of `to_fraction`."""
        low, high = self._range(margin)
        return self._to_data(s.double() * (high - low) + low, s)

    def to_level(self, x: Tensor) -> Tensor:
        """Data units to the numbers of the nearest levels, 0 to levels - 1, int64."""
        low, _ = self._range(0.0)
        return ((x.double() - low) / self.bin_width).round().long()

    def from_level(self, level: Tensor) -> Tensor:
        """Numbers of levels, or numbers between them, to data units."""
        low, _ = self._range(0.0)
        return self._to_data(level.double() * self.bin_width + low, level)

    def normalize_level(self, level: Tensor) -> Tensor:
        """Numbers of levels to network units, float64: what `normalize` makes of levels, before it rounds."""
        low, _ = self._range(0.0)
        shift, scale = self._affine(level)
        return (level.double() * self.bin_width + low - shift) / scale

    def clip_units(self, u: Tensor, low: float, high: float) -> Tensor:
        """Network units, kept to a range that is given in data units."""
        shift, scale = self._affine(u)
        return u.clamp(((low - shift) / scale).to(u), ((high - shift) / scale).to(u))

    def clip(self, x: Tensor) -> Tensor:
        """Into the range, where there is one."""
        if self.low is None or self.high is None:
            return x
        return x.clamp(*_representable(self.low, self.high, "float64" if x.dtype == torch.float64 else "float32"))

    def quantize(self, x: Tensor) -> Tensor:
        """What a sample must be to be data: inside the range, and on a level where there are levels; whole counts."""
        if self.counts:
            return x.round().clamp(0, MAX_COUNT) + 0.0  # 0.0 for -0.0
        if self.levels is None:
            return self.clip(x)
        level = self.to_level(x).clamp(0, self.levels - 1)
        return self.from_level(level.double()).to(x.dtype)

    def hold(self, x: np.ndarray) -> np.ndarray:
        """Rows that passed `check`, in the type that data are held in; a rounding beyond the range is taken back."""
        x = np.ascontiguousarray(x, dtype=self.dtype)
        if self.low is None or self.high is None:
            return x
        clipped: np.ndarray = x.clip(*_representable(self.low, self.high, self.dtype))
        return clipped

    def _range(self, margin: float) -> tuple[float, float]:
        if self.low is None or self.high is None:
            raise ValueError("unbounded data have no range")
        return self.low - margin, self.high + margin

    def network_dtype(self, x: Tensor) -> torch.dtype:
        """The type of what `normalize` makes of such data: float32, but for float64 where float32 would hold them."""
        return torch.float64 if x.dtype == torch.float64 and self.dtype == "float32" else torch.float32

    def _to_networks(self, exact: Tensor, x: Tensor) -> Tensor:
        return exact.to(self.network_dtype(x))

    def _to_data(self, exact: Tensor, u: Tensor) -> Tensor:
        return exact if u.dtype == torch.float64 or self.dtype == "float64" else exact.float()

    def _affine(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale as tensors beside `like`, made once: 784 numbers take longer to copy than to use."""
        known = self._tensors.get(like.device)
        if known is None:
            known = self._tensors[like.device] = self._beside(like, self.shift), self._beside(like, self.scale)
        return known

    @cached_property
    def _tensors(self) -> dict[Any, tuple[Tensor, Tensor]]:
        return {}

    def _beside(self, like: Tensor, values: tuple[float, ...]) -> Tensor:
        with torch.inference_mode(False):
            return torch.from_numpy(self.along_axes(values)).to(like.device)

    def along_axes(self, values: tuple[float, ...]) -> np.ndarray:
        """Values of `shift` or `scale`, float64, in a shape that goes with rows: (1, ...)."""
        exact = np.array(values, np.float64)
        if len(values) == self.size:
            return exact.reshape(1, *self.shape)
        return exact.reshape(1, len(values), *(1 for _ in self.shape[1:])) if len(values) > 1 else exact


def _representable(low: float, high: float, held: Held) -> tuple[float, float]:
    """The range of the numbers of a type that lie within a range."""
    if held == "float64":
        return low, high
    least, greatest = np.float32(low), np.float32(high)
    inner = (
        float(least) if least >= low else float(np.nextafter(least, np.float32(np.inf))),
        float(greatest) if greatest <= high else float(np.nextafter(greatest, np.float32(-np.inf))),
    )
    return inner if inner[0] < inner[1] else (low, high)
