"""What a model of a family can do, by the classes that it inherits."""

from __future__ import annotations

from pushforward.models.family import (
    Completes,
    Decodes,
    Encodes,
    Family,
    Samples,
    Scores,
    Translates,
)
from pushforward.models.tabular.completion import CompletesRows


def capabilities(family: Family | type[Family]) -> tuple[str, ...]:
    """What a model of this family can do, in the words of the APIs."""
    cls = family if isinstance(family, type) else type(family)
    able = {
        "sample": (Samples,),
        "likelihood": (Scores,),
        "encode": (Encodes,),
        "decode": (Decodes,),
        "reconstruct": (Translates,) if issubclass(cls, Translates) else (Encodes, Decodes),
        "interpolate": (Decodes,),
        "complete": (CompletesRows,) if issubclass(cls, CompletesRows) else (Completes,),
        "translate": (Translates,),
    }
    withheld = frozenset[str]() if isinstance(family, type) else family.withheld
    return tuple(
        name for name, of in able.items() if name not in withheld and all(issubclass(cls, each) for each in of)
    )
