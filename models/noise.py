r"""Noise that is a pure function of (seed, row, draw, element).

A stateful generator makes a sample depend on what was sampled before it: on its batch-mates, its chunk, its worker.
Here every number is computed from its address. With the 64-bit mixer of SplitMix64, `mix`, and odd constants c,

    key(seed, row, draw)  = mix(mix(mix(seed + c0) + c1 (row + 1)) + c2 (draw + 1))
    bits(key, element)    = mix(key + c0 (element + 1))

all modulo 2^64: SplitMix64 streams whose starting points are themselves mixed. The top 23 bits of a word make a
uniform in (0, 1). The top 40 and the low 24 bits make u1, u2, and Box-Muller two standard normals of them,
sqrt(-2 log u1) (cos, sin)(2 pi u2), at most 7.6 in size.

The integers are the same on every device; the normals agree to float32's rounding.

Example:
    >>> import torch
    >>> from pushforward.models.noise import Noise
    >>> first, later = Noise.rows(0, 4), Noise.rows(0, 2, start=2)
    >>> torch.equal(first.normal(0, (3,))[2:], later.normal(0, (3,)))  # a row has its noise, wherever it is drawn
    True

References:
    | Fast Splittable Pseudorandom Number Generators (Steele, Lea & Flood, 2014), doi:10.1145/2660193.2660195
    | Parallel Random Numbers: As Easy as 1, 2, 3 (Salmon et al., 2011), doi:10.1145/2063384.2063405
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import pi, prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pushforward.models.lazy import torch
from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from torch import Tensor

Words = NDArray[np.uint64]
Draw: TypeAlias = "int | Tensor | NDArray[np.int64]"  # which draw of a row: one number, or one for each row

_C0, _C1, _C2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = 2**64 - 1


@dataclass(frozen=True)
class Noise:
    """B rows of noise, each with its own address (seed, row)."""

    seed: Words  # (B,)
    row: Words  # (B,)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @classmethod
    def rows(cls, seed: int, n: int, *, start: int = 0, device: torch.device | str = "cpu") -> Noise:
        """Rows start, ..., start + n - 1 of one seed, 0 <= seed < 2^64."""
        row = np.arange(start, start + n, dtype=np.uint64)
        return cls(np.full(n, seed, dtype=np.uint64), row, torch.device(device))

    @classmethod
    def spans(cls, spans: Sequence[tuple[int, int, int]], device: torch.device) -> Noise:
        """Of each (seed, start, n) the rows start, ..., start + n - 1 of that seed, in order."""
        if len(spans) == 1:
            return cls.rows(spans[0][0], spans[0][2], start=spans[0][1], device=device)
        seed, start, n = (np.array(column, dtype=np.uint64) for column in zip(*spans, strict=True))
        before = np.cumsum(n) - n  # rows of the spans before
        each = n.astype(np.int64)
        row = np.repeat(start - before, each) + np.arange(each.sum(), dtype=np.uint64)
        return cls(np.repeat(seed, each), row, device)

    @classmethod
    def join(cls, parts: Sequence[Noise]) -> Noise:
        """The rows of several noises, in order."""
        seed, row = np.concatenate([p.seed for p in parts]), np.concatenate([p.row for p in parts])
        return cls(seed, row, parts[0].device)

    def __len__(self) -> int:
        return len(self.seed)

    def __getitem__(self, rows: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Noise:
        return Noise(self.seed[rows], self.row[rows], self.device)

    def uniform(self, draw: Draw, shape: Shape) -> Tensor:
        """Uniforms in (0, 1), (B, *shape), float32: the centers of 2^23 cells."""
        key, n = self.key(draw), prod(shape)
        top = _shift(device_bits(key, n, self.device), 41) if self._on_device else torch.from_numpy(bits(key, n) >> 41)
        return ((top.float() + 0.5) * 2.0**-23).view(len(self), *shape)

    def normal(self, draw: Draw, shape: Shape) -> Tensor:
        """Standard normals, (B, *shape), float32."""
        key, n = self.key(draw), prod(shape)
        pairs = (n + 1) // 2
        flat = device_normals(key, pairs, self.device) if self._on_device else torch.from_numpy(normals(key, pairs))
        return flat[:, :n].reshape(len(self), *shape)

    @property
    def _on_device(self) -> bool:
        return self.device.type != "cpu"

    @cached_property
    def _row_key(self) -> Words:
        return _mix(_mix(self.seed + np.uint64(_C0)) + np.uint64(_C1) * (self.row + np.uint64(1)))

    def key(self, draw: Draw) -> Words:
        """The key of a draw of each row, (B,)."""
        if isinstance(draw, int):
            return _mix(self._row_key + np.uint64(_C2 * (draw + 1) & _MASK))
        return _mix(self._row_key + np.uint64(_C2) * (np.asarray(draw).astype(np.uint64) + np.uint64(1)))


def bits(key: Words, n: int) -> Words:
    """Words 0, ..., n - 1 of each key, (B, n)."""
    return _mix(key[:, None] + _elements(n))


def device_bits(key: Words, n: int, device: torch.device) -> Tensor:
    """The same words as int64, (B, n), computed by torch on the device."""
    start = torch.from_numpy(key.view(np.int64)).to(device)
    element = torch.arange(1, n + 1, device=device)
    z = start[:, None] + element * _signed(_C0)
    z = (z ^ _shift(z, 30)) * _signed(_C1)
    z = (z ^ _shift(z, 27)) * _signed(_C2)
    return z ^ _shift(z, 31)


def normals(key: Words, pairs: int) -> NDArray[np.float32]:
    """Standard normals of each key, (B, 2 pairs)."""
    words = bits(key, pairs)
    u1 = ((words >> np.uint64(24)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-40)
    angle = (words & np.uint64(0xFFFFFF)).astype(np.float32) * np.float32(2 * pi * 2.0**-24)
    radius = np.sqrt(np.float32(-2) * np.log(u1))
    flat = np.empty((len(key), 2 * pairs), np.float32)
    np.multiply(radius, np.cos(angle), out=flat[:, :pairs])
    np.multiply(radius, np.sin(angle), out=flat[:, pairs:])
    return flat


def device_normals(key: Words, pairs: int, device: torch.device) -> Tensor:
    """The same numbers to float32's rounding, (B, 2 pairs), computed by torch on the device."""
    words = device_bits(key, pairs, device)
    u1 = (_shift(words, 24).float() + 0.5) * 2.0**-40
    angle = (words & 0xFFFFFF).float() * (2 * pi * 2.0**-24)
    radius = (-2 * u1.log()).sqrt()
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)


def _mix(z: Words) -> Words:
    """The finalizer of SplitMix64 (Stafford's variant 13), in place on a fresh array."""
    z ^= z >> np.uint64(30)
    z *= np.uint64(_C1)
    z ^= z >> np.uint64(27)
    z *= np.uint64(_C2)
    z ^= z >> np.uint64(31)
    return z


@lru_cache(maxsize=16)
def _elements(n: int) -> Words:
    """c0 (element + 1), the same for every row."""
    return np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_C0)


def _shift(z: Tensor, n: int) -> Tensor:
    """Shift right as if unsigned."""
    return (z >> n) & ((1 << (64 - n)) - 1)


def _signed(word: int) -> int:
    """The int64 of the same 64 bits."""
    return word - 2**64 if word >= 2**63 else word
