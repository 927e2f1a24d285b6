"""Asks answered in this process by real families, on freshly built networks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.data import Digits, TwoMoons
from models.families.diffusion import Diffusion
from models.families.vae import VAE
from models.family import Decodes, Encodes, Family, Samples, Scores
from models.interpolate import reconstruct
from models.networks import Nets
from models.noise import Noise
from models.sampling import sample, untold
from models.spec import DataSpec
from service.domain import Card, Op, Preview, Question, Reply, Timing
from service.errors import TimedOut
from tests.doors.fakes import MOONS, card

DIGITS = VAE.model_validate({"latent": 4, "width": 8, "depth": 1})
STEPWISE = Diffusion.model_validate({"steps": 20, "width": 8, "depth": 1})


@dataclass
class Kept:
    """A model in this process."""

    card: Card
    family: Family
    nets: Nets


def kept(name: str, family: Family, spec: DataSpec, *, able: tuple[Op, ...] | None = None) -> Kept:
    torch.manual_seed(0)
    return Kept(card(name, family, spec, able=able), family, family.build(spec).eval())


def models() -> list[Kept]:
    """Two moons, digits, a model that can only be sampled, one that takes steps."""
    digits = Digits()
    spec = digits.spec(digits.rows(Path()))
    return [
        kept("moons", MOONS, TwoMoons().spec),
        kept("digits", DIGITS, spec),
        kept("sampler", MOONS, TwoMoons().spec, able=("sample", "decode")),
        kept("solid", MOONS, DataSpec(shape=(5,))),
        kept("stepwise", STEPWISE, TwoMoons().spec),
    ]


@dataclass
class InProcessAsks:
    """`ports.Asks`: one network call a question, on this thread. `delay_s` is how long a worker is busy before."""

    kept: dict[str, Kept]
    delay_s: float = 0.0
    begun: int = 0
    cancelled: int = 0

    async def ask(self, question: Question, *, timeout_s: float) -> Reply:
        self.begun += 1
        try:
            await asyncio.wait_for(asyncio.sleep(self.delay_s), timeout_s)
        except TimeoutError:
            raise TimedOut(f"no answer in {timeout_s:g} s") from None
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        since = time.perf_counter()
        arrays, info = self._answer(self.kept[question.model.partition("@")[0]], question)
        compute_ms = 1000 * (time.perf_counter() - since)
        timing = Timing(linger_ms=0, queue_ms=0, compute_ms=compute_ms, total_ms=compute_ms, batch_rows=question.rows)
        return Reply(arrays, info, timing)

    async def watch(self, question: Question, *, timeout_s: float) -> AsyncIterator[Preview | Reply]:
        for preview in self._previews(self.kept[question.model.partition("@")[0]], question):
            yield preview
        yield await self.ask(question, timeout_s=timeout_s)

    def _previews(self, model: Kept, question: Question) -> Iterator[Preview]:
        family, noise = model.family, Noise.rows(question.seed, question.rows, start=question.first)
        assert isinstance(family, Samples)
        sampler = family.sampler(model.nets, family.SampleOptions.model_validate(question.options))
        state = sampler.init(noise, untold(noise))
        for k in range(sampler.steps - 1):
            with torch.no_grad():
                state = sampler.step(state, torch.full((question.rows,), k), noise)
            if question.preview_every and (k + 1) % question.preview_every == 0:
                yield Preview(k + 1, sampler.steps, {"samples": sampler.finish(state).numpy()})

    @torch.no_grad()
    def _answer(self, model: Kept, question: Question) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        family, nets = model.family, model.nets
        x = {name: torch.from_numpy(np.array(rows)) for name, rows in question.arrays.items()}
        noise = Noise.rows(question.seed, question.rows, start=question.first)
        assert isinstance(family, Samples)
        if question.op == "sample":
            options = family.SampleOptions.model_validate(question.options)
            return {"samples": model.card.spec.quantize(sample(family.sampler(nets, options), noise)).numpy()}, {}
        assert isinstance(family, Scores)
        assert isinstance(family, Encodes)
        assert isinstance(family, Decodes)
        match question.op:
            case "likelihood":
                options = family.ScoreOptions.model_validate(question.options)
                score = family.log_prob(nets, x["x"], untold(x["x"]), noise, options)
                return {"log_prob": score.value.double().numpy()}, {"kind": score.kind}
            case "encode":
                return {"z": family.encode(nets, x["x"], untold(x["x"])).numpy()}, {}
            case "decode":
                return {"x": family.decode(nets, x["z"], untold(x["z"])).numpy()}, {}
            case "reconstruct":
                return {"x": reconstruct(family, nets, x["x"], untold(x["x"])).numpy()}, {}
            case "interpolate":
                ends = [self._end(family, nets, x, question, name) for name in ("start", "end")]
                weight = torch.linspace(0, 1, question.rows)[:, None]
                z = ends[0] + weight * (ends[1] - ends[0])
                return {"x": family.decode(nets, z, untold(z)).numpy()}, {}

    @staticmethod
    def _end(family: Any, nets: Nets, x: dict[str, torch.Tensor], question: Question, name: str) -> torch.Tensor:
        if name in x:
            return family.encode(nets, x[name], untold(x[name]))
        noise = Noise.rows(question.options[f"{name}_seed"], 1)
        return family.prior(nets, noise, untold(noise))
