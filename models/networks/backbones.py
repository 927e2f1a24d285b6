"""The kinds of networks that encoders and decoders may be."""

from __future__ import annotations

from typing import Literal

from pushforward.models.errors import InvalidData
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.requirements import convolves

Backbone = Literal["auto", "perceptron", "residual"]


def check_backbone(backbone: Backbone, spec: DataSpec) -> None:
    """Raise InvalidData where it does not read such data."""
    reads = backbone == "perceptron" or convolves(spec)
    if backbone == "residual" and not reads:
        raise InvalidData(
            "residual networks read images and series, and a row of these data is a vector; leave it out",
            field="run.family.network",
        )
