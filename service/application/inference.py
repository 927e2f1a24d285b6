"""Requests to models: one reply, the parts of a long sample, or previews and the sample."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import final, overload

import numpy as np

from pushforward.models.data.tables.media_types import ARROW_STREAM
from pushforward.service.application import streaming
from pushforward.service.application.catalog import checked_reference
from pushforward.service.application.charts import histograms
from pushforward.service.application.commands.asks import OfRows
from pushforward.service.application.commands.commands import (
    AnyAsk,
    Complete,
    Decode,
    Encode,
    Interpolate,
    Likelihood,
    Reconstruct,
    Sample,
    Score,
    Translate,
)
from pushforward.service.application.commands.validation import refusing
from pushforward.service.application.likelihoods import LikelihoodResult
from pushforward.service.application.requests import replies, scoring
from pushforward.service.application.requests.filters import Accepted, drawn_again
from pushforward.service.application.requests.requests import TargetModel
from pushforward.service.application.requests.scoring import ScoreResult
from pushforward.service.application.results import (
    CodesResult,
    InferenceResult,
    PointsResult,
    PreviewResult,
    SampleResult,
    SampleStream,
    TranslationResult,
)
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.charts import ScoreHistogram
from pushforward.service.domain.errors import Conflict, Invalid
from pushforward.service.domain.inference import InferenceRequest, Preview
from pushforward.service.domain.ports import Asks, Models
from pushforward.service.formats.tables import TableRows, check_pyarrow
from pushforward.service.processes import table_reader
from pushforward.service.processes.intake import Intake
from pushforward.service.processes.table_reader import TableReader
from pushforward.service.settings import Settings

MAX_TARGETS = 1000  # kept


@final
@dataclass(frozen=True)
class TargetModels:
    """The models of recent requests, each with its validated family, by reference."""

    models: Models
    _kept: dict[str, TargetModel] = field(default_factory=dict, repr=False)

    async def get(self, reference: str) -> TargetModel:
        """Raises NotFound, Conflict."""
        card = await self.models.get(reference)
        target = self._kept.get(card.reference)
        return target if target is not None and target.card is card else self._keep(card)

    async def held_out_log_prob(self, card: Card) -> Sequence[float]:
        """The scores of held-out rows. Raises Conflict where none are kept with the model."""
        scores = await self.models.held_out_log_prob(card)
        if not scores:
            raise Conflict(
                f"{card.reference} was published by a release that kept no scores of held-out rows; train it again, or "
                "ask for the likelihood"
            )
        return scores

    def _keep(self, card: Card) -> TargetModel:
        if len(self._kept) >= MAX_TARGETS:
            self._kept.clear()
        target = self._kept[card.reference] = TargetModel.of(card)
        return target


@final
@dataclass(frozen=True)
class InferenceService:
    """Sends requests to workers through the port `Asks`."""

    asks: Asks
    targets: TargetModels
    settings: Settings
    intake: Intake
    reader: TableReader

    @overload
    async def ask(self, ask: Sample, *, timeout_s: float | None = None) -> SampleResult: ...
    @overload
    async def ask(self, ask: Likelihood, *, timeout_s: float | None = None) -> LikelihoodResult: ...
    @overload
    async def ask(self, ask: Score, *, timeout_s: float | None = None) -> ScoreResult: ...
    @overload
    async def ask(self, ask: Encode, *, timeout_s: float | None = None) -> CodesResult: ...
    @overload
    async def ask(
        self, ask: Decode | Reconstruct | Interpolate | Complete, *, timeout_s: float | None = None
    ) -> PointsResult: ...
    @overload
    async def ask(self, ask: Translate, *, timeout_s: float | None = None) -> TranslationResult: ...
    async def ask(self, ask: AnyAsk, *, timeout_s: float | None = None) -> InferenceResult:
        """Send a request to a model, and wait for its reply.

        Raises:
            NotFound: there is no such model or version.
            Unsupported: the model lacks the capability.
            Conflict: a score is asked for, and no scores of held-out rows are kept with the model.
            Invalid: a field does not fit the model, or asks for more than a limit.
            Overloaded, Unavailable, TimedOut: no worker replies in time; try again.
        """
        target = await self.targets.get(ask.model)
        request = await self._request(target, ask)
        held_out = await self.targets.held_out_log_prob(target.card) if isinstance(ask, Score) else ()
        reply = await self.asks.ask(request, timeout_s=self._timeout_s(ask, timeout_s))
        result = replies.result(target, ask, request, reply)
        if isinstance(ask, Score) and isinstance(result, LikelihoodResult):
            return scoring.scored(result, np.array(held_out), ask.false_alarm_rate)
        return result

    async def histogram(self, reference: str) -> ScoreHistogram:
        """How the scores of held-out rows are distributed. Raises NotFound, Unsupported, Conflict."""
        target = await self.targets.get(checked_reference(reference))
        target.check_capability("likelihood")
        return histograms.of_held_out(target.card, await self.targets.held_out_log_prob(target.card))

    async def accepted(self, ask: Sample, *, timeout_s: float | None = None) -> SampleResult:
        """Rows of a table that fulfil `where`. Raises what `ask` raises, and Invalid where they are too rare."""
        target = await self.targets.get(ask.model)
        table = target.card.spec.table
        if table is None or ask.where is None:
            raise Invalid.field("where", f"is for rows of tables, and {target.card.model} draws none; leave it out")
        whole = target.request(ask, self.settings)
        if whole.op != ask.op:
            raise Invalid.field("where", "is not for rows that complete a condition; give the condition in where, too")
        most, ends = streaming.most_rows(target.card.spec, self.settings), monotonic() + self._timeout_s(ask, timeout_s)
        with refusing("where"):
            found = Accepted(table, ask.where, ask.n, ask.n * ask.max_tries)
        while not found.is_complete:
            request = drawn_again(whole, found.n_drawn, found.next_rows(most))
            reply = await self.asks.ask(request, timeout_s=max(0.001, ends - monotonic()))
            found.add(replies.samples(target, request, reply).samples)
        rows, share = found.result()
        given = whole.arrays.get("condition")
        return SampleResult(whole.model, reply.timing, whole.seed, rows, target.card.spec, share, given)

    async def parts(self, ask: Sample, *, timeout_s: float | None = None) -> SampleStream:
        """A sample in parts.

        The time limit of a request holds for each part, `timeout_s` and the request's deadline for all of them.
        Raises what `ask` raises: nearly always before the first part, because temporary refusals are waited out later.
        """
        target = await self.targets.get(ask.model)
        request = target.in_parts(ask, self.settings)
        parts = streaming.parts(
            self.asks,
            request,
            most=streaming.most_rows(target.card.spec, self.settings),
            part_s=self.settings.ask_timeout_s,
            whole_s=_shortest_s(ask, timeout_s),
        )

        async def items() -> AsyncGenerator[SampleResult | PreviewResult]:
            async with aclosing(parts):
                async for part in parts:
                    yield replies.samples(target, part.request, part.reply)

        return await _begun(ask, target, items())

    async def previews(self, ask: Sample, *, timeout_s: float | None = None) -> SampleStream:
        """Previews every `preview_every` steps, then the sample. Raises what `ask` raises.

        Without `preview_every`, and for a family whose sampler takes one step, only the sample.
        """
        target = await self.targets.get(ask.model)
        request = target.with_previews(ask, self.settings)
        timeout_s = self._timeout_s(ask, timeout_s)

        async def items() -> AsyncGenerator[SampleResult | PreviewResult]:
            async with aclosing(self.asks.watch(request, timeout_s=timeout_s)) as received:
                async for item in received:
                    if isinstance(item, Preview):
                        yield replies.preview(target, request, item)
                    else:
                        yield replies.samples(target, request, item)

        return await _begun(ask, target, items())

    async def _request(self, target: TargetModel, ask: AnyAsk) -> InferenceRequest:
        """The request to a worker; files of rows are read away from the event loop. Raises Unsupported, Invalid."""
        if not (isinstance(ask, OfRows | Complete) and ask.records is not None):
            return target.request(ask, self.settings)
        rows = await self._plain(ask.records)
        plain = ask.model_copy(update={"records": rows})
        return await self.intake.parse(lambda: target.request(plain, self.settings), rows.n_bytes)

    async def _plain(self, rows: TableRows) -> TableRows:
        """The same rows, in a form that takes no more memory than it has bytes. Raises Unsupported, Invalid."""
        if rows.media_type not in table_reader.ORDERS:
            return rows
        check_pyarrow()
        with refusing("records"):
            return TableRows(ARROW_STREAM, await self.reader.plain(rows.media_type, rows.content))

    def _timeout_s(self, ask: AnyAsk, timeout_s: float | None) -> float:
        """The shortest of the request's deadline, the API's time limit and the service's own."""
        shortest_s = _shortest_s(ask, timeout_s)
        return self.settings.ask_timeout_s if shortest_s is None else min(shortest_s, self.settings.ask_timeout_s)


async def _begun(ask: Sample, target: TargetModel, items: AsyncGenerator[SampleResult | PreviewResult]) -> SampleStream:
    """The stream of these items, once the first is there."""
    return SampleStream(ask.n, target.card.spec, await anext(items), items)


def _shortest_s(ask: AnyAsk, timeout_s: float | None) -> float | None:
    """The shorter of the request's deadline and the API's time limit; None without both."""
    deadline_s = None if ask.deadline_ms is None else ask.deadline_ms / 1000
    return min((limit for limit in (timeout_s, deadline_s) if limit is not None), default=None)
