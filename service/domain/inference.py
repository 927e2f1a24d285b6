"""A request to a model on its way to a worker, and the reply. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import ConfigDict

PROTOCOL = 4  # version of the frames between gateways and workers

Op = Literal["sample", "likelihood", "encode", "decode", "reconstruct", "interpolate", "complete", "translate"]
WorkerOp = Op | Literal["forecast"]  # what workers answer: capabilities of models, and what a training will take


FORECAST = "run@0"  # no version has the number 0


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of a request went, in milliseconds."""

    __pydantic_config__: ClassVar = ConfigDict(use_attribute_docstrings=True)

    linger_ms: float
    """Milliseconds at the gateway, before the request was sent to a worker."""
    queue_ms: float
    """Milliseconds on the way to a worker, in its queue, and on the way back."""
    compute_ms: float
    """Milliseconds in forward passes, shared ones counted whole."""
    total_ms: float
    """Milliseconds in all."""
    batch_rows: int
    """Rows of the largest forward pass that the request shared."""


@dataclass(frozen=True)
class InferenceRequest:
    """A request as it goes to a worker: validated, resolved to a version, its seed fixed.

    A row of the reply is a pure function of this row's inputs, so a request can be repeated without harm.
    The options of `interpolate` are `steps`, `path` and, without arrays, `start_seed` and `end_seed`; those of a
    forecast, whose model is `FORECAST`, are `run`.
    """

    model: str  # reference with version
    op: WorkerOp
    rows: int  # of the reply
    seed: int  # of its noise
    options: Mapping[str, Any] = field(default_factory=dict)  # JSON; equal options may share a forward pass
    # rows first: x | z | patches | start and end, one row each; and condition and `to` (rows, V), labels and characters
    # as numbers. Codes are float32, data, patches and conditions what their model holds them in.
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    first: int = 0  # row i of the request draws noise row first + i: a long sample is requested in parts
    preview_every: int = 0  # sampler steps between two previews; 0 for none
    trace: str = ""  # the W3C traceparent of the request, where it is traced

    def part(self, first: int, rows: int) -> Self:
        """Rows first, ..., first + rows - 1 of a long request; all arrays have a row for each of its rows."""
        arrays = {name: array[first : first + rows] for name, array in self.arrays.items()}
        return replace(self, rows=rows, first=first, arrays=arrays)


@dataclass(frozen=True)
class Preview:
    """The rows of a sample between noise and data."""

    step: int  # taken by all rows
    steps: int
    arrays: Mapping[str, np.ndarray]  # as in the reply


@dataclass(frozen=True)
class Load:
    """How long a worker expects to be busy, sent with its replies to requests of one key."""

    worker: str
    backlog_ms: float  # of all its requests
    key_backlog_ms: float  # of that, requests of this key
    keys: int  # that share the device
    row_ms: float  # of a row of this key in full calls, from its first step to its last; 0 where not known yet
    pass_ms: float  # from its first step to its last, among the rows there are; 0 where not known yet


@dataclass(frozen=True)
class Reply:
    """The reply of a worker."""

    # likelihood: log_prob (n,) float64, maybe std_error and terms.NAME; else samples, x or z
    arrays: Mapping[str, np.ndarray]
    info: Mapping[str, Any]  # likelihood: kind
    timing: Timing
