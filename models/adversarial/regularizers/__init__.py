"""The registry of regularizers: being in the union is being known to the APIs, and tested with every game."""

from typing import Annotated

from pydantic import Field

from pushforward.models.adversarial.regularizers.gradient_penalties import R1, R2, Drift, GradientPenalty
from pushforward.models.adversarial.regularizers.inputs import (
    InstanceNoise,
    LabelSmoothing,
    MinibatchDeviation,
    Packing,
)
from pushforward.models.adversarial.regularizers.weights import (
    HistoricalAveraging,
    SpectralNorm,
    Unrolled,
    WeightClipping,
)

AnyRegularizer = Annotated[
    R1
    | R2
    | GradientPenalty
    | Drift
    | InstanceNoise
    | LabelSmoothing
    | Packing
    | MinibatchDeviation
    | SpectralNorm
    | WeightClipping
    | HistoricalAveraging
    | Unrolled,
    Field(discriminator="regularizer"),
]

__all__ = [
    "R1",
    "R2",
    "AnyRegularizer",
    "Drift",
    "GradientPenalty",
    "HistoricalAveraging",
    "InstanceNoise",
    "LabelSmoothing",
    "MinibatchDeviation",
    "Packing",
    "SpectralNorm",
    "Unrolled",
    "WeightClipping",
]
