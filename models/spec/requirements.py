"""What families require of data, and the remedy where data lack it."""

from __future__ import annotations

from typing import Literal

from pushforward.models.errors import InvalidData
from pushforward.models.spec.data_spec import LENGTHS, SIDES, DataSpec

Backbone = Literal["auto", "perceptron", "residual"]  # of encoders and decoders


def fits_convolutions(spec: DataSpec) -> bool:
    """Whether data are images or series of a size that convolutions cover."""
    return (spec.is_image and all(side in SIDES for side in spec.shape[1:])) or (
        spec.is_series and spec.shape[1] in LENGTHS
    )


def convolves(spec: DataSpec) -> bool:
    """Whether data are images or series, for convolutions. Raises InvalidData where these do not cover their size."""
    if fits_convolutions(spec):
        return True
    if spec.is_image:
        sides = spec.shape[1:]
        raise InvalidData(
            f"images are {sides[0]}x{sides[1]}; this family reads sides from {SIDES[0]} to {SIDES[-1]}; resize them, "
            "the source images does by its size, or reshape rows to (N, D)",
            field="run.data",
        )
    if spec.is_series:
        raise InvalidData(
            f"series have {spec.shape[1]} steps; this family reads {LENGTHS[0]} to {LENGTHS[-1]}; cut or resample "
            "them, the source series cuts by its length, or reshape rows to (N, D) for the source npy",
            field="run.data",
        )
    return False


def check_backbone(backbone: Backbone, spec: DataSpec) -> None:
    """Raise InvalidData where it does not read such data."""
    reads = backbone == "perceptron" or convolves(spec)
    if backbone == "residual" and not reads:
        raise InvalidData(
            "residual networks read images and series, and a row of these data is a vector; leave it out",
            field="run.family.network",
        )


def levels_of(spec: DataSpec) -> str:
    """Advice for whole numbers: the settings that make them levels, as far as these are known."""
    if spec.is_series:
        return f"for levels give windows as rows of {spec.size} numbers, (N, {spec.size}), to the source npy"
    if spec.whole is not None:
        low, high = spec.whole
        fields = f"data.low {low:.17g}, data.high {high:.17g}, data.levels {high - low + 1:g}, or a wider range"
        return f"to have these whole numbers taken for levels give {fields}"
    if spec.low is not None and spec.high is not None and (spec.high - spec.low).is_integer():
        return f"for whole numbers give data.levels {spec.high - spec.low + 1:g}"
    return "for whole numbers give data.low and data.high, the least and the greatest, and data.levels, high - low + 1"


def rows_kept(spec: DataSpec) -> int:
    """How many training rows a family may keep something of. Raises InvalidData where they are drawn afresh."""
    if spec.n_rows is None:
        raise InvalidData("this family keeps a code of each training row; these never end, give n", field="run.data.n")
    return spec.n_rows
