"""Asks answered in this process by real families, on freshly built networks."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pushforward.models.data import Digits, Source, TwoMoons
from pushforward.models.families.autoregressive import Autoregressive
from pushforward.models.families.cyclegan import CycleGAN
from pushforward.models.families.diffusion import Diffusion
from pushforward.models.families.flow import Flow
from pushforward.models.families.puzzle_gan import PuzzleGAN
from pushforward.models.families.stargan import StarGAN
from pushforward.models.families.text_to_image import TextToImage
from pushforward.models.families.vae import VAE
from pushforward.models.family import Family
from pushforward.models.form import form_of
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.text import Text
from pushforward.models.stepwise.program import State
from pushforward.models.tables.table import Table as Columns
from pushforward.models.training.data import load_data
from pushforward.models.training.reports.forecast import forecast
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import TimedOut
from pushforward.service.domain.inference import InferenceRequest, Op, Preview, Reply, Timing
from pushforward.service.engine.tasks import Task, task_of
from tests.apis.fakes import MOONS, card
from tests.apis.shifted import Shifted

DIGITS = VAE.model_validate({"latent": 4, "width": 8, "depth": 1})
LABELS = TwoMoons().spec.model_copy(update={"condition": Labels(n_classes=2)})
NAMED = TwoMoons().spec.model_copy(update={"condition": Labels(n_classes=2, names=("upper", "lower"))})
VECTORS = TwoMoons().spec.model_copy(update={"condition": Vector(shift=(0.0, 1.0, 2.0), scale=(1.0, 1.0, 2.0))})
CAPTIONED = TextToImage.model_validate({"width": 8, "latent": 2, "embedding": 8})
PUZZLE = PuzzleGAN.model_validate({"width": 8, "latent": 2, "features": 8, "patches": 2})
ATTRIBUTES = TwoMoons().spec.model_copy(update={"condition": Vector(shift=(0.5,) * 3, scale=(0.5,) * 3)})
TABLE = DataSpec(
    shape=(3,),
    table=Columns.model_validate(
        {
            "columns": [
                {"kind": "category", "name": "kind", "arrow_type": "string", "values": ["oak", "ash"]},
                {"kind": "constant", "name": "site", "arrow_type": "string", "value": "north"},
                {
                    "kind": "number",
                    "name": "height",
                    "arrow_type": "int64",
                    "transform": {"knots": [0, 50], "images": [-1, 1]},
                    "step": 1,
                    "low": 0,
                    "high": 60,
                    "missing": True,
                },
                {
                    "kind": "time",
                    "name": "planted",
                    "arrow_type": "date32[day]",
                    "unit": "day",
                    "start": 10_000,
                    "transform": {"knots": [0, 900], "images": [-1, 1]},
                    "step": 1,
                    "low": 0,
                    "high": 900,
                },
                {"kind": "identifier", "name": "id", "arrow_type": "string", "prefix": "T"},
            ]
        }
    ),
)
DENSE = DataSpec(
    shape=(1,),
    table=Columns.model_validate(
        {
            "columns": [
                {
                    "kind": "number",
                    "name": "height",
                    "arrow_type": "double",
                    "transform": {"knots": [0, 50], "images": [-1, 1]},
                    "low": 0,
                    "high": 60,
                }
            ]
        }
    ),
)
STEPWISE = Diffusion.model_validate({"steps": 20, "width": 8, "depth": 1})


@dataclass
class Kept:
    """A model in this process."""

    card: Card
    family: Family
    nets: Nets


def kept(
    name: str, family: Family, spec: DataSpec, *, able: tuple[Op, ...] | None = None, data: Source | None = None
) -> Kept:
    torch.manual_seed(0)
    form = form_of(family, spec)
    return Kept(card(name, family, spec, able=able, data=data), form, form.build(spec.varying).eval())


@functools.cache
def models() -> tuple[Kept, ...]:
    """Two moons, digits, a model that can only be sampled, one that takes steps, five that take a condition.

    And three that translate: between two labels, which have names or not, and to a vector of attributes.
    """
    digits = Digits()
    spec = digits.spec(digits.rows(Path()))
    return (
        kept("moons", MOONS, TwoMoons().spec),
        kept("digits", DIGITS, spec, data=digits),
        kept("sampler", MOONS, TwoMoons().spec, able=("sample", "decode")),
        kept("solid", MOONS, DataSpec(shape=(5,))),
        kept("stepwise", STEPWISE, TwoMoons().spec),
        kept("rows", Flow(n_transforms=1, width=8), TABLE),
        kept("drawn-rows", Flow(n_transforms=1, width=8), TABLE, able=("sample",)),
        kept("dense-rows", Flow(n_transforms=1, width=8), DENSE),
        kept("any-order", Autoregressive(any_order=True), TABLE),
        kept("coded-rows", VAE(latent=2, width=8), TABLE),
        kept("labeled", Shifted(), LABELS),
        kept("named", Shifted(), NAMED),
        kept("named-both-ways", CycleGAN.model_validate({"width": 8, "depth": 1}), NAMED),
        kept("measured", Shifted(), VECTORS),
        kept("free", Shifted(drop=True), LABELS),
        kept("puzzle", PUZZLE, spec),
        kept("captioned", CAPTIONED, spec.model_copy(update={"condition": Text(max_length=24)})),
        kept("both-ways", CycleGAN.model_validate({"width": 8, "depth": 1}), LABELS),
        kept("attributes", StarGAN.model_validate({"width": 8, "depth": 1}), ATTRIBUTES),
    )


@dataclass
class InProcessAsks:
    """`ports.Asks`: one forward pass a request, on this thread. `delay_s` is how long a worker is busy before."""

    kept: dict[str, Kept]
    delay_s: float = 0.0
    begun: int = 0
    cancelled: int = 0

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        self.begun += 1
        try:
            await asyncio.wait_for(asyncio.sleep(self.delay_s), timeout_s)
        except TimeoutError:
            raise TimedOut(f"no answer in {timeout_s:g} s") from None
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        since = time.perf_counter()
        if request.op == "forecast":
            arrays, info = {}, _foreseen(request)
        else:
            arrays, info = self._answer(self.kept[request.model.partition("@")[0]], request)
        compute_ms = 1000 * (time.perf_counter() - since)
        timing = Timing(linger_ms=0, queue_ms=0, compute_ms=compute_ms, total_ms=compute_ms, batch_rows=request.rows)
        return Reply(arrays, info, timing)

    async def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncIterator[Preview | Reply]:
        for preview in self._previews(self.kept[request.model.partition("@")[0]], request):
            yield preview
        yield await self.ask(request, timeout_s=timeout_s)

    def _previews(self, model: Kept, request: InferenceRequest) -> Iterator[Preview]:
        task, state, noise = _begun(model, request)
        steps = task.program.steps
        for k in range(steps - 1):
            with torch.no_grad():
                state = task.program.step(state, torch.full((request.rows,), k), noise)
            if request.preview_every and (k + 1) % request.preview_every == 0:
                seen = task.preview(state, noise)
                yield Preview(k + 1, steps, {name: rows.numpy() for name, rows in seen.items()})

    @torch.no_grad()
    def _answer(self, model: Kept, request: InferenceRequest) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        task, state, noise = _begun(model, request)
        for k in range(task.program.steps):
            state = task.program.step(state, torch.full((request.rows,), k), noise)
        output = task.output(task.program.finish(state, noise))
        return {name: rows.numpy() for name, rows in output.arrays.items()}, dict(output.info)


def _foreseen(request: InferenceRequest) -> dict[str, Any]:
    """Of a run whose data need no root."""
    run = Run.model_validate(request.options["run"] | {"data": {"source": "two_moons"}})
    told = forecast(run, load_data(run, Path()), torch.device("cpu"), 2**33)
    return told._asdict() | {"device": "cpu", "torch_threads": 1}


def _begun(model: Kept, request: InferenceRequest) -> tuple[Task[Any, Any], State, Noise]:
    """The rows of a request before their first step."""
    task = task_of(model, request, torch.device("cpu"))
    noise = Noise.rows(request.seed, request.rows, start=request.first)
    return task, task.program.init(task.prepare(request), noise), noise
