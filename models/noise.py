r"""Noise that is a pure function of (seed, row, draw, element).

A stateful generator makes a sample depend on what was sampled before it: on its batch-mates, its chunk, its worker.
Here every number is computed from its address. With the 64-bit mixer of SplitMix64, `mix`, and odd constants c,

    key(seed, row, draw)  = mix(mix(mix(seed + c0) + c1 (row + 1)) + c2 (draw + 1))
    bits(key, element)    = mix(key + c0 (element + 1))

all modulo 2^64: SplitMix64 streams whose starting points are themselves mixed. The top 53 bits of two words make
two uniforms u1, u2 in (0, 1), and Box-Muller makes two standard normals, sqrt(-2 log u1) (cos, sin)(2 pi u2).

References:
    | Fast Splittable Pseudorandom Number Generators (Steele, Lea & Flood, 2014), doi:10.1145/2660193.2660195
    | Parallel Random Numbers: As Easy as 1, 2, 3 (Salmon et al., 2011), doi:10.1145/2063384.2063405
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.spec import Shape

Words = NDArray[np.uint64]
Draw = int | Tensor | NDArray[np.int64]  # which draw of a row: one number, or one for each row

_C0, _C1, _C2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _mix(z: Words) -> Words:
    """The finalizer of SplitMix64 (Stafford's variant 13), in place on a fresh array."""
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


@dataclass(frozen=True)
class Noise:
    """B rows of noise, each with its own address (seed, row)."""

    seed: Words  # (B,)
    row: Words  # (B,)
    device: torch.device = torch.device("cpu")

    @classmethod
    def rows(cls, seed: int, n: int, *, start: int = 0, device: torch.device | str = "cpu") -> Noise:
        """Rows start, ..., start + n - 1 of one seed, 0 <= seed < 2^64."""
        row = np.arange(start, start + n, dtype=np.uint64)
        return cls(np.full(n, seed, dtype=np.uint64), row, torch.device(device))

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
        """Uniforms in (0, 1), (B, *shape), float32."""
        return self._tensor(_unit(self._bits(draw, prod(shape))), shape)

    def normal(self, draw: Draw, shape: Shape) -> Tensor:
        """Standard normals, (B, *shape), float32."""
        pairs = (prod(shape) + 1) // 2
        u = _unit(self._bits(draw, 2 * pairs))
        radius, angle = np.sqrt(-2.0 * np.log(u[:, :pairs])), (2.0 * np.pi) * u[:, pairs:]
        values = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return self._tensor(values[:, : prod(shape)], shape)

    def _bits(self, draw: Draw, n: int) -> Words:
        """(B, n) words."""
        with np.errstate(over="ignore"):
            key = _mix(_mix(self.seed + _C0) + _C1 * (self.row + np.uint64(1)))
            key = _mix(key + _C2 * (np.asarray(draw).astype(np.uint64) + np.uint64(1)))
            element = np.arange(1, n + 1, dtype=np.uint64)
            return _mix(key[:, None] + _C0 * element)

    def _tensor(self, values: NDArray[np.float64], shape: Shape) -> Tensor:
        flat = torch.from_numpy(values.astype(np.float32)).to(self.device)
        return flat.view(len(self), *shape)


def _unit(bits: Words) -> NDArray[np.float64]:
    """Words to the centers of 2^53 cells of (0, 1)."""
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
