"""Requests in the engine, and what a turn of the engine did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from pushforward.models.stepwise.program import State
from pushforward.service.domain.errors import ServiceError
from pushforward.service.domain.inference import InferenceRequest, Preview
from pushforward.service.telemetry.worker import Reason

Key = tuple[str, str, str]  # model, op, options as JSON


@final
@dataclass(eq=False, slots=True)
class Ticket:
    """A request and its answer so far."""

    request: InferenceRequest
    deadline: float  # by the engine's clock
    arrays: dict[str, np.ndarray] = field(default_factory=dict)  # of the answer, filled row by row
    info: dict[str, object] = field(default_factory=dict)
    error: ServiceError | None = None
    compute_ms: float = 0.0
    batch_rows: int = 0  # of the largest call with its rows
    joined: int = 0  # rows that have joined a call
    left: int = 0  # rows without an answer
    key: Key = ("", "", "")  # set by the engine
    started_at: float | None = None  # by the engine's clock: when its first row joined
    given: State = ()  # to the program: a row for each row of the answer
    suspect: bool = False  # a call with its rows returned numbers that are not finite
    previews: dict[int, PartialPreview] = field(default_factory=dict)  # by step, some of whose rows are missing


@final
@dataclass
class PartialPreview:
    """A preview some of whose rows are missing."""

    arrays: dict[str, np.ndarray]
    left: int  # rows that are missing


@final
@dataclass(frozen=True)
class Call:
    """One call: a forward pass, or the few that make a step."""

    model: str
    op: str
    rows: int
    cap: int  # the most rows it could have had
    ms: float
    reason: Reason  # why it had no more rows


@final
@dataclass(frozen=True)
class Turn:
    """What a turn did. Each of `done` is answered or has an `error`."""

    done: list[Ticket] = field(default_factory=list)
    previews: list[tuple[Ticket, Preview]] = field(default_factory=list)
    call: Call | None = None
