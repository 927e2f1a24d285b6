"""How the rows of a question become the rows of its answer, whatever the capability.

An answer goes like a sampler, step by step: `begin` gives rows a state, `step` moves it, `finish` turns it into
arrays. Samplers, likelihoods by a flow in continuous time and the codes of such flows take steps; the others take none:
their state is their input, and one call of `finish` answers many questions. Row i sees nothing but row i, its
condition and its own noise, so rows of any questions of one key share every call. A state is never changed in place,
so a step that failed can be taken again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from pushforward.models.family import Decodes, Encodes, Samples, Scores
from pushforward.models.geometry.interpolation import PATHS
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.mapping import ThereAndBack, Walk, walk
from pushforward.models.stepwise.sampling import Sampler, State
from pushforward.models.stepwise.scoring import Scorer
from pushforward.models.storage.model import Model
from pushforward.service.domain.errors import Invalid, Unsupported
from pushforward.service.domain.inference import Question

Named = Mapping[str, Tensor]  # rows first


class Way(ABC):
    """From rows in to rows out, for one model and one set of options."""

    info: Mapping[str, Any] = {}

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many calls of `step` lead from `begin` to `finish`."""

    @abstractmethod
    def prepare(self, question: Question) -> State:
        """What one question brings: a row for each row of its answer, a condition at least."""

    @abstractmethod
    def begin(self, given: State, noise: Noise) -> State:
        """The state of fresh rows."""

    @abstractmethod
    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        """The state after step k, (B,) int64, of each row."""

    @abstractmethod
    def finish(self, state: State, noise: Noise) -> Named:
        """The answer's rows."""

    def preview(self, state: State, k: Tensor) -> Named:
        """The rows on their way, before step k; nothing where there is nothing to see."""
        return {}


@final
@dataclass
class SampleWay(Way):
    """Noise to new data, in the sampler's steps."""

    spec: DataSpec  # of the answer's rows: those of networks, and what never varies
    sampler: Sampler
    device: torch.device

    @property
    def steps(self) -> int:
        return self.sampler.steps

    def prepare(self, question: Question) -> State:
        return (_told(question, self.spec, self.device),)

    def begin(self, given: State, noise: Noise) -> State:
        return self.sampler.init(noise, *given)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        return self.sampler.step(state, k, noise)

    def finish(self, state: State, noise: Noise) -> Named:
        return {"samples": self._answered(self.sampler.finish(state))}

    def preview(self, state: State, k: Tensor) -> Named:
        return {"samples": self._answered(self.sampler.preview(state, k))}

    def _answered(self, x: Tensor) -> Tensor:
        return self.spec.restore_constants(self.spec.varying.quantize(x))


@final
@dataclass
class LikelihoodWay(Way):
    """Data to log p(x), and what kind of number that is, in the scorer's steps."""

    spec: DataSpec
    scorer: Scorer
    device: torch.device

    @property
    def steps(self) -> int:
        return self.scorer.steps

    def prepare(self, question: Question) -> State:
        return _data(question, "x", self.spec, self.device), _told(question, self.spec, self.device)

    def begin(self, given: State, noise: Noise) -> State:
        x, c = given
        return self.scorer.init(x, c, noise)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        return self.scorer.step(state, k, noise)

    def finish(self, state: State, noise: Noise) -> Named:
        log_prob = self.scorer.finish(state, noise)
        self.info = {"kind": log_prob.kind}
        named = {f"terms.{name}": term.double() for name, term in log_prob.terms.items()}
        named["log_prob"] = log_prob.value.double()
        if log_prob.std_error is not None:
            named["std_error"] = log_prob.std_error.double()
        return named


@final
@dataclass
class WalkWay(Way):
    """Given rows to other rows: data to codes, codes to data."""

    given: Callable[[Question], State]  # rows and their conditions
    path: Walk
    named: Callable[[Tensor], Named]  # where the walk ends, as an answer

    @property
    def steps(self) -> int:
        return self.path.steps

    def prepare(self, question: Question) -> State:
        return self.given(question)

    def begin(self, given: State, noise: Noise) -> State:
        return self.path.init(*given)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        return self.path.step(state, k)

    def finish(self, state: State, noise: Noise) -> Named:
        return self.named(self.path.finish(state))


def way(model: Model, question: Question, device: torch.device) -> Way:
    """The way of a question, shared by all of its key. Raises Unsupported."""
    family, nets, spec = model.family, model.nets, model.card.spec

    def data(question: Question) -> State:
        return _data(question, "x", spec, device), _told(question, spec, device)

    def codes(question: Question) -> State:
        return _rows(_tensor(question, "z", torch.float32, device), question, "z"), _told(question, spec, device)

    def point(x: Tensor) -> Named:
        return {"x": spec.restore_constants(spec.varying.clip(x))}

    match question.op:
        case "sample" if isinstance(family, Samples):
            options = family.SampleOptions.model_validate(dict(question.options))
            return SampleWay(spec, family.sampler(nets, options), device)
        case "likelihood" if isinstance(family, Scores):
            options = family.ScoreOptions.model_validate(dict(question.options))
            return LikelihoodWay(spec, family.scorer(nets, options), device)
        case "encode" if isinstance(family, Encodes):
            options = family.EncodeOptions.model_validate(dict(question.options))
            return WalkWay(data, family.encoder(nets, options), lambda z: {"z": z})
        case "decode" if isinstance(family, Decodes):
            options = family.DecodeOptions.model_validate(dict(question.options))
            return WalkWay(codes, family.decoder(nets, options), point)
        case "reconstruct" if isinstance(family, Encodes) and isinstance(family, Decodes):
            there, back = family.encoder(nets, family.EncodeOptions()), family.decoder(nets, family.DecodeOptions())
            return WalkWay(data, ThereAndBack(there, back, family.latent_shape(spec.varying)), point)
        case "interpolate" if isinstance(family, Decodes):
            return WalkWay(lambda q: _path(model, q, device), family.decoder(nets, family.DecodeOptions()), point)
    can = ", ".join(model.card.capabilities)
    raise Unsupported(f"{model.family.family} does not answer {question.op}; it answers: {can}")


def unsound(name: str) -> str:
    """What is said of a model's answer with numbers that are none."""
    return f"the model's {name} are not finite; train it again with a lower learning rate"


def _path(model: Model, question: Question, device: torch.device) -> State:
    """The codes along an interpolation, (steps, *latent_shape), and the condition they share."""
    family, nets, options = model.family, model.nets, question.options
    spec = model.card.spec
    c = _told(question, spec, device)
    if not isinstance(family, Decodes):
        raise Unsupported(f"{model.family.family} cannot decode, so it cannot interpolate")
    if "start" not in question.arrays:
        start, end = (
            family.prior(nets, Noise.rows(options[name], 1, device=device), c[:1])[0]
            for name in ("start_seed", "end_seed")
        )
    elif isinstance(family, Encodes):
        encoder = family.encoder(nets, family.EncodeOptions())
        start, end = (walk(encoder, _data_rows(question, name, spec, device), c[:1])[0] for name in ("start", "end"))
    else:
        raise Unsupported(f"{model.family.family} cannot encode; give start_seed and end_seed")
    return PATHS[options["path"]](start, end, options["steps"]), c


def _told(question: Question, spec: DataSpec, device: torch.device) -> Tensor:
    """C of each row, (rows, C): zeros where a model that takes a condition is told none."""
    if spec.condition is None or "condition" not in question.arrays:
        return torch.zeros(question.rows, spec.condition_size, device=device)
    held = getattr(torch, spec.condition.dtype)
    return spec.condition.code(_rows(_tensor(question, "condition", held, device), question, "condition"))


def _data(question: Question, name: str, spec: DataSpec, device: torch.device) -> Tensor:
    """Data for each row, as networks know them: without what never varies."""
    return _rows(_data_rows(question, name, spec, device), question, name)


def _data_rows(question: Question, name: str, spec: DataSpec, device: torch.device) -> Tensor:
    rows = _tensor(question, name, getattr(torch, spec.dtype), device)
    return spec.drop_constants(rows).to(getattr(torch, spec.varying.dtype))


def _rows(rows: Tensor, question: Question, name: str) -> Tensor:
    if len(rows) != question.rows:
        raise Invalid.field(name, f"has {len(rows)} rows where the question has {question.rows}")
    return rows


def _tensor(question: Question, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    if name not in question.arrays:
        raise Invalid.field(name, "is missing")
    return torch.tensor(question.arrays[name], dtype=dtype, device=device)
