r"""What a call of a key costs, and how many rows it may have: learned from the calls themselves.

The milliseconds of a call of n rows are fitted by ms = a n + b, least squares with weights that fade by `FADE` a call.
With the weighted means and (co)variances kept up to date by each new (n, ms),

    a = cov(n, ms) / var(n),      b = mean(ms) - a mean(n),

with 0 <= a n <= ms for both to be costs: the exact solution of the recursive problem. While all calls had the same n,
nothing tells a from b. A cap then must not grow on hope, so a = mean(ms) / n; and nobody must be refused on a guess, so
forecasts take a = 0.

An answer of S steps may take `CALL_MS` in its calls, so a call CALL_MS / S; or 8 b, beyond which more rows save less
than an eighth of its time and only keep one another waiting. The cap starts at `FIRST_CAP` rows, doubles
after a full call as long as twice the rows are foreseen to fit, and falls to half the rows of a call that is foreseen
to last twice as long; the first call decides nothing. Rows that did not fit into the device's memory are a ceiling,
which is tried again now and then.
"""

from __future__ import annotations

from typing import final

FADE = 0.95
FIRST_WEIGHT = 0.05  # the first call of a key also allocates and warms caches
CLIP = 4.0  # times what was foreseen: more is an accident, not a cost
CALL_MS = 25.0  # of all calls of an answer
FIRST_CAP = 64  # rows
LEAST_CAP = 8  # rows, as long as their call is no longer than `CALL_MS`
SURE_AFTER = 16  # calls whose costs were seen
RETRY_AFTER = 64  # full calls below a ceiling before it is raised


@final
class Line:
    """ms = a rows + b, of what was seen."""

    def __init__(self) -> None:
        self.calls = 0  # that were seen
        self._weight = 0.0
        self._rows = self._ms = 0.0  # means
        self._var = self._cov = 0.0  # sums of squares and products about them

    @property
    def is_split(self) -> bool:
        """Whether calls of several sizes were seen."""
        return self._var > 1e-6 * self._weight * self._rows**2

    @property
    def a(self) -> float:
        """Milliseconds of one row more."""
        most = self._ms / self._rows if self._rows else 0.0
        return min(most, max(0.0, self._cov / self._var)) if self.is_split else most

    @property
    def b(self) -> float:
        """Milliseconds of a call, however few its rows."""
        return self._ms - self.a * self._rows

    @property
    def mean_ms(self) -> float:
        """Of the calls that were seen."""
        return self._ms

    def ms(self, rows: float) -> float:
        """What a call of so many rows is foreseen to last."""
        return self._ms + self.a * (rows - self._rows)

    def see(self, rows: int, ms: float) -> None:
        """Learn from a call."""
        if self.calls >= 4:
            ms = min(ms, CLIP * self.ms(rows))
        weight = 1.0 if self.calls else FIRST_WEIGHT
        self.calls += 1
        self._weight = FADE * self._weight + weight
        off, gain = rows - self._rows, weight / self._weight
        self._rows += gain * off
        self._ms += gain * (ms - self._ms)
        self._var = FADE * self._var + weight * off * (rows - self._rows)
        self._cov = FADE * self._cov + weight * off * (ms - self._ms)


@final
class Costs:
    """Of one key."""

    def __init__(self) -> None:
        self.line = Line()
        self.steps = 1  # of a row, once known
        self.limit = FIRST_CAP  # rows, by the numbers they hold
        self._cap = FIRST_CAP
        self._ceiling: int | None = None  # rows, by the device's memory
        self._full_calls = 0  # since the ceiling was met

    @property
    def cap(self) -> int:
        """Rows of one call at most."""
        return max(1, min(self._cap, self.limit, self._ceiling or self._cap))

    @property
    def row_ms(self) -> float:
        """A row's share of full calls, from its first step to its last; 0 where not known."""
        return self.ms(self.cap * self.steps, self.steps) / self.cap

    def pass_ms(self, rows: int) -> float:
        """A row's way from its first step to its last among so many; 0 where not known."""
        return self.ms(min(rows, self.cap) * self.steps, self.steps)

    def misses(self, left_s: float, *, beside: int) -> bool:
        """Whether a request with so much time left is late for sure beside other rows. Alone it is always tried."""
        return beside > 0 and self.line.calls >= SURE_AFTER and left_s < self.pass_ms(beside) / 1000

    def ms(self, row_steps: int, steps: int) -> float:
        """Foreseen for so many steps of rows, of which one row has the given number to go."""
        if not row_steps:
            return 0.0
        a, b = (self.line.a, self.line.b) if self.line.is_split else (0.0, self.line.mean_ms)
        return a * row_steps + b * max(steps, row_steps / self.cap)

    def see(self, rows: int, ms: float) -> None:
        """Learn from a call."""
        cap = self.cap
        self.line.see(rows, ms)
        full = rows >= cap
        self._full_calls += full
        if self._ceiling is not None and self._full_calls >= RETRY_AFTER:
            self._ceiling, self._full_calls = 2 * self._ceiling, 0
        allowed_ms = max(CALL_MS / self.steps, 8 * self.line.b, min(CALL_MS, self.line.ms(LEAST_CAP)))
        if self.line.calls == 1:
            return
        if rows > 1 and self.line.ms(rows) > 2 * allowed_ms:
            self._cap = rows // 2
        elif full and self.line.ms(2 * cap) <= allowed_ms:
            self._cap = max(self._cap, min(2 * cap, self.limit))

    def overflow(self, rows: int) -> None:
        """A call of so many rows did not fit into memory."""
        self._ceiling = max(1, rows // 2)
        self._full_calls = 0
