"""Questions under way, and what a turn of the engine did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from pushforward.models.stepwise.sampling import State
from pushforward.service.domain.errors import ServiceError
from pushforward.service.domain.inference import Preview, Question
from pushforward.service.telemetry.worker import Reason

Key = tuple[str, str, str]  # model, op, options as JSON


@final
@dataclass(eq=False, slots=True)
class Ticket:
    """A question under way."""

    question: Question
    deadline: float  # by the engine's clock
    arrays: dict[str, np.ndarray] = field(default_factory=dict)  # of the answer, filled row by row
    info: dict[str, object] = field(default_factory=dict)
    error: ServiceError | None = None
    compute_ms: float = 0.0
    batch_rows: int = 0  # of the largest call it shared
    joined: int = 0  # rows that have begun
    left: int = 0  # rows without an answer
    key: Key = ("", "", "")  # set by the engine
    started_at: float | None = None  # by the engine's clock: when its first row joined
    given: State = ()  # what it brings: a row for each row of the answer
    suspect: bool = False  # a number that is none came out of a call it shared
    previews: dict[int, Seen] = field(default_factory=dict)  # by step, those not all of whose rows came so far


@final
@dataclass
class Seen:
    """A preview of which rows are missing."""

    arrays: dict[str, np.ndarray]
    left: int


@final
@dataclass(frozen=True)
class Call:
    """One forward pass, or a few that make a step."""

    model: str
    op: str
    rows: int
    cap: int  # rows it might have had
    ms: float
    reason: Reason  # why it did not wait for more rows


@final
@dataclass(frozen=True)
class Turn:
    """What a turn did. All of `done` are answered or have their `error`."""

    done: list[Ticket] = field(default_factory=list)
    previews: list[tuple[Ticket, Preview]] = field(default_factory=list)
    call: Call | None = None
