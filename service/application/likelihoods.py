"""Results that have log p(x) of rows."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from pushforward.service.application.charts.grids import Grid
from pushforward.service.application.charts.histograms import histogram
from pushforward.service.application.results import InferenceResult
from pushforward.service.domain.charts import LikelihoodKind
from pushforward.service.formats.charts import figures
from pushforward.service.formats.charts.marks import Chart


@dataclass(frozen=True)
class OfLikelihoods(InferenceResult, ABC):
    """Base of the results that have log p(x) of rows."""

    unit: ClassVar[str] = "nats"

    log_prob: np.ndarray  # (n,) float64, nats; -inf where the density is zero
    kind: LikelihoodKind

    @property
    def _shared(self) -> dict[str, Any]:
        """The fields of all of them."""
        return {"model": self.model, "log_prob": self.log_prob, "kind": self.kind, "unit": self.unit}


@final
@dataclass(frozen=True)
class LikelihoodResult(OfLikelihoods):
    """log p(x) of rows."""

    std_error: np.ndarray | None  # (n,) nats
    bits_per_dim: np.ndarray | None  # (n,), for data with levels, tables of probabilities
    terms: Mapping[str, np.ndarray]  # (n,) each: other quantities of a row, the unit in the name
    grid: Grid | None = None  # of whose cells they are

    @property
    def array(self) -> np.ndarray:
        return self.log_prob

    @property
    def chart(self) -> Chart:
        if self.grid is not None:
            return figures.of_density(self.model, self.log_prob, self.grid.n, self.grid.within)
        return figures.of_likelihoods(histogram(self.model, self.kind, self.log_prob))

    @property
    def fields(self) -> dict[str, Any]:
        return {
            **self._shared,
            "std_error": self.std_error,
            "bits_per_dim": self.bits_per_dim,
            "terms": self.terms,
            **({} if self.grid is None else {"grid": self.grid.n, "within": self.grid.within}),
            "timing": self.timing,
        }
