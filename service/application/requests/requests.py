"""From a validated ask and a model's card to the question for a worker, and from its reply to the answer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from math import log, prod
from typing import Any, final

import numpy as np
from pydantic import ValidationError

from pushforward.models.config.config import Options
from pushforward.models.families import FAMILIES
from pushforward.models.family import Decodes, Encodes, Family, Samples, Scores
from pushforward.models.spec.data_spec import Shape
from pushforward.models.spec.row_checks import where_not_finite
from pushforward.service.application import results as answers
from pushforward.service.application.commands.commands import (
    AnyAsk,
    Decode,
    Encode,
    Interpolate,
    Likelihood,
    Reconstruct,
    Sample,
)
from pushforward.service.application.commands.validation import parse, refusing
from pushforward.service.application.requests.conditioning import Conditioning
from pushforward.service.application.results import Answer
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Conflict, Failed, Invalid, Remedy, Unsupported
from pushforward.service.domain.inference import Op, Preview, Question, Reply
from pushforward.service.domain.jobs import Sampling
from pushforward.service.settings import Settings

TERMS = "terms."  # before the name of such an array of a reply
SEED_LIMIT_BITS = 53  # of a seed that we choose: JSON readers keep integers exactly up to 2**53
MAX_PREVIEW_ROWS = 64  # of a sample with previews, for it is sent many times


@final
@dataclass(frozen=True)
class Subject:
    """The model that is asked."""

    card: Card
    family: Family
    conditioning: Conditioning
    defaults: dict[Op, dict[str, Any]] = field(default_factory=dict)  # of the options, by capability

    @classmethod
    def of(cls, card: Card) -> Subject:
        """Raises Conflict where this service does not know the card's family as it was trained."""
        try:
            family = FAMILIES[card.family].model_validate(card.run["family"])
        except (KeyError, ValidationError) as error:
            raise Conflict(
                f"{card.reference} was trained by another release ({card.family}); train it again, or ask that release"
            ) from error
        return cls(card, family, Conditioning.of(card, family))

    def question(self, ask: AnyAsk, settings: Settings) -> Question:
        """Raises Unsupported, Invalid."""
        self._check_capable(ask)
        options = self._options(ask)
        match ask:
            case Sample():
                self._refuse_previews(ask)
                self._limit("n", ask.n, self.card.spec.shape, settings, more=_more(ask.n, settings))
                return self._draw(ask, options)
            case Interpolate():
                self._limit("steps", ask.steps, self.card.spec.shape, settings)
                return self._walk(ask)
            case Decode():
                self._limit("z", len(ask.z), self.card.spec.shape, settings)
                arrays = {"z": self._codes(ask.z)} | self._condition(ask, len(ask.z))
                return Question(self.card.reference, ask.op, len(ask.z), 0, options, arrays)
            case Encode():
                self._limit("x", len(ask.x), self.card.latent_shape or (1,), settings)
            case Reconstruct():
                self._limit("x", len(ask.x), self.card.spec.shape, settings)
            case Likelihood():
                self._limit("x", len(ask.x), (1,), settings)
        x = self._rows("x", ask.x, on_levels=isinstance(ask, Likelihood) and self._scores_only_levels)
        seed = ask.seed if isinstance(ask, Likelihood) else 0
        arrays = {"x": x} | self._condition(ask, len(ask.x))
        return Question(self.card.reference, ask.op, len(ask.x), seed, options, arrays)

    def sampling(self, ask: Sample, settings: Settings) -> Sampling:
        """What a job draws into a file. Raises Unsupported, Invalid."""
        self._check_capable(ask)
        self._refuse_previews(ask)
        if ask.deadline_ms is not None:
            raise Invalid.field("deadline_ms", "is of answers that are waited for; leave it out, and cancel the job")
        most = min(settings.max_file_rows, settings.max_file_bytes // self.card.spec.row_bytes)
        if ask.n > most:
            raise Invalid.field("n", f"asks for {ask.n} rows; at most {most} of this model in one file")
        options, condition = self._options(ask), self.conditioning.single(ask.condition, of="a file")
        return Sampling(model=self.card.reference, n=ask.n, seed=_seed(ask), options=options, condition=condition)

    def streamed(self, ask: Sample, settings: Settings) -> Question:
        """The question of a sample that is answered in parts. Raises Unsupported, Invalid."""
        self._check_capable(ask)
        self._refuse_previews(ask)
        if ask.n > settings.max_stream_rows:
            most = settings.max_stream_rows
            message = f"asks for {ask.n} rows; at most {most} in one stream"
            raise Invalid.field("n", message, remedy=Remedy("file"))
        return self._draw(ask, self._options(ask))

    def previewed(self, ask: Sample, settings: Settings) -> Question:
        """The question of a sample whose rows are shown on their way. Raises Unsupported, Invalid."""
        self._check_capable(ask)
        if ask.preview_every is not None and ask.n > MAX_PREVIEW_ROWS:
            raise Invalid.field("n", f"asks for {ask.n} rows; at most {MAX_PREVIEW_ROWS} with preview_every")
        self._limit("n", ask.n, self.card.spec.shape, settings, more=_more(ask.n, settings))
        return replace(self._draw(ask, self._options(ask)), preview_every=ask.preview_every or 0)

    def samples(self, question: Question, reply: Reply) -> answers.Samples:
        """Raises Failed where the reply is not what was asked for."""
        samples = reply.arrays.get("samples", np.empty(0))
        if samples.shape != (question.rows, *self.card.spec.shape):
            wanted = [question.rows, *self.card.spec.shape]
            raise Failed(f"the worker replied with samples of shape {list(samples.shape)} instead of {wanted}")
        return answers.Samples(question.model, reply.timing, question.seed, samples, self.card.spec)

    def preview(self, question: Question, preview: Preview) -> answers.Preview:
        """Raises Failed where it shows nothing."""
        if "samples" not in preview.arrays:
            raise Failed("the worker's preview lacks its samples")
        samples = preview.arrays["samples"]
        return answers.Preview(question.model, question.seed, preview.step, preview.steps, samples)

    def answer(self, ask: AnyAsk, question: Question, reply: Reply) -> Answer:
        """Raises Failed where the reply is not what was asked for."""
        model, timing, spec = question.model, reply.timing, self.card.spec
        try:
            match ask:
                case Sample():
                    return self.samples(question, reply)
                case Encode():
                    return answers.Codes(model, timing, reply.arrays["z"])
                case Likelihood():
                    log_prob = np.asarray(reply.arrays["log_prob"], np.float64)
                    std_error = reply.arrays.get("std_error")
                    bits = -log_prob / (spec.size * log(2)) if self._scores_only_levels else None
                    kind = reply.info["kind"]
                    return answers.Likelihoods(model, timing, log_prob, kind, std_error, bits, _terms(reply))
                case _:
                    return answers.Points(model, timing, reply.arrays["x"], spec)
        except KeyError as error:
            raise Failed(f"the worker's reply lacks {error}") from error

    def _check_capable(self, ask: AnyAsk) -> None:
        if ask.op not in self.card.capabilities:
            can = ", ".join(self.card.capabilities)
            raise Unsupported(f"{self.card.family} does not answer {ask.op}; it answers: {can}")

    def _draw(self, ask: Sample, options: dict[str, Any]) -> Question:
        return Question(self.card.reference, ask.op, ask.n, _seed(ask), options, self._condition(ask, ask.n))

    def _condition(self, ask: AnyAsk, rows: int) -> dict[str, np.ndarray]:
        """The condition of each row by its name, where there is one."""
        given = self.conditioning.rows(ask.condition, rows)
        return {} if given is None else {"condition": given}

    @staticmethod
    def _refuse_previews(ask: Sample) -> None:
        if ask.preview_every is not None:
            raise Invalid.field("preview_every", "needs a reply of many parts", remedy=Remedy("preview"))

    @property
    def _scores_only_levels(self) -> bool:
        """Whether log p is that of a level, so that bits per dimension mean something."""
        spec = self.card.spec
        return spec.levels is not None and isinstance(self.family, Scores) and self.family.scores_only_levels(spec)

    def _options(self, ask: AnyAsk) -> dict[str, Any]:
        """The options with their defaults, so that equal ones may share a forward pass."""
        if not ask.options and ask.op in self.defaults:
            return self.defaults[ask.op]
        wanted = option_types(type(self.family)).get(ask.op, Options)
        options = parse(wanted, ask.options, within="options")
        if isinstance(ask, Sample) and isinstance(self.family, Samples):
            with refusing("options"):
                self.family.check_sampling(self.card.spec, options)
        chosen = options.model_dump(mode="json")
        if ask.condition is None and chosen.get("guidance"):
            raise Invalid.field(
                "options.guidance", "leans on a condition, and none is given; give condition, or leave guidance out"
            )
        if not ask.options:
            self.defaults[ask.op] = chosen
        return chosen

    def _walk(self, ask: Interpolate) -> Question:
        """A question of an interpolation."""
        natural = self.family.natural_path if isinstance(self.family, Decodes) else None
        options: dict[str, Any] = {"steps": ask.steps, "path": ask.path or natural}
        self.conditioning.single(ask.condition, of="an interpolation")
        condition = self._condition(ask, ask.steps)
        if ask.start is None or ask.end is None:
            if "sample" not in self.card.capabilities:
                raise Unsupported(
                    f"{self.card.family} cannot sample, so it cannot interpolate between seeds; "
                    "give start and end, two rows"
                )
            options |= {"start_seed": ask.start_seed, "end_seed": ask.end_seed}
            return Question(self.card.reference, ask.op, ask.steps, 0, options, condition)
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
        return Question(self.card.reference, ask.op, ask.steps, 0, options, ends | condition)

    def _rows(self, field: str, x: np.ndarray, *, on_levels: bool = False) -> np.ndarray:
        """Data, (n, *shape), in the type that the model's data are held in. Raises Invalid."""
        with refusing(field):
            self.card.spec.check(x, field=field, on_levels=on_levels)
        return self.card.spec.hold(x)

    def _codes(self, z: np.ndarray) -> np.ndarray:
        """Codes, (n, *latent_shape), as networks take them, float32. Raises Invalid."""
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

    @staticmethod
    def _limit(field: str, rows: int, shape: Shape, settings: Settings, *, more: Remedy | None = None) -> None:
        """Refuse an answer of too many rows or values; `more` is how to get them nevertheless."""
        most = min(settings.max_rows, settings.max_values // prod(shape))
        if rows > most:
            message = f"asks for {rows} rows; at most {most} of this model at once"
            raise Invalid.field(field, message if more else f"{message}, so ask in parts", remedy=more)


def option_types(family: type[Family]) -> dict[Op, type[Options]]:
    """What may be chosen of a family's answers, by capability."""
    types: dict[Op, type[Options]] = {}
    if issubclass(family, Samples):
        types["sample"] = family.SampleOptions
    if issubclass(family, Scores):
        types["likelihood"] = family.ScoreOptions
    if issubclass(family, Encodes):
        types["encode"] = family.EncodeOptions
    if issubclass(family, Decodes):
        types["decode"] = family.DecodeOptions
    return types


def _terms(reply: Reply) -> dict[str, np.ndarray]:
    """What a likelihood tells of each row beside itself, by name."""
    terms = {name.removeprefix(TERMS): array for name, array in reply.arrays.items() if name.startswith(TERMS)}
    return {name: np.asarray(array, np.float64) for name, array in terms.items()}


def _seed(ask: Sample) -> int:
    """What was chosen, or else one of ours."""
    return secrets.randbits(SEED_LIMIT_BITS) if ask.seed is None else ask.seed


def _more(rows: int, settings: Settings) -> Remedy:
    """Where more rows can be had than fit into one answer."""
    most = settings.max_stream_rows
    return Remedy("stream", most) if rows <= most else Remedy("file")
