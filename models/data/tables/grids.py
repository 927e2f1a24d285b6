"""Grids that numbers lie on, and atoms: values that many of them have."""

from __future__ import annotations

from decimal import Decimal
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

MAX_LEVELS = 1_000  # of a grid of floats
ATOM = 0.05  # share of the cells
DIGITS = 6  # after the point, that a grid of floats may have
EXACT = 2.0**53  # integers up to it are float64


def atoms(numbers: Reals, n_rows: int) -> tuple[float, ...]:
    """Values that more than the share `ATOM` of the rows have."""
    values, counts = np.unique(numbers, return_counts=True)
    return tuple(values[counts > ATOM * n_rows].tolist())


def grid(numbers: Reals) -> float | None:
    """The step of the grid that all numbers lie on, of at most `MAX_LEVELS` points; None where there is none."""
    low, span = float(numbers.min()), float(np.ptp(numbers))
    for digits in range(DIGITS + 1):
        scaled = numbers * 10.0**digits
        whole = np.round(scaled)
        if np.abs(whole).max() > EXACT:
            return None
        if (np.abs(scaled - whole) <= 1e-6 * np.maximum(1.0, np.abs(scaled)) * 1e-3).all():
            step = float(common_step(whole.astype(np.int64) - round(low * 10.0**digits))) / 10.0**digits
            return step if span / step < MAX_LEVELS else None
    return None


def common_step(integers: NDArray[Any]) -> int:
    """The greatest common divisor of the differences of integers, 1 at least."""
    differences = np.unique(integers.astype(object) if integers.dtype == np.uint64 else integers)
    steps = np.unique(np.diff(differences))
    divisor = 0
    for step in steps.tolist():
        divisor = gcd(divisor, int(step))
        if divisor == 1:
            break
    return max(divisor, 1)


def decimal_step(values: list[Decimal]) -> float:
    """The step of the grid that decimals lie on."""
    digits = max(-int(value.as_tuple().exponent) for value in values)
    whole = np.array([int(value.scaleb(digits)) for value in values], dtype=object)
    return float(Decimal(common_step(whole)).scaleb(-digits))
