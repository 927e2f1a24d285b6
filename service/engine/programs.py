"""How the rows of a question become the rows of its answer, whatever the capability.

An answer goes like a sampler, step by step: `begin` gives rows a state, `step` moves it, `finish` turns it into
arrays. Samplers, likelihoods by a flow in continuous time and the codes of such flows take steps; the others take none:
their state is their input, and one call of `finish` answers many questions. Row i sees nothing but row i, its
condition and its own noise, so rows of any questions of one key share every call. A state is never changed in place,
so a step that failed can be taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, final

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


class Finished(NamedTuple):
    """Rows of an answer, and what holds for all of them."""

    arrays: Named
    info: Mapping[str, object] = {}  # `kind` of a likelihood


@final
@dataclass(frozen=True)
class Task:
    """What computes the rows of one key: a program, and how requests become its rows and its rows an answer."""

    steps: int  # calls of `step` from `begin` to `finish`
    prepare: Callable[[Question], State]  # a row for each row of a request's answer, a condition at least
    begin: Callable[[State, Noise], State]  # the state of fresh rows
    step: Callable[[State, Tensor, Noise], State]  # the state after step k, (B,) int64, of each row
    finish: Callable[[State, Noise], Finished]
    preview: Callable[[State, Tensor], Named] = lambda state, k: {}  # the rows before step k, where there is a picture


def _sampling(spec: DataSpec, sampler: Sampler, device: torch.device) -> Task:
    """Noise to new data."""

    def named(x: Tensor) -> Named:
        return {"samples": spec.restore_constants(spec.varying.quantize(x))}

    return Task(
        sampler.steps,
        prepare=lambda question: (_told(question, spec, device),),
        begin=lambda given, noise: sampler.init(noise, *given),
        step=sampler.step,
        finish=lambda state, noise: Finished(named(sampler.finish(state))),
        preview=lambda state, k: named(sampler.preview(state, k)),
    )


def _scoring(scorer: Scorer, prepare: Callable[[Question], State]) -> Task:
    """Data to log p(x), and what kind of number that is."""

    def begin(given: State, noise: Noise) -> State:
        x, c = given
        return scorer.init(x, c, noise)

    def finish(state: State, noise: Noise) -> Finished:
        log_prob = scorer.finish(state, noise)
        named = {f"terms.{name}": term.double() for name, term in log_prob.terms.items()}
        named["log_prob"] = log_prob.value.double()
        if log_prob.std_error is not None:
            named["std_error"] = log_prob.std_error.double()
        return Finished(named, {"kind": log_prob.kind})

    return Task(scorer.steps, prepare, begin, scorer.step, finish)


def _mapping(path: Walk, prepare: Callable[[Question], State], named: Callable[[Tensor], Named]) -> Task:
    """Given rows to other rows: data to codes, codes to data."""
    return Task(
        path.steps,
        prepare,
        begin=lambda given, noise: path.init(*given),
        step=lambda state, k, noise: path.step(state, k),
        finish=lambda state, noise: Finished(named(path.finish(state))),
    )


def task_of(model: Model, question: Question, device: torch.device) -> Task:
    """The task of a request, shared by all of its key. Raises Unsupported."""
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
            return _sampling(spec, family.sampler(nets, options), device)
        case "likelihood" if isinstance(family, Scores):
            options = family.ScoreOptions.model_validate(dict(question.options))
            return _scoring(family.scorer(nets, options), data)
        case "encode" if isinstance(family, Encodes):
            options = family.EncodeOptions.model_validate(dict(question.options))
            return _mapping(family.encoder(nets, options), data, lambda z: {"z": z})
        case "decode" if isinstance(family, Decodes):
            options = family.DecodeOptions.model_validate(dict(question.options))
            return _mapping(family.decoder(nets, options), codes, point)
        case "reconstruct" if isinstance(family, Encodes) and isinstance(family, Decodes):
            there, back = family.encoder(nets, family.EncodeOptions()), family.decoder(nets, family.DecodeOptions())
            return _mapping(ThereAndBack(there, back, family.latent_shape(spec.varying)), data, point)
        case "interpolate" if isinstance(family, Decodes):
            decoder = family.decoder(nets, family.DecodeOptions())
            return _mapping(decoder, lambda q: _path(model, q, device), point)
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
