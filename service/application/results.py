"""Results of requests to models. Arrays are NumPy's; an API writes them as JSON, npy, PNG or tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.inference import Timing
from pushforward.service.formats.charts.marks import Chart
from pushforward.service.formats.table_files import TableCells, in_file
from pushforward.service.formats.tables import records


@dataclass(frozen=True)
class InferenceResult(ABC):
    """Base of the results of requests with one reply."""

    model: str  # with its version
    timing: Timing

    @property
    @abstractmethod
    def array(self) -> np.ndarray:
        """The array of the result, rows first."""

    @property
    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """All fields by name."""

    @property
    def in_file(self) -> TableCells | None:
        """The rows as in a file: all columns, given ones too, and their cells; None where they are of no table."""
        return None

    @property
    def picture_spec(self) -> DataSpec | None:
        """The spec of the rows of `array`, where they are data; None where they are not."""
        return None

    @property
    def chart(self) -> Chart | None:
        """What is drawn of numbers that are not data; None where nothing is."""
        return None


class Completion(NamedTuple):
    """How cells were drawn."""

    kind: str  # exact, approximate
    effective_candidates: np.ndarray | None  # (n,) of an approximate one


@final
@dataclass(frozen=True)
class SampleResult(InferenceResult):
    """New data."""

    seed: int
    samples: np.ndarray  # (n, *shape), `DataSpec.dtype`
    spec: DataSpec
    accepted_fraction: float | None = None  # of the rows drawn, where rows must fulfil something
    condition: np.ndarray | None = None  # (n, V) that the rows were drawn under
    completion: Completion | None = None  # where they complete a record that the model was not trained with

    @property
    def array(self) -> np.ndarray:
        return self.samples

    @property
    def in_file(self) -> TableCells | None:
        return in_file(self.samples, self.spec, self.condition)

    @property
    def fields(self) -> dict[str, Any]:
        accepted = {} if self.accepted_fraction is None else {"accepted_fraction": self.accepted_fraction}
        rows = _rows("samples", self.samples, self.spec, self.condition) | _completed(self.completion)
        return {"model": self.model, "seed": self.seed, **rows, **accepted, "timing": self.timing}

    @property
    def picture_spec(self) -> DataSpec:
        return self.spec


@final
@dataclass(frozen=True)
class PreviewResult:
    """The rows of a sample between noise and data, before the sample itself."""

    model: str  # with its version
    seed: int
    step: int  # taken by all rows
    steps: int
    samples: np.ndarray  # (n, *shape), `DataSpec.dtype`
    spec: DataSpec
    condition: np.ndarray | None = None  # (n, V) that the rows are drawn under

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that the sample itself does not have."""
        rows = _rows("samples", self.samples, self.spec, self.condition)
        return {"step": self.step, "steps": self.steps, **rows}


@final
@dataclass(frozen=True)
class CodesResult(InferenceResult):
    """Latent codes."""

    z: np.ndarray  # (n, *latent_shape) float32

    @property
    def array(self) -> np.ndarray:
        return self.z

    @property
    def fields(self) -> dict[str, Any]:
        return {"model": self.model, "z": self.z, "timing": self.timing}


@final
@dataclass(frozen=True)
class PointsResult(InferenceResult):
    """Data decoded, reconstructed, interpolated or completed."""

    x: np.ndarray  # (n, *shape), `DataSpec.dtype`
    spec: DataSpec
    completion: Completion | None = None  # of a table's rows
    condition: np.ndarray | None = None  # (n, V) that the rows are under

    @property
    def array(self) -> np.ndarray:
        return self.x

    @property
    def in_file(self) -> TableCells | None:
        return in_file(self.x, self.spec, self.condition)

    @property
    def fields(self) -> dict[str, Any]:
        return {
            "model": self.model,
            **_rows("x", self.x, self.spec, self.condition),
            **_completed(self.completion),
            "timing": self.timing,
        }

    @property
    def picture_spec(self) -> DataSpec:
        return self.spec


@final
@dataclass(frozen=True)
class TranslationResult(InferenceResult):
    """Data translated to other domains."""

    x: np.ndarray  # (n, *shape), `DataSpec.dtype`
    to: np.ndarray  # the domain of each row: labels, (n,) int64, or vectors, (n, V)
    spec: DataSpec

    @property
    def array(self) -> np.ndarray:
        return self.x

    @property
    def fields(self) -> dict[str, Any]:
        return {"model": self.model, "x": self.x, "to": self.to, "timing": self.timing}

    @property
    def picture_spec(self) -> DataSpec:
        return self.spec


def _rows(name: str, rows: np.ndarray, spec: DataSpec, condition: np.ndarray | None) -> dict[str, Any]:
    """Rows by the name of their field: an array, or the records of a table."""
    of_file = in_file(rows, spec, condition)
    return {name: rows} if of_file is None else {"records": records(*of_file)}


def _completed(completion: Completion | None) -> dict[str, Any]:
    return {} if completion is None else completion._asdict()


@final
@dataclass(frozen=True)
class SampleStream:
    """A sample that is delivered as it is drawn, of one version and one seed: its parts, or previews and the sample.

    The first item is there before the delivery begins, so that a refusal can be a response of its own.
    """

    n: int  # rows
    spec: DataSpec
    first: SampleResult | PreviewResult
    rest: AsyncGenerator[SampleResult | PreviewResult]

    async def items(self) -> AsyncGenerator[SampleResult | PreviewResult]:
        """All items in order."""
        async with aclosing(self.rest):
            yield self.first
            async for item in self.rest:
                yield item
