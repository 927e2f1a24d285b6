"""The task of a key: which program computes its answers, what a request gives to it, and how its output is sent.

Samplers, likelihoods by a flow in continuous time and the codes of such flows take steps. The others take none: one
call of `finish` answers many requests. Row i sees nothing but row i, its condition and its own noise, so rows of any
requests of one key share every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, final

import torch
from torch import Tensor

from pushforward.models.family import Completes, Decodes, Encodes, Samples, Scores, Translates, reconstruct
from pushforward.models.geometry.interpolation import PATHS
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.mapping import Reconstruction, apply
from pushforward.models.stepwise.program import Given, OneCall, Out, Program, State
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.storage.model import Model
from pushforward.models.tabular.completion import Completed, CompletesRows
from pushforward.service.domain.errors import Unsupported
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.inputs import codes, conditions, data, given_cells, patches, single_data


class TaskOutput(NamedTuple):
    """Arrays of some rows, and what kind of answer they are."""

    arrays: Mapping[str, Tensor]  # rows first
    info: Mapping[str, Any] = {}


@final
@dataclass(frozen=True)
class Task(Generic[Given, Out]):
    """One model with one set of options: shared by all requests of a key."""

    program: Program[Given, Out]
    prepare: Callable[[InferenceRequest], Given]  # what a request gives: a row for each row of its answer
    output: Callable[[Out], TaskOutput]  # the output of the program as arrays

    def preview(self, state: State, noise: Noise) -> Mapping[str, Tensor]:
        """Rows between two steps as they would be sent; empty where there is nothing to see."""
        seen = self.program.preview(state, noise)
        return {} if seen is None else self.output(seen).arrays


def task_of(model: Model, request: InferenceRequest, device: torch.device) -> Task[Any, Any]:
    """The task of a request. Raises Unsupported."""
    family, nets, spec = model.family, model.nets, model.card.spec

    def rows_of(request: InferenceRequest) -> tuple[Tensor, Tensor]:
        return data(request, spec, device), conditions(request, spec, device)

    def codes_of(request: InferenceRequest) -> tuple[Tensor, Tensor]:
        return codes(request, device), conditions(request, spec, device)

    def decoded(x: Tensor) -> TaskOutput:
        return TaskOutput({"x": spec.restore_constants(spec.varying.clip(x))})

    match request.op:
        case "sample" if isinstance(family, Samples):
            sampler = family.sampler(nets, family.SampleOptions.model_validate(dict(request.options)))
            return Task(sampler, lambda q: (conditions(q, spec, device),), lambda x: _samples(x, spec))
        case "likelihood" if isinstance(family, Scores):
            scorer = family.scorer(nets, family.ScoreOptions.model_validate(dict(request.options)))
            return Task(scorer, rows_of, _likelihood)
        case "encode" if isinstance(family, Encodes):
            encoder = family.encoder(nets, family.EncodeOptions.model_validate(dict(request.options)))
            return Task(encoder, rows_of, lambda z: TaskOutput({"z": z}))
        case "decode" if isinstance(family, Decodes):
            decoder = family.decoder(nets, family.DecodeOptions.model_validate(dict(request.options)))
            return Task(decoder, codes_of, decoded)
        case "reconstruct" if isinstance(family, Encodes) and isinstance(family, Decodes):
            encoder, decoder = (
                family.encoder(nets, family.EncodeOptions()),
                family.decoder(nets, family.DecodeOptions()),
            )
            return Task(Reconstruction(encoder, decoder, family.latent_shape(spec.varying)), rows_of, decoded)
        case "reconstruct" if isinstance(family, Translates):
            return Task(OneCall(lambda x, c, _: reconstruct(family, nets, x, c)), rows_of, decoded)
        case "translate" if isinstance(family, Translates):
            translator = family.translator(nets, family.TranslateOptions.model_validate(dict(request.options)))
            return Task(translator, lambda q: _domains_of(q, spec, device), decoded)
        case "interpolate" if isinstance(family, Decodes):
            decoder = family.decoder(nets, family.DecodeOptions())
            return Task(decoder, lambda q: _interpolation(model, q, device), decoded)
        case "complete" if isinstance(family, Completes):
            completer = family.completer(nets, family.CompleteOptions.model_validate(dict(request.options)))
            return Task(completer, lambda q: (patches(q, spec, device), conditions(q, spec, device)), decoded)
        case "complete" if isinstance(family, CompletesRows):
            chosen = family.CompleteOptions.model_validate(dict(request.options))
            return Task(
                OneCall(lambda x, given, c, noise: family.complete_rows(nets, x, given, noise, c, chosen)),
                lambda q: (data(q, spec, device), given_cells(q, device), conditions(q, spec, device)),
                _completed,
            )
    can = ", ".join(model.card.capabilities)
    raise Unsupported(f"{model.family.family} does not answer {request.op}; it answers: {can}")


def _domains_of(request: InferenceRequest, spec: DataSpec, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, the domain that each goes to, and the one that it is from: zeros where a family need not know it."""
    to = conditions(request, spec, device, name="to")
    return data(request, spec, device), to, conditions(request, spec, device)


def _samples(x: Tensor, spec: DataSpec) -> TaskOutput:
    return TaskOutput({"samples": spec.from_networks(x)})


def _completed(done: Completed) -> TaskOutput:
    effective = {} if done.effective is None else {"effective": done.effective.double()}
    return TaskOutput({"x": done.x, **effective}, {"kind": done.kind})


def _likelihood(log_prob: LogProb) -> TaskOutput:
    arrays = {f"terms.{name}": term.double() for name, term in log_prob.terms.items()}
    arrays["log_prob"] = log_prob.value.double()
    if log_prob.std_error is not None:
        arrays["std_error"] = log_prob.std_error.double()
    return TaskOutput(arrays, {"kind": log_prob.kind})


def _interpolation(model: Model, request: InferenceRequest, device: torch.device) -> tuple[Tensor, Tensor]:
    """The codes along an interpolation, (steps, *latent_shape), and the condition they share."""
    family, nets, options = model.family, model.nets, request.options
    spec = model.card.spec
    c = conditions(request, spec, device)
    if not isinstance(family, Decodes):
        raise Unsupported(f"{model.family.family} cannot decode, so it cannot interpolate")
    if "start" not in request.arrays:
        start, end = (
            family.prior(nets, Noise.rows(options[name], 1, device=device), c[:1])[0]
            for name in ("start_seed", "end_seed")
        )
    elif isinstance(family, Encodes):
        encoder = family.encoder(nets, family.EncodeOptions())
        start, end = (apply(encoder, single_data(request, name, spec, device), c[:1])[0] for name in ("start", "end"))
    else:
        raise Unsupported(f"{model.family.family} cannot encode; give start_seed and end_seed")
    return PATHS[options["path"]](start, end, options["steps"]), c
