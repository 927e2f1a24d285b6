"""Where data come from: a union, like families. Importing this package imports neither torch nor scikit-learn.

A source is a `Toy` (a density in the plane, drawn afresh at every step as a function of seed and step) or `Finite`
(rows in memory). To add one, add a module and name it here.
"""

from typing import Annotated

from pydantic import Field

from pushforward.models.data.captioned_digits import CaptionedDigits
from pushforward.models.data.digits import Digits
from pushforward.models.data.domains.styled_digits import StyledDigits
from pushforward.models.data.domains.turned_moons import TurnedMoons
from pushforward.models.data.idx import Idx
from pushforward.models.data.images.images import Images
from pushforward.models.data.npy import Npy
from pushforward.models.data.series.process import AutoregressiveProcess
from pushforward.models.data.series.source import Series
from pushforward.models.data.source import Finite, KnowsTranslations, Rows, Source, Toy
from pushforward.models.data.tables.source import TableFile
from pushforward.models.data.toys import (
    Checkerboard,
    EightGaussians,
    GridGaussians,
    Mixture,
    RingGaussians,
    TwoMoons,
    UnitCube,
)

AnyData = Annotated[
    TwoMoons
    | TurnedMoons
    | EightGaussians
    | RingGaussians
    | GridGaussians
    | Checkerboard
    | UnitCube
    | AutoregressiveProcess
    | Digits
    | CaptionedDigits
    | StyledDigits
    | Idx
    | Images
    | Npy
    | Series
    | TableFile,
    Field(discriminator="source"),
]

__all__ = [
    "AnyData",
    "AutoregressiveProcess",
    "CaptionedDigits",
    "Checkerboard",
    "Digits",
    "EightGaussians",
    "Finite",
    "GridGaussians",
    "Idx",
    "Images",
    "KnowsTranslations",
    "Mixture",
    "Npy",
    "RingGaussians",
    "Rows",
    "Series",
    "Source",
    "StyledDigits",
    "TableFile",
    "Toy",
    "TurnedMoons",
    "TwoMoons",
    "UnitCube",
]
