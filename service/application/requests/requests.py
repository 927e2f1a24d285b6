"""From a validated request and a card to what a worker computes: an `InferenceRequest`, or the `Sampling` of a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from pydantic import ValidationError

from pushforward.models.errors import InvalidData
from pushforward.models.families import FAMILIES
from pushforward.models.family import Completes, Decodes, Family, Scores, Translates, answers_without
from pushforward.models.form import form_of
from pushforward.models.spec.conditioning import Conditioning
from pushforward.models.spec.data_spec import Shape
from pushforward.models.spec.patches import patches_under
from pushforward.models.spec.row_checks import check_rows, where_not_finite
from pushforward.models.spec.text import Text
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
from pushforward.service.application.requests import limits
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
                arrays = {"patches": self._patches(ask)} | self._condition(ask, ask.rows[1])
                return InferenceRequest(self.card.reference, ask.op, ask.rows[1], ask.seed, options, arrays)
            case Decode():
                arrays = {"z": self._codes(ask.z)} | self._condition(ask, len(ask.z))
                return InferenceRequest(self.card.reference, ask.op, len(ask.z), 0, options, arrays)
            case Translate():
                arrays = {"x": self._rows("x", ask.x)} | self._domains(ask)
                return InferenceRequest(self.card.reference, ask.op, len(ask.x), 0, options, arrays)
        scores = isinstance(ask, Likelihood | Score)
        x = self._rows("x", ask.rows, on_levels=scores and self.scores_only_levels)
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

    def _checked(self, ask: AnyAsk, check_limits: Callable[[], None]) -> dict[str, Any]:
        """The options of a request that the model can answer. Raises Unsupported, Invalid."""
        if ask.op not in self.card.capabilities:
            can = ", ".join(self.card.capabilities)
            raise Unsupported(f"{self.card.family} does not answer {ask.op}; it answers: {can}")
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
            ends[name] = self._rows(name, row)
        return InferenceRequest(self.card.reference, ask.op, ask.steps, 0, options, ends | condition)

    def _rows(self, field: str, x: np.ndarray, *, on_levels: bool = False) -> np.ndarray:
        """Data, (n, *shape), in the dtype of the model's data. Raises Invalid."""
        with refusing(field):
            self.card.spec.check(x, field=field, on_levels=on_levels)
        return self.card.spec.hold(x)

    def _patches(self, ask: Complete) -> np.ndarray:
        """Patches, (n, *patches_shape), in the dtype of the model's data. Raises Invalid."""
        spec = self.card.spec
        shape = self.family.patches_shape(spec) if isinstance(self.family, Completes) else ()
        if ask.x is not None and ask.mask is not None:
            with refusing("mask"):
                return patches_under(self._rows("x", ask.x), ask.mask, shape)
        patches = np.empty(0) if ask.patches is None else ask.patches
        if patches.shape[1:] != shape or len(patches) == 0:
            raise Invalid.field("patches", _other_patches(patches.shape, shape))
        with refusing("patches"):
            as_rows = spec.model_copy(update={"shape": shape})
            check_rows(as_rows, patches, (), field="patches", on_levels=False)
        return spec.hold(patches)

    def _codes(self, z: np.ndarray) -> np.ndarray:
        """Codes, (n, *latent_shape), float32. Raises Invalid."""
        shape = self.card.latent_shape
        if shape is None and isinstance(self.family, Decodes):
            shape = self.family.latent_shape(self.card.spec.varying)
        if shape is None or z.shape[1:] != tuple(shape) or len(z) == 0:
            wanted = ", ".join(map(str, shape or ()))
            raise Invalid.field("z", f"has shape {list(z.shape)}; send at least one code: [n, {wanted}]")
        with np.errstate(over="ignore"):
            codes = z.astype(np.float32, copy=False)
        if not np.isfinite(codes).all():
            message = "holds values that are NaN, infinite or beyond float32; every code must be finite"
            raise Invalid.field("z", f"{message}: {where_not_finite(codes)}")
        return codes


def _other_patches(sent: Shape, shape: Shape) -> str:
    """What is wrong with patches of the shape (n, N', ...) where each row needs those of `shape`, (N, C, s, s)."""
    wanted = f"[n, {', '.join(map(str, shape))}]"
    if len(sent) == 1 + len(shape) and sent[0] > 0 and sent[2:] == shape[1:]:
        return f"has {sent[1]} patches a row, and {shape[0]} are needed; send {wanted}"
    return f"has shape {list(sent)}; send at least one row of {shape[0]} patches of shape {list(shape[1:])}: {wanted}"
