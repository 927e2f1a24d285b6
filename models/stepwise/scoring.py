"""Step-wise likelihoods: programs from data to log p(x)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from pushforward.models.stepwise.program import Program

if TYPE_CHECKING:
    from torch import Tensor


class LogProb(NamedTuple):
    """log p(x) in nats, and what kind of number it is."""

    value: Tensor  # (B,) nats, in data units; for data with levels, of the level itself
    kind: Literal["exact", "lower_bound", "estimate"]
    std_error: Tensor | None = None  # (B,) Monte Carlo standard error, nats
    terms: Mapping[str, Tensor] = {}  # other numbers of each row, (B,), the unit in the name


Scorer: TypeAlias = Program["tuple[Tensor, Tensor]", LogProb]  # given x, (B, *shape), data units, and c, (B, C)
