r"""What a call of a key costs, and how many rows it may have: measured on the calls themselves.

The milliseconds of a call of n rows are fitted by ms = a n + b, least squares with weights that fade by `FADE` a call.
With the weighted means and (co)variances kept up to date by each new (n, ms),

    a = cov(n, ms) / var(n),      b = mean(ms) - a mean(n),

with 0 <= a n <= ms for both to be costs: the exact solution of the recursive problem. While all calls had the same n,
a and b are not identifiable. The cap then assumes that all cost is per row, a = mean(ms) / n, so that it grows only on
evidence; predictions assume that none is, a = 0, so that no request is refused on a guess.

An answer of S steps may take `CALL_MS` in its calls, so a call CALL_MS / S; or 8 b, beyond which more rows save less
than an eighth of its time and only make one another wait. The cap starts at `FIRST_CAP` rows. It doubles after a full
call as long as twice the rows are predicted to take no longer than allowed, and falls to half the rows of a call that
is predicted to take twice as long; the first call changes nothing. Rows that did not fit into the device's memory set a
ceiling, which is tried again from time to time.
"""

from __future__ import annotations

from typing import final

FADE = 0.95
FIRST_WEIGHT = 0.05  # the first call of a key also allocates and warms caches
CLIP = 4.0  # times the prediction: more is an outlier
CALL_MS = 25.0  # of all calls of an answer
FIRST_CAP = 64  # rows
LEAST_CAP = 8  # rows, as long as their call is no longer than `CALL_MS`
SURE_AFTER = 16  # measured calls, before a request is refused for its deadline
RETRY_AFTER = 64  # full calls below a ceiling before it is raised


@final
class LinearFit:
    """ms = a rows + b, fitted to the measured calls."""

    def __init__(self) -> None:
        self.calls = 0  # that were measured
        self._weight = 0.0
        self._rows = self._ms = 0.0  # means
        self._var = self._cov = 0.0  # sums of squares and products about them

    @property
    def is_split(self) -> bool:
        """Whether calls of several sizes were measured, so that a and b are identifiable."""
        return self._var > 1e-6 * self._weight * self._rows**2

    @property
    def a(self) -> float:
        """Milliseconds of one more row."""
        most = self._ms / self._rows if self._rows else 0.0
        return min(most, max(0.0, self._cov / self._var)) if self.is_split else most

    @property
    def b(self) -> float:
        """Milliseconds of a call without its rows."""
        return self._ms - self.a * self._rows

    @property
    def mean_ms(self) -> float:
        """The mean of the measured calls."""
        return self._ms

    def ms(self, rows: float) -> float:
        """The predicted duration of a call of so many rows."""
        return self._ms + self.a * (rows - self._rows)

    def see(self, rows: int, ms: float) -> None:
        """Add a measured call."""
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
    """The costs of one key, and its cap."""

    def __init__(self) -> None:
        self.fit = LinearFit()
        self.steps = 1  # of a row; 1 until known
        self.limit = FIRST_CAP  # rows, by the numbers they hold
        self._cap = FIRST_CAP
        self._ceiling: int | None = None  # rows, by the device's memory
        self._full_calls = 0  # since the ceiling was set

    @property
    def cap(self) -> int:
        """The most rows of one call."""
        return max(1, min(self._cap, self.limit, self._ceiling or self._cap))

    @property
    def row_ms(self) -> float:
        """A row's share of full calls, over all its steps; 0 where not known."""
        return self.ms(self.cap * self.steps, self.steps) / self.cap

    def pass_ms(self, rows: int) -> float:
        """How long a row takes, over all its steps, in calls of so many rows; 0 where not known."""
        return self.ms(min(rows, self.cap) * self.steps, self.steps)

    def misses(self, left_s: float, *, beside: int) -> bool:
        """Whether a request with so much time left would be late beside so many rows. Alone it is always tried."""
        return beside > 0 and self.fit.calls >= SURE_AFTER and left_s < self.pass_ms(beside) / 1000

    def ms(self, row_steps: int, steps: int) -> float:
        """Predicted for so many steps of rows, where the row with most steps left has so many."""
        if not row_steps:
            return 0.0
        a, b = (self.fit.a, self.fit.b) if self.fit.is_split else (0.0, self.fit.mean_ms)
        return a * row_steps + b * max(steps, row_steps / self.cap)

    def see(self, rows: int, ms: float) -> None:
        """Add a measured call."""
        cap = self.cap
        self.fit.see(rows, ms)
        full = rows >= cap
        self._full_calls += full
        if self._ceiling is not None and self._full_calls >= RETRY_AFTER:
            self._ceiling, self._full_calls = 2 * self._ceiling, 0
        allowed_ms = max(CALL_MS / self.steps, 8 * self.fit.b, min(CALL_MS, self.fit.ms(LEAST_CAP)))
        if self.fit.calls == 1:
            return
        if rows > 1 and self.fit.ms(rows) > 2 * allowed_ms:
            self._cap = rows // 2
        elif full and self.fit.ms(2 * cap) <= allowed_ms:
            self._cap = max(self._cap, min(2 * cap, self.limit))

    def overflow(self, rows: int) -> None:
        """Record that a call of so many rows did not fit into memory."""
        self._ceiling = max(1, rows // 2)
        self._full_calls = 0
