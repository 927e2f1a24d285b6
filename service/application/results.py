"""What the service answers to an ask. Arrays are numpy's; a door writes them as JSON, npy, PNG or tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.inference import Timing


@dataclass(frozen=True)
class Answer(ABC):
    """Base of all answers."""

    model: str  # with its version
    timing: Timing

    @property
    @abstractmethod
    def array(self) -> np.ndarray:
        """What was asked for, rows first."""

    @property
    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """All of it by name."""

    @property
    def picture_spec(self) -> DataSpec | None:
        """What the rows of `array` are, where they are data; None where they cannot be drawn."""
        return None


@final
@dataclass(frozen=True)
class Samples(Answer):
    """New data."""

    seed: int
    samples: np.ndarray  # (n, *shape), `DataSpec.dtype`
    spec: DataSpec

    @property
    def array(self) -> np.ndarray:
        return self.samples

    @property
    def fields(self) -> dict[str, Any]:
        return {"model": self.model, "seed": self.seed, "samples": self.samples, "timing": self.timing}

    @property
    def picture_spec(self) -> DataSpec:
        return self.spec


@final
@dataclass(frozen=True)
class Preview:
    """The rows of a sample on their way from noise to data; the samples follow."""

    model: str  # with its version
    seed: int
    step: int  # taken by all rows
    steps: int
    samples: np.ndarray  # (n, *shape), `DataSpec.dtype`

    @property
    def fields(self) -> dict[str, Any]:
        """All of it that the samples do not tell."""
        return {"step": self.step, "steps": self.steps, "samples": self.samples}


@final
@dataclass(frozen=True)
class Likelihoods(Answer):
    """How probable data are."""

    log_prob: np.ndarray  # (n,) float64, nats; -inf where the density is zero
    kind: str  # exact, lower_bound, estimate
    std_error: np.ndarray | None  # (n,) nats
    bits_per_dim: np.ndarray | None  # (n,), for data with levels
    terms: Mapping[str, np.ndarray]  # (n,) each: what else is known of a row, the unit in the name
    unit: str = "nats"

    @property
    def array(self) -> np.ndarray:
        return self.log_prob

    @property
    def fields(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "log_prob": self.log_prob,
            "kind": self.kind,
            "unit": self.unit,
            "std_error": self.std_error,
            "bits_per_dim": self.bits_per_dim,
            "terms": self.terms,
            "timing": self.timing,
        }


@final
@dataclass(frozen=True)
class Codes(Answer):
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
class Points(Answer):
    """Data decoded, reconstructed or interpolated."""

    x: np.ndarray  # (n, *shape), `DataSpec.dtype`
    spec: DataSpec

    @property
    def array(self) -> np.ndarray:
        return self.x

    @property
    def fields(self) -> dict[str, Any]:
        return {"model": self.model, "x": self.x, "timing": self.timing}

    @property
    def picture_spec(self) -> DataSpec:
        return self.spec


@final
@dataclass(frozen=True)
class FamilyCard:
    """What can be trained."""

    family: str
    summary: str  # one line
    capabilities: tuple[str, ...]
    schema: dict[str, Any]  # JSON Schema of its fields
    options: dict[str, dict[str, Any]]  # JSON Schema of its options, by capability
    takes_condition: bool  # whether it can be trained on data with a condition


@final
@dataclass(frozen=True)
class PresetCard:
    """A run with a name."""

    name: str
    summary: str  # one line
    run: dict[str, Any]
