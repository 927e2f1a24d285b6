"""Engines to ask, and networks of which a test decides what they cost and when they fail."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from torch import Tensor, nn

from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import sample
from pushforward.models.storage.model import Model, load_model
from pushforward.service.domain.inference import InferenceRequest, Preview
from pushforward.service.engine.engine import Call, Engine, Ticket, Turn
from pushforward.service.engine.model_cache import ModelCache

CPU = torch.device("cpu")


@dataclass
class Clock:
    """Stands still unless it is told to go."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def go(self, ms: float) -> None:
        self.now += ms / 1000


class Watched(nn.Module):
    """A network with a spy at its entrance."""

    def __init__(self, network: nn.Module, before: Callable[[Tensor], None]) -> None:
        super().__init__()
        self.network = network
        self.before = before

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        self.before(x)
        return self.network(x, *more)


@contextmanager
def held(model_cache: ModelCache, reference: str) -> Iterator[Model]:
    """A model that stays in memory meanwhile."""
    pin = model_cache.pin(reference)
    try:
        yield pin.model
    finally:
        pin.release()


def watch(model_cache: ModelCache, reference: str, network: str, before: Callable[[Tensor], None]) -> None:
    """See what a network of a model is given, as long as the model stays in memory."""
    with held(model_cache, reference) as model:
        model.nets[network] = Watched(model.nets[network], before)


def ticket(request: InferenceRequest, seconds: float = 60.0, clock: Callable[[], float] = monotonic) -> Ticket:
    return Ticket(request, clock() + seconds)


@dataclass
class Done:
    """What came out of an engine."""

    tickets: list[Ticket] = field(default_factory=list)
    previews: list[tuple[Ticket, Preview]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def take(self, turn: Turn) -> Turn:
        self.tickets += turn.done
        self.previews += turn.previews
        self.calls += [turn.call] if turn.call else []
        return turn


def until_idle(engine: Engine) -> Done:
    done = Done()
    while engine.busy:
        engine.wait(10)
        done.take(engine.turn())
    return done


def asked(engine: Engine, tickets: Iterable[Ticket], under_way: Iterable[Ticket] = ()) -> Done:
    """Every request comes out once."""
    given = list(tickets)
    engine.add(given)
    done = until_idle(engine)
    assert sorted(map(id, done.tickets)) == sorted(map(id, [*given, *under_way]))
    return done


def answered(engine: Engine, *requests: InferenceRequest) -> list[Ticket]:
    tickets = [ticket(request) for request in requests]
    asked(engine, tickets)
    return tickets


def begin(engine: Engine, *tickets: Ticket) -> Turn:
    """Add requests, wait for their models, and take the first turn."""
    engine.add(tickets)
    engine.wait(10)
    return engine.turn()


def library(store: Path, request: InferenceRequest) -> np.ndarray:
    """The samples that the library draws by itself."""
    name, _, version = request.model.partition("@")
    model = load_model(store / name / version, CPU)
    sampler = model.family.sampler(model.nets, model.family.SampleOptions.model_validate(dict(request.options)))
    noise = Noise.rows(request.seed, request.rows, start=request.first)
    return np.asarray(model.nets.spec.quantize(sample(sampler, noise)))


def close_to(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
