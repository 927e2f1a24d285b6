"""Whatever comes when: every request gets its own rows, as if it had been alone, or the refusal that it earned.

Asks of several keys, cancels, deadlines, poisoned requests, a device that is short of memory, and versions that are
deleted and made anew come in any order. The oracle is the library, asked for each request by itself.
"""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pushforward.models.family import Encodes, Samples, Scores
from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import no_condition
from pushforward.models.storage.model import load_model
from pushforward.service.domain.errors import Failed, NotFound, TimedOut
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.engine import Engine, Ticket
from pushforward.service.engine.model_cache import ModelCache
from tests.service.engine.engines import CPU, Clock, Done, Watched, held, ticket
from tests.service.models_on_disk import MOONS, STEPS, put_model, put_steps

POISON = 777.0
POISON_SEED, POISON_STEP = 13, 2  # a sampler's request that fails when it has come so far
STEPPED = {"sampler": "ddim", "steps": 4, "eta": 1.0}
SCORED = {"steps": 4, "divergence": "hutchinson", "draws": 2}
AMPLE = 10_000  # rows of a device with memory
NETWORKS = {MOONS: ("encoder", "decoder"), STEPS: ("denoiser",)}
Frames = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Ask:
    kind: str  # a model and an op
    rows: int
    seed: int
    first: int
    seconds: float
    poisoned: bool
    preview_every: int


@dataclass(frozen=True)
class Cancel:
    which: int


@dataclass(frozen=True)
class Go:
    turns: int
    seconds: float


@dataclass(frozen=True)
class Room:
    rows: int


@dataclass(frozen=True)
class Replace:
    by: str  # another version of the same number, or none


EVENTS = st.one_of(
    st.builds(
        Ask,
        kind=st.sampled_from(["draw", "bound", "encode", "steps", "steps", "flow"]),
        rows=st.sampled_from([1, 2, 5, 70]),
        seed=st.integers(0, 3),
        first=st.sampled_from([0, 9]),
        seconds=st.sampled_from([3.0, 50.0, 50.0]),
        poisoned=st.sampled_from([False, False, False, True]),
        preview_every=st.sampled_from([0, 0, 1, 3]),
    ),
    st.builds(Go, turns=st.integers(1, 4), seconds=st.sampled_from([0.0, 0.0, 2.0])),
    st.builds(Cancel, st.integers(0, 9)),
    st.builds(Room, st.sampled_from([4, 9, AMPLE])),
    st.builds(Replace, st.sampled_from(["a", "b", ""])),
)


def request(ask: Ask) -> InferenceRequest:
    rows = ask.rows
    x = np.random.default_rng([ask.seed, rows]).normal(size=(rows, 2)).astype(np.float32)
    if ask.poisoned:
        x[-1] = POISON
    match ask.kind:
        case "draw":
            return InferenceRequest(MOONS, "sample", rows, ask.seed, {}, {}, ask.first)
        case "bound":
            return InferenceRequest(MOONS, "likelihood", rows, ask.seed, {"k": 2}, {"x": x})
        case "encode":
            return InferenceRequest(MOONS, "encode", rows, 0, {}, {"x": x})
        case "flow":
            return InferenceRequest(STEPS, "likelihood", rows, ask.seed, SCORED, {"x": x})
    seed, first = (POISON_SEED, 0) if ask.poisoned else (ask.seed, ask.first)
    return InferenceRequest(STEPS, "sample", rows, seed, STEPPED, {}, first, ask.preview_every)


class Shelf:
    """Versions to put into a store, and what the library answers with them."""

    def __init__(self, folder: Path) -> None:
        self.folders = {"moons": put_model(folder / "moons")}
        for seed, letter in enumerate("ab"):
            self.folders[letter] = put_steps(folder / letter, seed=seed)
        self.load = cache(lambda name: load_model(self.folders[name], CPU))
        self.oracle: Callable[[str, Ask], dict[str, np.ndarray]] = cache(self._answer)
        self.frames: Callable[[str, int, int, int], Frames] = cache(self._frames)

    def put(self, store: Path, name: str, reference: str) -> None:
        """In the place of whatever is there."""
        place = store / reference.replace("@", "/")
        shutil.rmtree(place, ignore_errors=True)
        if name:
            shutil.copytree(self.folders[name], place, copy_function=shutil.copyfile)

    @torch.no_grad()
    def _frames(self, name: str, seed: int, first: int, rows: int) -> Frames:
        """The rows of a sampler after each step."""
        model = self.load(name)
        assert isinstance(model.family, Samples)
        sampler = model.family.sampler(model.nets, model.family.SampleOptions.model_validate(STEPPED))
        noise = Noise.rows(seed, rows, start=first)
        states = [sampler.init((no_condition(noise),), noise)]
        for k in range(sampler.steps):
            states.append(sampler.step(states[-1], torch.full((rows,), k), noise))
        return tuple(sampler.finish(state, noise).numpy() for state in states)

    @torch.no_grad()
    def _answer(self, name: str, ask: Ask) -> dict[str, np.ndarray]:
        asked, model = request(ask), self.load(name)
        family, nets = model.family, model.nets
        noise = Noise.rows(asked.seed, asked.rows, start=asked.first)
        x = {key: torch.from_numpy(array) for key, array in asked.arrays.items()}
        match asked.op:
            case "encode":
                assert isinstance(family, Encodes)
                return {"z": family.encode(nets, x["x"], no_condition(x["x"])).numpy()}
            case "likelihood":
                assert isinstance(family, Scores)
                options = family.ScoreOptions.model_validate(dict(asked.options))
                score = family.log_prob(nets, x["x"], no_condition(x["x"]), noise, options)
                assert score.std_error is not None
                return {"log_prob": score.value.numpy(), "std_error": score.std_error.numpy()}
        assert isinstance(family, Samples)
        if name != "moons":
            return {"samples": self.frames(name, asked.seed, asked.first, asked.rows)[-1]}
        sampler = family.sampler(nets, family.SampleOptions())
        state = sampler.step(
            sampler.init((no_condition(noise),), noise), torch.zeros(asked.rows, dtype=torch.int64), noise
        )
        return {"samples": sampler.finish(state, noise).numpy()}


@dataclass
class Play:
    """An engine, what it was asked, and what it should have answered."""

    shelf: Shelf
    store: Path
    version: str = "a"
    clock: Clock = field(default_factory=Clock)
    room: int = AMPLE
    asked: dict[Ticket, tuple[Ask, str]] = field(default_factory=dict)  # and the version there was
    cancelled: set[Ticket] = field(default_factory=set)
    late: set[Ticket] = field(default_factory=set)
    done: Done = field(default_factory=Done)

    def __post_init__(self) -> None:
        self.shelf.put(self.store, "moons", MOONS)
        self.shelf.put(self.store, "a", STEPS)
        self.model_cache = ModelCache(self.store, CPU, 2**30)
        self.engine = Engine(self.model_cache, CPU, clock=self.clock)
        self.marks: list[Tensor] = []
        for letter in "ab":
            model = self.shelf.load(letter)
            for rows in (1, 2, 5, 70):
                seen = self.shelf.frames(letter, POISON_SEED, 0, rows)[POISON_STEP][-1]
                self.marks.append(model.nets.spec.normalize(torch.from_numpy(seen[None])))

    def take(self, event: object) -> None:
        match event:
            case Ask():
                self._ask(event)
            case Cancel(which):
                waiting = [each for each in self.asked if each not in set(self.done.tickets)]
                gone = waiting[which : which + 1]
                self.cancelled |= {each for each in gone if each not in self.cancelled}
                self.engine.cancel(gone)
            case Go(turns, seconds):
                self.clock.now += seconds
                for _ in range(turns):
                    self._turn()
            case Room(rows):
                self.room = rows
            case Replace(by):
                self.version = by
                self.shelf.put(self.store, by, STEPS)

    def end(self) -> None:
        while self.engine.busy:
            self.engine.wait(10)
            self._turn()

    def _ask(self, ask: Ask) -> None:
        asked = ticket(request(ask), ask.seconds, self.clock)
        version = "moons" if asked.request.model == MOONS else self.version
        self.asked[asked] = ask, version
        self.engine.add([asked])
        if version:
            with held(self.model_cache, asked.request.model) as model:
                for name in NETWORKS[asked.request.model]:
                    if not isinstance(model.nets[name], Watched):
                        model.nets[name] = Watched(model.nets[name], self._guard)
        else:
            with pytest.raises(NotFound), held(self.model_cache, STEPS):
                pass

    def _guard(self, x: Tensor) -> None:
        if len(x) > self.room:
            raise torch.OutOfMemoryError(f"{len(x)} rows")
        if (x > POISON / 4).any():
            raise RuntimeError("a marked value")
        if any((x - mark).abs().amax(1).lt(1e-5).any() for mark in self.marks):
            raise RuntimeError("a marked row")

    def _turn(self) -> None:
        out = set(self.done.tickets) | self.cancelled
        self.late |= {each for each in self.asked if each not in out and each.deadline <= self.clock()}
        turn = self.done.take(self.engine.turn())
        assert turn.call is None or turn.call.rows <= max(turn.call.cap, 1)

    def check(self) -> None:
        assert Counter(self.done.tickets) == Counter(list(self.asked))
        for asked, (ask, version) in self.asked.items():
            self._check(asked, ask, version)
        for asked, preview in self.done.previews:
            ask, version = self.asked[asked]
            frames = self.shelf.frames(version, asked.request.seed, asked.request.first, ask.rows)
            np.testing.assert_allclose(preview.arrays["samples"], frames[preview.step], rtol=1e-4, atol=1e-4)
        assert not [each for each in self.model_cache._models.values() if each.pins]  # all models were let go
        assert not self.engine.ready

    def _check(self, asked: Ticket, ask: Ask, version: str) -> None:
        shown = [preview.step for each, preview in self.done.previews if each is asked]
        assert shown == sorted(set(shown))
        if asked in self.cancelled:
            assert isinstance(asked.error, TimedOut)
            assert asked.error.detail == "given up"
        elif asked in self.late:
            assert isinstance(asked.error, TimedOut)
        elif not version:
            assert isinstance(asked.error, NotFound)
        elif ask.poisoned and ask.kind != "draw":
            assert isinstance(asked.error, Failed)
            assert "the worker's log tells why" in asked.error.detail
        else:
            assert asked.error is None
            for name, expected in self.shelf.oracle(version, ask).items():
                assert asked.arrays[name].dtype == expected.dtype
                np.testing.assert_allclose(asked.arrays[name], expected, rtol=1e-4, atol=1e-4)
            every = asked.request.preview_every
            assert shown == (list(range(every, STEPPED["steps"], every)) if every else [])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    torch.set_num_threads(1)
    return Shelf(tmp_path_factory.mktemp("shelf"))


@settings(max_examples=120, derandomize=True, deadline=None, database=None)
@given(events=st.lists(EVENTS, min_size=3, max_size=25))
def test_any_interleaving_answers_every_request_as_if_alone(
    events: list[object], shelf: Shelf, tmp_path_factory: pytest.TempPathFactory
):
    store = tmp_path_factory.mktemp("store")
    play = Play(shelf, store)
    for event in events:
        play.take(event)
    play.end()
    play.check()
    shutil.rmtree(store)
