"""How the rows of a question become the rows of its answer, whatever the capability.

An answer goes like a sampler, step by step: `begin` gives rows a state, `step` moves it, `finish` turns it into
arrays. Samplers and the likelihoods of diffusions take steps; the others take none: their state is their input, and
one call of `finish` answers many questions. Row i sees nothing but row i and its own noise, so rows of any questions
of one key share every call. A state is never changed in place, so a step that failed can be taken again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from models.checkpoint import Model
from models.family import Decodes, Encodes, Samples, Scores
from models.interpolate import PATHS, reconstruct
from models.noise import Noise
from models.sampling import Sampler, State
from models.scoring import Scorer
from models.spec import DataSpec
from service.domain import Question
from service.errors import Invalid, Unsupported

Named = Mapping[str, Tensor]  # rows first


class Way(ABC):
    """From rows in to rows out, for one model and one set of options."""

    steps: int = 0
    info: Mapping[str, Any] = {}

    @abstractmethod
    def prepare(self, question: Question) -> Tensor | None:
        """What one question brings: a row for each row of its answer, or None where noise is all it needs."""

    @abstractmethod
    def begin(self, given: Tensor | None, noise: Noise) -> State:
        """The state of fresh rows."""

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        """The state after step k, (B,) int64, of each row."""
        raise NotImplementedError("a way of no steps")

    @abstractmethod
    def finish(self, state: State, noise: Noise) -> Named:
        """The answer's rows."""

    def preview(self, state: State, k: Tensor) -> Named:
        """The rows on their way, before step k; nothing where there is nothing to see."""
        return {}


@final
class SampleWay(Way):
    """Noise to new data, in the sampler's steps."""

    def __init__(self, spec: DataSpec, sampler: Sampler) -> None:
        self._spec = spec
        self._sampler = sampler
        self.steps = sampler.steps

    def prepare(self, question: Question) -> None:
        return None

    def begin(self, given: Tensor | None, noise: Noise) -> State:
        return (self._sampler.init(noise),)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        return (self._sampler.step(state[0], k, noise),)

    def finish(self, state: State, noise: Noise) -> Named:
        return {"samples": self._spec.quantize(self._sampler.finish(state[0]))}

    def preview(self, state: State, k: Tensor) -> Named:
        return {"samples": self._spec.quantize(self._sampler.preview(state[0], k))}


@final
@dataclass
class RowsWay(Way):
    """Given rows to answered rows, in one call."""

    given: Callable[[Question], Tensor]
    call: Callable[[Tensor], Named]

    def prepare(self, question: Question) -> Tensor:
        return self.given(question)

    def begin(self, given: Tensor | None, noise: Noise) -> State:
        return (_present(given),)

    def finish(self, state: State, noise: Noise) -> Named:
        return self.call(state[0])


@final
class LikelihoodWay(Way):
    """Data to log p(x), and what kind of number that is, in the scorer's steps."""

    def __init__(self, scorer: Scorer, device: torch.device) -> None:
        self._scorer = scorer
        self._device = device
        self.steps = scorer.steps

    def prepare(self, question: Question) -> Tensor:
        return _rows(question, "x", self._device)

    def begin(self, given: Tensor | None, noise: Noise) -> State:
        return self._scorer.init(_present(given), noise)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        return self._scorer.step(state, k, noise)

    def finish(self, state: State, noise: Noise) -> Named:
        log_prob = self._scorer.finish(state, noise)
        self.info = {"kind": log_prob.kind}
        named = {"log_prob": log_prob.value.double()}
        return named if log_prob.std_error is None else {**named, "std_error": log_prob.std_error.double()}


def way(model: Model, question: Question, device: torch.device) -> Way:
    """The way of a question, shared by all of its key. Raises Unsupported."""
    family, nets, clip = model.family, model.nets, model.nets.spec.clip
    match question.op:
        case "sample" if isinstance(family, Samples):
            options = family.SampleOptions.model_validate(dict(question.options))
            return SampleWay(nets.spec, family.sampler(nets, options))
        case "likelihood" if isinstance(family, Scores):
            options = family.ScoreOptions.model_validate(dict(question.options))
            return LikelihoodWay(family.scorer(nets, options), device)
        case "encode" if isinstance(family, Encodes):
            encode = family.encode
            return RowsWay(lambda q: _rows(q, "x", device), lambda x: {"z": encode(nets, x)})
        case "decode" if isinstance(family, Decodes):
            decode = family.decode
            return RowsWay(lambda q: _rows(q, "z", device), lambda z: {"x": clip(decode(nets, z))})
        case "reconstruct" if isinstance(family, Encodes) and isinstance(family, Decodes):
            return RowsWay(lambda q: _rows(q, "x", device), lambda x: {"x": clip(reconstruct(family, nets, x))})
        case "interpolate" if isinstance(family, Decodes):
            walk = family.decode
            return RowsWay(lambda q: _path(model, q, device), lambda z: {"x": clip(walk(nets, z))})
    can = ", ".join(model.card.capabilities)
    raise Unsupported(f"{model.family.family} does not answer {question.op}; it answers: {can}")


def _present(given: Tensor | None) -> Tensor:
    if given is None:
        raise ValueError("this way starts from rows")
    return given


def _path(model: Model, question: Question, device: torch.device) -> Tensor:
    """The codes along an interpolation, (steps, *latent_shape)."""
    family, nets, options = model.family, model.nets, question.options
    if not isinstance(family, Decodes):
        raise Unsupported(f"{model.family.family} cannot decode, so it cannot interpolate")
    if not question.arrays:
        start, end = (
            family.prior(nets, Noise.rows(options[name], 1, device=device))[0] for name in ("start_seed", "end_seed")
        )
    elif isinstance(family, Encodes):
        start, end = (family.encode(nets, _tensor(question, name, device))[0] for name in ("start", "end"))
    else:
        raise Unsupported(f"{model.family.family} cannot encode; give start_seed and end_seed")
    return PATHS[options["path"]](start, end, options["steps"])


def _rows(question: Question, name: str, device: torch.device) -> Tensor:
    rows = _tensor(question, name, device)
    if len(rows) != question.rows:
        raise Invalid.field(name, f"has {len(rows)} rows where the question has {question.rows}")
    return rows


def _tensor(question: Question, name: str, device: torch.device) -> Tensor:
    if name not in question.arrays:
        raise Invalid.field(name, "is missing")
    return torch.tensor(question.arrays[name], dtype=torch.float32, device=device)
