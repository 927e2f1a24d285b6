"""From a validated request and a card to what a worker computes: an `InferenceRequest`, or the `Sampling` of a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from pydantic import ValidationError

from pushforward.models.errors import InvalidData
from pushforward.models.families import FAMILIES
from pushforward.models.family import Decodes, Family, Scores, Translates, answers_without
from pushforward.models.form import form_of
from pushforward.models.spec.conditioning import Conditioning
from pushforward.models.spec.text import Text
from pushforward.service.application.charts import grids
from pushforward.service.application.commands.asks import OfRows
from pushforward.service.application.commands.commands import (
    AnyAsk,
    Complete,
    Decode,
    Interpolate,
    Likelihood,
    Sample,
    Score,
    Translate,
)
from pushforward.service.application.commands.validation import refusing
from pushforward.service.application.requests import inputs, limits
from pushforward.service.application.requests.options import options_of
from pushforward.service.application.requests.records import cells_of, cells_to_complete
from pushforward.service.application.requests.seeds import seed_of
from pushforward.service.application.requests.under_columns import cells_under, completion_of, no_file
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Conflict, Invalid, Remedy, Unsupported
from pushforward.service.domain.inference import InferenceRequest, Op
from pushforward.service.domain.jobs import Sampling
from pushforward.service.formats.tables import TableRows
from pushforward.service.settings import Settings


@final
@dataclass(frozen=True)
class TargetModel:
    """The model that a request is for."""

    card: Card
    family: Family
    conditioning: Conditioning
    defaults: dict[Op, dict[str, Any]] = field(default_factory=dict)  # of the options, by capability

    @classmethod
    def of(cls, card: Card) -> TargetModel:
        """Raises Conflict where this service does not know the card's family as it was trained."""
        try:
            family = form_of(FAMILIES[card.family].model_validate(card.run["family"]), card.spec)
        except (KeyError, ValidationError, InvalidData) as error:
            raise Conflict(
                f"{card.reference} was trained by another release ({card.family}); train it again, or ask that release"
            ) from error
        return cls(card, family, Conditioning(card.model, card.spec.condition, answers_without(family)))

    def request(self, ask: AnyAsk, settings: Settings) -> InferenceRequest:
        """A request with one reply. Raises Unsupported, Invalid."""
        if isinstance(ask, OfRows) and ask.records is not None:
            ask = ask.model_copy(update=cells_of(self.card, ask, ask.records) | {"records": None})
        if isinstance(ask, Likelihood) and ask.grid is not None:
            self.check_capability(ask.op)
            limits.check_grid(ask.grid, settings)
            ask = ask.model_copy(update={"x": grids.grid_of(self.card, ask.grid, ask.within).cells})
        if isinstance(ask, Sample):
            return self._draw(ask, lambda: limits.check_reply(ask, self.card, settings))
        options = self._checked(ask, lambda: limits.check_reply(ask, self.card, settings))
        match ask:
            case Complete(records=TableRows() as records):
                cells = cells_to_complete(self.card, self.family, ask, records)
                limits.check_rows("records", len(cells["x"]), self.card, settings)
                arrays = cells if "condition" in cells else cells | self._condition(ask, len(cells["x"]))
                return InferenceRequest(self.card.reference, ask.op, len(cells["x"]), ask.seed, options, arrays)
            case Interpolate():
                return self._interpolate(ask)
            case Complete():
                arrays = {"patches": inputs.patches_of(self.card.spec, self.family, ask)} | self._condition(
                    ask, ask.rows[1]
                )
                return InferenceRequest(self.card.reference, ask.op, ask.rows[1], ask.seed, options, arrays)
            case Decode():
                arrays = {"z": inputs.codes_of(self.card, self.family, ask.z)} | self._condition(ask, len(ask.z))
                return InferenceRequest(self.card.reference, ask.op, len(ask.z), 0, options, arrays)
            case Translate():
                arrays = {"x": inputs.rows_of(self.card.spec, "x", ask.x)} | self._domains(ask)
                return InferenceRequest(self.card.reference, ask.op, len(ask.x), 0, options, arrays)
        scores, spec = isinstance(ask, Likelihood | Score), self.card.spec
        field = "within" if isinstance(ask, Likelihood) and ask.grid is not None else "x"
        x = inputs.rows_of(spec, field, ask.rows, on_levels=scores and self.scores_only_levels)
        seed = ask.seed if isinstance(ask, Likelihood | Score) else 0
        arrays = {"x": x} | self._condition(ask, len(x))
        return InferenceRequest(self.card.reference, ask.op, len(x), seed, options, arrays)

    def in_parts(self, ask: Sample, settings: Settings) -> InferenceRequest:
        """A sample that is sent in parts. Raises Unsupported, Invalid."""
        return self._draw(ask, lambda: limits.check_parts(ask, settings))

    def with_previews(self, ask: Sample, settings: Settings) -> InferenceRequest:
        """A sample that is sent with previews. Raises Unsupported, Invalid."""
        return self._draw(ask, lambda: limits.check_previews(ask, self.card, settings))

    def sampling(self, ask: Sample, settings: Settings, media_type: str | None = None) -> Sampling:
        """A sample that a job draws into a file. Raises Unsupported, Invalid, NotAcceptable."""
        if completion_of(self.card, ask) is not None:
            raise no_file(self.card)
        options = self._checked(ask, lambda: limits.check_file(ask, self.card, settings))
        with refusing("condition", self._text):
            condition = self.conditioning.single(ask.condition, of="a file")
        model, file, seed = self.card.reference, limits.file_type(media_type, self.card), seed_of(ask)
        return Sampling(model=model, n=ask.n, seed=seed, options=options, condition=condition, media_type=file)

    @property
    def scores_only_levels(self) -> bool:
        """Whether log p is the log-probability of a level or a count: values between them have none."""
        spec = self.card.spec
        return spec.discrete and isinstance(self.family, Scores) and self.family.scores_only_levels(spec)

    @property
    def scores_probabilities(self) -> bool:
        """Whether log p is the log of a probability, so that bits per dimension are defined."""
        table = self.card.spec.table
        return self.scores_only_levels if table is None else not table.measure.numbers

    def check_capability(self, op: Op) -> None:
        """Raises Unsupported."""
        if op not in self.card.capabilities:
            can = ", ".join(self.card.capabilities)
            raise Unsupported(f"{self.card.family} does not answer {op}; it answers: {can}")

    def _checked(self, ask: AnyAsk, check_limits: Callable[[], None]) -> dict[str, Any]:
        """The options of a request that the model can answer. Raises Unsupported, Invalid."""
        self.check_capability(ask.op)
        check_limits()
        return self._options(ask)

    def _options(self, ask: AnyAsk) -> dict[str, Any]:
        """The options with their defaults, so that equal ones may share a forward pass."""
        if ask.options:
            return options_of(ask, self.family, self.card.spec)
        if ask.op not in self.defaults:
            self.defaults[ask.op] = options_of(ask, self.family, self.card.spec)
        return self.defaults[ask.op]

    def _draw(self, ask: Sample, check_limits: Callable[[], None]) -> InferenceRequest:
        """A sample, or completions of the record in its condition. Raises Unsupported, Invalid."""
        name, every, asked = self.card.reference, ask.preview_every or 0, completion_of(self.card, ask) or ask
        options = self._checked(asked, check_limits)
        arrays = self._condition(ask, ask.n) if asked is ask else cells_under(self.card, self.family, ask)
        return InferenceRequest(name, asked.op, ask.n, seed_of(ask), options, arrays, preview_every=every)

    def _condition(self, ask: AnyAsk, rows: int) -> dict[str, np.ndarray]:
        """The condition of each row by its name, where there is one."""
        if ask.condition is None and self.conditioning.kind is None:
            return {}
        with refusing("condition", self._text):
            given = self.conditioning.rows(ask.condition, rows)
            self._check_domains(given)
        return {} if given is None else {"condition": given}

    @property
    def _text(self) -> Remedy | None:
        """How a text is sent, where the model needs one."""
        return Remedy("text") if isinstance(self.card.spec.condition, Text) else None

    def _check_domains(self, given: np.ndarray | None) -> None:
        """Raises InvalidInput where a family that translates knows no such domain."""
        if given is not None and self.card.spec.condition is not None and isinstance(self.family, Translates):
            self.family.check_domains(self.card.spec.condition, given)

    def _domains(self, ask: Translate) -> dict[str, np.ndarray]:
        """The domain that each row goes to, and the one it is from if the family must know it."""
        with refusing("to"):
            to = replace(self.conditioning, field="to").rows(ask.to, len(ask.x))
            self._check_domains(to)
        domains = {} if to is None else {"to": to}
        if isinstance(self.family, Translates) and self.family.needs_origin:
            return domains | self._condition(ask, len(ask.x))
        if ask.condition is not None:
            message = f"is not used: {self.card.model} translates rows from wherever they are; leave it out"
            raise Invalid.field("condition", message)
        return domains

    def _interpolate(self, ask: Interpolate) -> InferenceRequest:
        natural = self.family.natural_path if isinstance(self.family, Decodes) else None
        options: dict[str, Any] = {"steps": ask.steps, "path": ask.path or natural}
        with refusing("condition", self._text):
            self.conditioning.single(ask.condition, of="an interpolation")
        condition = self._condition(ask, ask.steps)
        if ask.start is None or ask.end is None:
            if "sample" not in self.card.capabilities:
                raise Unsupported(
                    f"{self.card.family} cannot sample, so it cannot interpolate between seeds; "
                    "give start and end, two rows"
                )
            options |= {"start_seed": ask.start_seed, "end_seed": ask.end_seed}
            return InferenceRequest(self.card.reference, ask.op, ask.steps, 0, options, condition)
        if "encode" not in self.card.capabilities:
            raise Unsupported(
                f"{self.card.family} cannot encode, so it cannot interpolate between rows; give start_seed and end_seed"
            )
        ends = {"start": ask.start[None], "end": ask.end[None]}
        for name, row in ends.items():
            if row.shape[1:] != self.card.spec.shape:
                shape = list(self.card.spec.shape)
                raise Invalid.field(name, f"has shape {list(row.shape[1:])}; send one row of shape {shape}")
            ends[name] = inputs.rows_of(self.card.spec, name, row)
        return InferenceRequest(self.card.reference, ask.op, ask.steps, 0, options, ends | condition)
