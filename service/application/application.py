"""What the service does, whatever the door. Every refusal is a `ServiceError`.

gateway | rpc  ->  Application  ->  Jobs, Wakeups, Asks, Models, Workers, Files (ports)
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from typing import Any, final, overload

import orjson
from pydantic import TypeAdapter, ValidationError

from pushforward.models.errors import Hindered, InvalidData
from pushforward.models.families import FAMILIES
from pushforward.models.family import Conditions, capabilities
from pushforward.models.presets import PRESETS
from pushforward.models.run import Run
from pushforward.service.application import streaming
from pushforward.service.application.commands.commands import (
    AnyAsk,
    Decode,
    Encode,
    Interpolate,
    Likelihood,
    Reconstruct,
    Sample,
    Train,
)
from pushforward.service.application.requests.requests import Subject, option_types
from pushforward.service.application.results import (
    Answer,
    Codes,
    FamilyCard,
    Likelihoods,
    Points,
    PresetCard,
    Preview,
    Samples,
)
from pushforward.service.domain.catalog import Card, Name, Reference, Worker
from pushforward.service.domain.errors import Conflict, Invalid, NotFound, Unavailable
from pushforward.service.domain.inference import Reply
from pushforward.service.domain.jobs import EVENT_ID_PATTERN, Event, Job, Page, State
from pushforward.service.domain.ports import Asks, Files, Jobs, Models, NewJob, Reach, Wakeups, Workers
from pushforward.service.processes.intake import Intake
from pushforward.service.settings import Settings

MAX_KEY_CHARS = 255  # of an idempotency key
MAX_JOBS = 1000  # in one list
CURSOR_PATTERN = r"[0-9]{1,16}"  # microseconds since 1970
MAX_SUBJECTS = 1000  # kept

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_REFERENCE: TypeAdapter[str] = TypeAdapter(Reference)


@final
@dataclass(frozen=True)
class Application:
    """The service behind its doors."""

    jobs: Jobs
    wakeups: Wakeups
    asks: Asks
    models: Models
    workers: Workers
    reach: Reach
    files: Files
    settings: Settings
    subjects: dict[str, Subject] = field(default_factory=dict, repr=False)  # what was asked lately, by reference

    @cached_property
    def intake(self) -> Intake:
        """What this process takes in at a time, through all its APIs."""
        return Intake(self.settings)

    # --- jobs ---

    async def train(self, command: Train, *, idempotency_key: str | None = None) -> Job:
        """Start a job, or find the one of this key. Raises Invalid, NotFound, Conflict, Overloaded, Unavailable."""
        _check_key(idempotency_key)
        run = _run(command)
        try:
            outline = await asyncio.to_thread(run.data.outline, self.settings.data_root)
        except InvalidData as error:
            field = f"run.data.{error.field}" if error.field else "run.data"
            raise Invalid.field(field, error.message) from error
        except Hindered as error:
            raise Unavailable(error.message, retry_after_s=30.0) from error
        try:
            run.family.check(outline)
        except InvalidData as error:
            raise Invalid.field(error.field or "run.family", error.message) from error
        recipe = run.model_dump(mode="json")
        fingerprint = _fingerprint(command.model, command.preset, recipe)
        return await self._start(NewJob(command.model, recipe, command.preset, None, idempotency_key, fingerprint))

    async def sample_to_file(self, ask: Sample, *, idempotency_key: str | None = None) -> Job:
        """Start a job that draws a sample into a file, or find the one this key started.

        Raises NotFound, Unsupported, Invalid, Conflict, Overloaded.
        """
        _check_key(idempotency_key)
        subject = self._subject(await self.models.get(ask.model))
        sampling = subject.sampling(ask, self.settings)
        fingerprint = _fingerprint("sample", ask.model, ask.n, ask.seed, sampling.options, sampling.condition)
        new = NewJob(subject.card.model, ask=sampling, idempotency_key=idempotency_key, fingerprint=fingerprint)
        return await self._start(new)

    def needs_file(self, ask: Sample) -> bool:
        """Whether a sample has more rows than an answer can bring, so that a job must draw it."""
        return ask.n > self.settings.max_stream_rows and ask.preview_every is None

    async def file(self, job_id: str) -> JobFile:
        """The file that a sampling left. Raises NotFound, Conflict."""
        job = await self.jobs.get(job_id)
        if job.ask is None:
            raise Conflict(f"job {job.id} trains a model and leaves no file; its result is the model {job.model}")
        if not job.state.is_final:
            raise Conflict(f"job {job.id} is {job.state}; watch its events and wait for its end")
        if job.state is not State.SUCCEEDED or job.file_bytes is None or job.file_sha256 is None:
            raise Conflict(f"job {job.id} {job.state} and left no file; ask for it again")
        if not await self.files.has(job):
            kept_s = self.settings.keep_files_s
            raise NotFound(f"the file of job {job.id} is gone: files are kept for {kept_s:g} s; ask for it again")
        return JobFile(job, job.file_bytes, job.file_sha256, self.files)

    async def _start(self, new: NewJob) -> Job:
        job, _ = await self.jobs.create(new)
        if job.state is State.QUEUED:
            await self.wakeups.wake(job.id, job.kind)
        return job

    async def job(self, job_id: str) -> Job:
        """Raises NotFound."""
        return await self.jobs.get(job_id)

    async def list_jobs(
        self, *, state: str | None = None, model: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page:
        """Newest first; `after` is the `next` of the page before. Raises Invalid."""
        if state is not None and state not in set(State):
            raise Invalid.field("state", f"must be one of {', '.join(State)}")
        if not 1 <= limit <= MAX_JOBS:
            raise Invalid.field("limit", f"must lie in [1, {MAX_JOBS}]")
        if after is not None and not re.fullmatch(CURSOR_PATTERN, after):
            raise Invalid.field("after", "must be what the page before gave for the next")
        if model is not None:
            _check_reference(_NAME, model)
        return await self.jobs.list(state=State(state) if state else None, model=model, limit=limit, after=after)

    async def cancel(self, job_id: str) -> Job:
        """Ask for a job's end. Raises NotFound."""
        return await self.jobs.cancel(job_id)

    async def watch(self, job_id: str, *, after: str = "0") -> AsyncIterator[Event] | None:
        """A job's events after one that was seen, to its end; None where the job is over and all were seen.

        Raises NotFound, Invalid before the first event.
        """
        if not re.fullmatch(EVENT_ID_PATTERN, after):
            raise Invalid.field("after", "must be the id of an event, or 0 for all")
        job = await self.jobs.get(job_id)
        events = self.jobs.watch(job_id, after=after)
        if not job.state.is_final:
            return events
        async for first in events:  # of a job that is over this waits for nothing
            return _from(first, events)
        return None

    # --- asks ---

    @overload
    async def ask(self, ask: Sample, *, timeout_s: float | None = None) -> Samples: ...
    @overload
    async def ask(self, ask: Likelihood, *, timeout_s: float | None = None) -> Likelihoods: ...
    @overload
    async def ask(self, ask: Encode, *, timeout_s: float | None = None) -> Codes: ...
    @overload
    async def ask(self, ask: Decode | Reconstruct | Interpolate, *, timeout_s: float | None = None) -> Points: ...
    async def ask(self, ask: AnyAsk, *, timeout_s: float | None = None) -> Answer:
        """Put a question to a model.

        Raises:
            NotFound: there is no such model or version.
            Unsupported: the model lacks the capability.
            Invalid: a field does not fit the model, or asks for more than a limit.
            Overloaded, Unavailable, TimedOut: no worker answers in time; try again.
        """
        subject = self._subject(await self.models.get(ask.model))
        question = subject.question(ask, self.settings)
        reply = await self.asks.ask(question, timeout_s=self._patience_s(ask, timeout_s))
        return subject.answer(ask, question, reply)

    async def stream(self, ask: Sample, *, timeout_s: float | None = None) -> AsyncGenerator[Samples]:
        """The rows of a sample in parts, in order, all of one version and one seed.

        The time limit of an ask holds for each part, `timeout_s` and the ask's deadline for all of them. Raises what
        `ask` raises: nearly always at the first part, for what passes later is waited out.
        """
        subject = self._subject(await self.models.get(ask.model))
        question = subject.streamed(ask, self.settings)
        parts = streaming.parts(
            self.asks,
            question,
            most=streaming.most_rows(subject.card.spec, self.settings),
            part_s=self.settings.ask_timeout_s,
            whole_s=_shortest_s(ask, timeout_s),
        )
        async with aclosing(parts):
            async for part in parts:
                yield subject.samples(part.question, part.reply)

    async def preview(self, ask: Sample, *, timeout_s: float | None = None) -> AsyncGenerator[Preview | Samples]:
        """The rows of a sample on their way, every `preview_every` steps, and at last the samples.

        Without `preview_every`, and of a family that takes one step, only the samples. Raises what `ask` raises.
        """
        subject = self._subject(await self.models.get(ask.model))
        question = subject.previewed(ask, self.settings)
        async with aclosing(self.asks.watch(question, timeout_s=self._patience_s(ask, timeout_s))) as watched:
            async for news in watched:
                yield subject.samples(question, news) if isinstance(news, Reply) else subject.preview(question, news)

    def _subject(self, card: Card) -> Subject:
        """Kept for every ask of the same card."""
        subject = self.subjects.get(card.reference)
        if subject is None or subject.card is not card:
            if len(self.subjects) >= MAX_SUBJECTS:
                self.subjects.clear()
            subject = self.subjects[card.reference] = Subject.of(card)
        return subject

    def _patience_s(self, ask: AnyAsk, timeout_s: float | None) -> float:
        """How long an answer is of use: by the ask, by its door, and by the service's own limit."""
        shortest_s = _shortest_s(ask, timeout_s)
        return self.settings.ask_timeout_s if shortest_s is None else min(shortest_s, self.settings.ask_timeout_s)

    # --- models ---

    async def list_models(self, *, model: str | None = None) -> Sequence[Card]:
        """The newest version of every model, or all versions of one, oldest first. Raises NotFound."""
        if model is None:
            return await self.models.newest()
        return await self.models.versions(_check_reference(_NAME, model))

    async def model(self, reference: str) -> Card:
        """Raises NotFound."""
        return await self.models.get(_check_reference(_REFERENCE, reference))

    async def delete_model(self, reference: str) -> Sequence[str]:
        """Delete a version, or all of a name; returns what was deleted. Raises NotFound."""
        return await self.models.delete(_check_reference(_REFERENCE, reference))

    # --- what there is ---

    def families(self) -> list[FamilyCard]:
        """What can be trained, from the classes themselves."""
        return [
            FamilyCard(
                name,
                _summary(cls),
                capabilities(cls),
                cls.model_json_schema(),
                {op: options.model_json_schema() for op, options in option_types(cls).items()},
                takes_condition=issubclass(cls, Conditions),
            )
            for name, cls in FAMILIES.items()
        ]

    def presets(self) -> list[PresetCard]:
        """Runs with names."""
        return [PresetCard(p.name, p.summary, p.run.model_dump(mode="json")) for p in PRESETS.values()]

    async def ready(self) -> Sequence[Worker]:
        """The live workers. Raises Unavailable where a question would not get through, telling what is missing."""
        workers = await self.workers.live()
        if not workers:
            raise Unavailable("no worker is alive; start one, or wait for it", retry_after_s=1.0)
        await self.reach.reach()
        return workers


@final
@dataclass(frozen=True)
class JobFile:
    """A file to be downloaded."""

    job: Job
    n_bytes: int
    sha256: str
    _files: Files

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.job.model}-{self.job.id}.npy"

    def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Bytes start, ..., stop - 1 in pieces. Raises NotFound where it goes meanwhile."""
        return self._files.read(self.job, start, self.n_bytes if stop is None else stop)


async def _from(first: Event, rest: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """The first, and the rest."""
    yield first
    async for event in rest:
        yield event


def _check_key(idempotency_key: str | None) -> None:
    if idempotency_key is not None and not 0 < len(idempotency_key) <= MAX_KEY_CHARS:
        raise Invalid.field("idempotency_key", f"must have 1 to {MAX_KEY_CHARS} characters")


def _fingerprint(*request: Any) -> str:
    """Of what was asked for: the same key must come with the same."""
    return sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _shortest_s(ask: AnyAsk, timeout_s: float | None) -> float | None:
    """How long an answer is of use, by the ask and by its door; None for ever."""
    wanted_s = None if ask.deadline_ms is None else ask.deadline_ms / 1000
    return min((limit for limit in (timeout_s, wanted_s) if limit is not None), default=None)


def _run(command: Train) -> Run:
    """The run of a command. Raises NotFound."""
    if command.preset is not None and command.preset not in PRESETS:
        wanted = command.preset[:100]
        near = get_close_matches(wanted, PRESETS)
        hint = f"did you mean {', '.join(near)}? " if near else ""
        raise NotFound(f"there is no preset {wanted!r}; {hint}list the presets for all")
    if command.run is not None:
        return command.run
    return PRESETS[str(command.preset)].run


def _check_reference(kind: TypeAdapter[str], reference: str) -> str:
    """Raises NotFound: what cannot be a name names nothing."""
    try:
        return kind.validate_python(reference)
    except ValidationError:
        raise NotFound(f"there is no model {reference[:100]!r}") from None


def _summary(cls: type[Any]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
