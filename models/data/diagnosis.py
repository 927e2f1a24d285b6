r"""Notes on data before they are trained on: columns that have no density, and outliers.

A density of a column that takes few values, or that others determine, has no finite value: mass lies on a set without
volume, and a model raises its likelihood without bound by drawing closer to it. Models of continuous data are trained
on them nevertheless, since they have other uses; a note names the columns and the remedy:

    two-valued, whole, repeating few values     by the values of each column
    linear                                      the residual of a column on those before it, |R_jj| / sqrt(n) of a QR
                                                decomposition of the standardized columns, is under 1e-5
    a function of another column                in the order of that column, neighbors differ by less than 0.005 robust
                                                spreads in the median
    outliers                                    beyond 1,000 robust spreads (1.4826 times the median distance from the
                                                median); refused where the spread is 1e-6 of the standard deviation or
                                                less, for then float32 could not resolve anything else

Data with levels and counts have probabilities, and none of these notes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np

from pushforward.models.data.fitting import Doubles
from pushforward.models.data.mapped.pieces import VALUES_AT_ONCE, Numbers, Pieces
from pushforward.models.data.source import Rows
from pushforward.models.errors import InvalidData
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.requirements import levels_of
from pushforward.models.spec.text import Text

MAX_ROWS = 20_000  # looked at
MAX_COLUMNS = 1024  # and of pairs of columns 64
MAX_PAIRED = 64
MIN_PAIRED_ROWS = 2_000
FEW = 0.05  # distinct values, or rows with one and the same, as a share of the rows
MOSTLY = 0.2
LINEAR, FUNCTIONAL = 1e-5, 0.005
FAR, TOO_FAR = 1e3, 1e6
NAMED = 8  # columns in one note
UNBOUNDED = "an exact density of such columns has no finite value, it rises without bound"


def diagnose(spec: DataSpec, rows: Rows, training: Numbers | None = None) -> tuple[str, ...]:
    """Notes on the rows of these numbers, which train, or on all, a sentence each. Raises InvalidData."""
    if spec.table is not None:
        return spec.table.notes
    texts = isinstance(spec.condition, Text)  # a column of a text is a character's place, and is often empty
    idle = () if texts or rows.c is None else _idle_conditions(Pieces(rows.c, training))
    return (*_notes(spec, Pieces(rows.x, training).first(MAX_ROWS)), *idle)


def _notes(spec: DataSpec, x: Pieces) -> Iterator[str]:
    if spec.is_series:
        yield from _fixed_pixels(spec, x)
    elif len(spec.shape) != 1:
        yield from _channels(spec)
        yield from _fixed_pixels(spec, x)
        yield from _whole_images(spec)
    elif spec.counts:
        yield from _constants(spec, x)
    elif spec.levels is None:
        yield from _constants(spec, x)
        yield from _Columns(spec, next(iter(x.first(max(1, VALUES_AT_ONCE // spec.size)))).astype(np.float64)).notes()


def name(columns: Sequence[int]) -> str:
    """`column 3`, or `columns 1, 2 and 5 more`."""
    first = ", ".join(map(str, columns[:NAMED]))
    more = f" and {len(columns) - NAMED} more" if len(columns) > NAMED else ""
    return f"column{'s' if len(columns) > 1 else ''} {first}{more}"


def _constants(spec: DataSpec, x: Pieces) -> Iterator[str]:
    if spec.constants:
        columns = [element for element, _ in spec.constants]
        values = ", ".join(f"{value:.9g}" for _, value in spec.constants[:NAMED])
        rounded = "" if not x.varies()[columns].any() else ", but for rounding"
        yield (
            f"Constant in the data{rounded}: {name(columns)} ({values}): kept as it is in "
            "samples, outside of densities; rows with another value there are refused."
        )


def _idle_conditions(c: Pieces) -> Iterator[str]:
    idle = np.flatnonzero(~c.varies()).tolist()
    if idle:
        yield f"Constant in the condition: {name(idle)}: the model has learned nothing of other values there."


def _channels(spec: DataSpec) -> Iterator[str]:
    if not spec.is_image:
        yield (
            f"Images of {spec.shape[0]} channels are read as vectors, without regard to which pixels are neighbors; "
            "give 1, 3 or 4 channels for convolutions."
        )


def _whole_images(spec: DataSpec) -> Iterator[str]:
    if spec.whole is not None and spec.levels is None:
        yield f"Of whole numbers: the images, taken for continuous, so samples are not whole; {levels_of(spec)}."


def _fixed_pixels(spec: DataSpec, x: Pieces) -> Iterator[str]:
    fixed = int((~x.varies()).sum()) if not spec.discrete else 0
    if fixed:
        remedy = "cut them off" if spec.is_series else "crop, or give low, high and levels where the data have levels"
        yield (f"{fixed} of the {spec.size} elements of a row never vary: {UNBOUNDED}; {remedy}.")


class _Columns:
    """The columns of a table that vary."""

    def __init__(self, spec: DataSpec, x: Doubles) -> None:
        self._spec = spec
        self._numbers = spec.varying_elements[:MAX_COLUMNS]
        self._x = x[:, self._numbers]
        varies = self._x.min(0) < self._x.max(0)  # in these rows
        self._numbers = [number for number, each in zip(self._numbers, varies, strict=True) if each]
        self._x = self._x[:, varies]
        # From the median: relative to an extreme value all others would round to the same number.
        self._z = (self._x - np.median(self._x, axis=0)) / np.ptp(self._x, axis=0)
        self._distance = np.abs(self._z)
        self._spread = 1.4826 * np.median(self._distance, axis=0)  # 0 where most values are the same

    def notes(self) -> Iterator[str]:
        """Raises InvalidData."""
        if len(self._x) < 2 or not self._numbers:
            return
        self._refuse_outliers()
        kinds = [self._kind(column) for column in self._x.T]
        yield from self._discrete(kinds)
        dependent = yield from self._linear()
        yield from self._functions([i for i, kind in enumerate(kinds) if not kind and i not in dependent])
        yield from self._outliers()

    def _kind(self, column: Doubles) -> str:
        values, counts = np.unique(column, return_counts=True)
        if len(values) == 2:
            return "two-valued"
        if (column == np.round(column)).all() and np.abs(column).max() < 2**53:
            return "whole"
        few = len(values) <= FEW * len(column) or counts.max() >= max(MOSTLY * len(column), 5)
        return "repeating" if few else ""

    def _discrete(self, kinds: Sequence[str]) -> Iterator[str]:
        def those(kind: str) -> list[int]:
            return [number for number, each in zip(self._numbers, kinds, strict=True) if each == kind]

        if columns := those("two-valued"):
            yield (
                f"Of two values in the data, as flags and one-hot codes: {name(columns)}: taken for continuous, so "
                f"samples lie between the two, and {UNBOUNDED}; {self._levels()}leave them out, or give "
                "what they tell as the condition of a row."
            )
        if columns := those("whole"):
            yield (
                f"Of whole numbers in the data: {name(columns)}: taken for continuous, so samples are not whole "
                f"there and may leave the range, and {UNBOUNDED}; {self._levels()}{self._counts()}leave them "
                "out, or take the density for what it is."
            )
        if columns := those("repeating"):
            yield (
                f"Of few values in the data, or of one that is frequent: {name(columns)}: taken for continuous, and "
                f"{UNBOUNDED}; give low, high and levels where the data have levels."
            )

    def _levels(self) -> str:
        """Advice to model the data as levels, where all of them are whole numbers."""
        return "" if self._spec.whole is None else f"{levels_of(self._spec)}; or "

    def _counts(self) -> str:
        """Advice to model the data as counts, where all of them may be."""
        if self._spec.whole is None or self._spec.whole[0] < 0:
            return ""
        return "for counts give data.counts true, and the likelihood poisson or negative_binomial; or "

    def _linear(self) -> Generator[str, None, list[int]]:
        """Notes on columns that are linear functions of earlier ones; returns the places of those columns."""
        dependent: list[int] = []
        z = self._standardized(2 * len(self._numbers) + 500)
        if len(z) < len(self._numbers) + 10:
            return dependent
        residual = np.abs(np.diag(np.linalg.qr(z, mode="r"))) / len(z) ** 0.5
        dependent = [int(j) for j in np.flatnonzero((residual < LINEAR) & (z.std(0) > 0))]
        for j in dependent[:NAMED]:
            free = [i for i in range(j) if i not in dependent]
            weights = np.linalg.lstsq(z[:, free], z[:, j], rcond=None)[0]
            used = [self._numbers[i] for i, weight in zip(free, weights, strict=True) if abs(weight) > 1e-3]
            of = name(used)
            relation = f"repeats {of}, up to its unit" if len(used) == 1 else f"is a linear function of {of}"
            yield (f"Column {self._numbers[j]} of the data {relation}: {UNBOUNDED}; leave it out and compute it.")
        if len(dependent) > NAMED:
            columns = [self._numbers[j] for j in dependent[NAMED:]]
            yield f"Linear functions of others in the data, too: {name(columns)}."
        return dependent

    def _functions(self, places: Sequence[int]) -> Iterator[str]:
        if len(self._x) < MIN_PAIRED_ROWS or len(places) > MAX_PAIRED:
            return
        z = self._z[:5_000]
        named = set[int]()
        for i in places:
            order = np.argsort(z[:, i], kind="stable")
            for j in places:
                if i == j or {i, j} & named:
                    continue
                if np.median(np.abs(np.diff(z[order, j]))) < FUNCTIONAL * self._spread[j]:
                    named.add(j)
                    yield (
                        f"Column {self._numbers[j]} of the data is almost a function of column {self._numbers[i]}: "
                        f"{UNBOUNDED}; leave it out and compute it."
                    )

    def _refuse_outliers(self) -> None:
        for j in np.flatnonzero((self._spread > 0) & (self._spread * TOO_FAR < self._z.std(0))):
            far = self._x[np.argmax(self._distance[:, j]), j]
            raise InvalidData(
                f"column {self._numbers[j]} holds values as far out as {far:.6g}, {self._times(int(j)):.1g} "
                "times its usual spread from the others, beside which float32 could not resolve them; drop or clip "
                "such rows, or take logarithms",
                field="path",
            )

    def _outliers(self) -> Iterator[str]:
        far = np.flatnonzero((self._spread > 0) & (self._distance.max(0) > FAR * self._spread))
        if len(far):
            worst = max(self._times(int(j)) for j in far)
            yield (
                f"Far outliers in the data: {name([self._numbers[j] for j in far])}: up to {worst:.1g} times the usual "
                "spread from the middle; they set the scale for all rows; drop or clip them, or take logarithms."
            )

    def _times(self, j: int) -> float:
        """How many robust spreads the farthest value is away."""
        return float(self._distance[:, j].max() / self._spread[j])

    def _standardized(self, most_rows: int) -> Doubles:
        z = self._z[:most_rows]
        deviation = z.std(0)
        standard: Doubles = (z - z.mean(0)) / np.where(deviation > 0, deviation, 1.0)
        return standard
