"""How a client wants a sample: in one reply, as a stream, or in a file that a job writes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar, final

from pushforward.service.application.results import SampleResult, SampleStream
from pushforward.service.domain.jobs import Job

Delivered = TypeVar("Delivered", bound=Job | SampleResult | SampleStream)


class Form(Enum):
    """In what form."""

    REPLY = auto()  # one reply: a SampleResult
    ARRAY = auto()  # one array: a SampleResult, or a SampleStream of parts where it is long
    MESSAGES = auto()  # a SampleStream of messages of bounded size: previews where the request has them, else parts
    EVENTS = auto()  # a SampleStream of previews and the sample
    JOB = auto()  # the Job that writes a file


@final
@dataclass(frozen=True)
class Delivery(Generic[Delivered]):
    """`Delivered` is what the form gives, or a Job too where `large_as_job` allows it."""

    form: Form
    large_as_job: bool = False  # whether more rows than a stream may have become a job
    timeout_s: float | None = None
    idempotency_key: str | None = None  # of a job
    media_type: str | None = None  # of the file of a job; None: csv of a table, npy of other rows
