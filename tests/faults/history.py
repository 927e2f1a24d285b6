"""Clients whose requests and replies are remembered: in the end each has its answer, and it is the right one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic

import numpy as np
import torch

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.domain.errors import Overloaded, ServiceError
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.engine.engine import Engine, Ticket
from pushforward.service.engine.model_cache import ModelCache
from pushforward.service.settings import Settings
from pushforward.service.stores.disk_models import publish
from tests.service.models_on_disk import MOONS, STEPS, put_model, put_steps

X = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
PATIENCE_S = 60.0
OTHER = "other@1"


def put_models(settings: Settings) -> None:
    put_model(settings.store)
    put_model(settings.store, OTHER, seed=1)
    put_steps(settings.store, steps=60)


def publish_moons(settings: Settings) -> None:
    """Gateways want its card as well."""
    folder = (settings.store / "moons" / "1").rename(settings.store.parent / "made")
    publish(folder, settings.store, model="moons", version=1, job="a")


def random_request(rng: np.random.Generator) -> InferenceRequest:
    n, at, seed = int(rng.integers(1, 20)), int(rng.integers(40)), int(rng.integers(2**63))
    choices = [
        InferenceRequest(MOONS, "sample", n, seed, first=int(rng.integers(100))),
        InferenceRequest(MOONS, "likelihood", n, seed, {"k": int(rng.integers(1, 3))}, {"x": X[at : at + n]}),
        InferenceRequest(MOONS, "encode", n, 0, {}, {"x": X[at : at + n]}),
        InferenceRequest(OTHER, "decode", n, 0, {}, {"z": X[at : at + n]}),
        InferenceRequest(STEPS, "sample", n, seed, {"sampler": "ancestral"}),
        InferenceRequest(STEPS, "sample", n, seed, {"steps": 7}),
    ]
    return choices[rng.integers(len(choices))]


@dataclass
class Asked:
    """A request, when it was asked, and what came of it."""

    request: InferenceRequest
    began: float
    ended: float = float("inf")
    outcome: Reply | BaseException | None = None


class History:
    """What clients asked, and the answers."""

    def __init__(self, settings: Settings, seed: int = 7) -> None:
        device = torch.device("cpu")
        self._engine = Engine(ModelCache(settings.store, device, settings.memory_bytes), device)
        self._rng = np.random.default_rng(seed)
        self.asked: list[Asked] = []

    async def ask(
        self, gateway: Dispatcher, request: InferenceRequest | None = None, *, timeout_s: float = PATIENCE_S
    ) -> Asked:
        """As a client asks that tries again later when it is told to."""
        asked = Asked(request or random_request(self._rng), monotonic())
        self.asked.append(asked)
        while True:
            try:
                asked.outcome = await gateway.ask(asked.request, timeout_s=timeout_s)
            except Overloaded as error:
                await asyncio.sleep(min(0.5, error.retry_after_s or PATIENCE_S))
                continue
            except (ServiceError, asyncio.CancelledError) as error:
                asked.outcome = error
            asked.ended = monotonic()
            return asked

    @asynccontextmanager
    async def clients(
        self, gateways: Sequence[Dispatcher], n: int = 6, *, pause_s: float = 0.01
    ) -> AsyncIterator[None]:
        """Each asks one request after the other until the block ends."""
        is_over = asyncio.Event()

        async def ask_again_and_again(gateway: Dispatcher) -> None:
            while not is_over.is_set():
                await self.ask(gateway)
                await asyncio.sleep(pause_s)

        asking = [asyncio.create_task(ask_again_and_again(gateways[i % len(gateways)])) for i in range(n)]
        try:
            yield
        finally:
            is_over.set()
            await asyncio.gather(*asking)

    def check(self, but: type[BaseException] | tuple[type[BaseException], ...] = ()) -> None:
        """Each request has an answer, and it is what the request gets alone, in this process."""
        for asked in self.asked:
            if not isinstance(asked.outcome, but):
                told = replace(asked.request, arrays={})
                assert isinstance(asked.outcome, Reply), f"{told} was answered by {asked.outcome!r}"
                assert_equal(self.alone(asked.request), asked.outcome)

    def alone(self, request: InferenceRequest) -> Ticket:
        ticket = Ticket(request, deadline=float("inf"))
        self._engine.add([ticket])
        while self._engine.busy:
            self._engine.turn()
        return ticket


def assert_equal(alone: Ticket, reply: Reply) -> None:
    assert alone.arrays.keys() == reply.arrays.keys()
    for name, array in alone.arrays.items():
        np.testing.assert_allclose(reply.arrays[name], array, rtol=1e-3, atol=1e-4)
