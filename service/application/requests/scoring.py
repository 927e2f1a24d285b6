r"""Calibrated anomaly scores: where the log-likelihood of a row stands among those of held-out rows.

With s the score of the row, s_1 <= ... <= s_n those of held-out rows, and m their mean:

    percentile         = #{i: s_i <= s} / n
    p_value            = (1 + #{i: s_i <= s}) / (n + 1)
    typicality_p_value = (1 + #{i: |s_i - m| >= |s - m|}) / (n + 1)

`p_value` is conformal (Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005; Bates et al., Testing
for outliers with conformal p-values, 2023, arXiv:2104.08279): where the row comes from the distribution of the data,
s, s_1, ..., s_n are exchangeable, so P(p_value <= a) <= a, whatever model and data are. P is over the held-out rows,
too: given those of one training, the rate of false alarms is drawn from Beta(k, n + 1 - k), whose mean is k / (n + 1),
where k = floor(a (n + 1)). Because

    p_value <= a  if and only if  s < s_k,

s_k is the threshold for the rate a; where k = 0 there is none.

Likelihood alone calls no row too likely to be true, and models give some foreign rows more than any of the data
(Nalisnick et al., Do Deep Generative Models Know What They Don't Know?, 2019, arXiv:1810.09136). `typicality_p_value`
looks at both sides (Nalisnick et al., Detecting Out-of-Distribution Inputs to Deep Generative Models Using Typicality,
2019, arXiv:1906.02994), here for single rows. Its m is of the held-out rows without the row, so it is calibrated up to
a term that falls as 1 / n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from pushforward.service.application.charts.histograms import histogram
from pushforward.service.application.likelihoods import LikelihoodResult, OfLikelihoods
from pushforward.service.formats.charts import figures
from pushforward.service.formats.charts.marks import Chart

Reals = NDArray[np.float64]

NOTE = (
    "A high likelihood is not normality: a row that the model finds likelier than nearly all held-out rows may be "
    "unlike them all, as a plain gray picture is among photographs; typicality_p_value is small for such rows, too."
)


@final
@dataclass(frozen=True)
class ScoreResult(OfLikelihoods):
    """Where log p(x) of rows stands among that of held-out rows."""

    percentile: np.ndarray  # (n,) shares, 0 to 1
    p_value: np.ndarray  # (n,)
    typicality_p_value: np.ndarray  # (n,)
    flagged: np.ndarray  # (n,) bool
    threshold: float | None  # nats; None where held-out rows are too few for the rate
    false_alarm_rate: float
    held_out: Reals  # the scores of held-out rows
    note: str

    @property
    def array(self) -> np.ndarray:
        return self.p_value

    @property
    def held_out_rows(self) -> int:
        return len(self.held_out)

    @property
    def chart(self) -> Chart:
        scores = histogram(self.model, self.kind, self.held_out)
        return figures.of_scores(scores, self.log_prob, self.flagged, self.threshold)

    @property
    def fields(self) -> dict[str, Any]:
        return {
            **self._shared,
            "percentile": self.percentile,
            "p_value": self.p_value,
            "typicality_p_value": self.typicality_p_value,
            "flagged": self.flagged,
            "threshold": self.threshold,
            "false_alarm_rate": self.false_alarm_rate,
            "held_out_rows": self.held_out_rows,
            "note": self.note,
            "timing": self.timing,
        }


@dataclass(frozen=True)
class Calibration:
    """Where scores stand among those of held-out rows."""

    percentile: Reals  # (B,) shares, 0 to 1
    p_value: Reals  # (B,)
    typicality_p_value: Reals  # (B,)
    threshold: float | None  # rows that score less are flagged; None where held-out rows are too few for the rate
    flagged: NDArray[np.bool_]  # (B,)


def calibrate(log_prob: Reals, held_out: Reals, false_alarm_rate: float) -> Calibration:
    """Compare scores with those of held-out rows.

    Arguments:
        log_prob: (B,), not NaN; -inf is less than any other.
        held_out: (n,), not NaN, n ≥ 1.
        false_alarm_rate: between 0 and 1.
    """
    s, n = np.sort(held_out), len(held_out)
    at_most = np.searchsorted(s, log_prob, side="right")
    p_value = (1 + at_most) / (n + 1)
    k = np.count_nonzero(np.arange(1, n + 1) / (n + 1) <= false_alarm_rate)  # the floor, rounded as p-values are
    return Calibration(
        percentile=at_most / n,
        p_value=p_value,
        typicality_p_value=_typicality(log_prob, s),
        threshold=float(s[k - 1]) if k else None,
        flagged=p_value <= false_alarm_rate,
    )


def scored(result: LikelihoodResult, held_out: Reals, false_alarm_rate: float) -> ScoreResult:
    """The scores of rows whose likelihood is known."""
    found = calibrate(result.log_prob, held_out, false_alarm_rate)
    return ScoreResult(
        result.model,
        result.timing,
        log_prob=result.log_prob,
        kind=result.kind,
        percentile=found.percentile,
        p_value=found.p_value,
        typicality_p_value=found.typicality_p_value,
        flagged=found.flagged,
        threshold=found.threshold,
        false_alarm_rate=false_alarm_rate,
        held_out=held_out,
        note=NOTE if found.threshold is not None else f"{NOTE} {_too_few(len(held_out), false_alarm_rate)}",
    )


def _typicality(log_prob: Reals, s: Reals) -> Reals:
    m = s.mean()
    off = np.sort(_distances(s, m))
    at_least = len(s) - np.searchsorted(off, _distances(log_prob, m), side="left")
    return (1 + at_least) / (len(s) + 1)


def _distances(scores: Reals, m: np.float64) -> Reals:
    """|s − m|; where both are infinite and the same, they are 0 apart."""
    return np.abs(np.subtract(scores, m, out=np.zeros_like(scores), where=scores != m))


def _too_few(n: int, false_alarm_rate: float) -> str:
    return (
        f"Too few held-out rows: {n} allow no false_alarm_rate below {1 / (n + 1):.2g}, so at {false_alarm_rate:g} no "
        "row is flagged; ask for a higher rate, or train on more rows."
    )
