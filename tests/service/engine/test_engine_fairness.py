"""Keys share the device by what their calls cost, told by a clock that only networks move."""

from pathlib import Path

import pytest
import torch

from pushforward.service.domain.errors import TimedOut
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.costs import FIRST_CAP
from pushforward.service.engine.engine import Engine, Ticket
from pushforward.service.engine.model_cache import ModelCache
from tests.service.engine.engines import CPU, Clock, Done, begin, ticket, until_idle, watch
from tests.service.models_on_disk import MOONS, STEPS, put_model, put_steps

STEP_MS, QUICK_MS = 20.0, 2.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path, clock: Clock) -> Engine:
    """A sampler of 20 ms a step, and a decoder of 2 ms."""
    torch.set_num_threads(1)
    put_model(tmp_path)
    put_steps(tmp_path, steps=1000)
    model_cache = ModelCache(tmp_path, CPU, 2**30)
    watch(model_cache, STEPS, "denoiser", lambda _: clock.go(STEP_MS))
    watch(model_cache, MOONS, "decoder", lambda _: clock.go(QUICK_MS))
    return Engine(model_cache, CPU, clock=clock)


def sampler(clock: Clock, seed: int = 0, steps: int = 1000) -> Ticket:
    return ticket(InferenceRequest(STEPS, "sample", 2, seed, {"sampler": "ddim", "steps": steps}), 600, clock)


def quick(clock: Clock, seed: int = 0) -> Ticket:
    return ticket(InferenceRequest(MOONS, "sample", 1, seed), 600, clock)


def test_a_short_request_waits_for_one_step_of_a_long_sampler(engine: Engine, clock: Clock):
    begin(engine, sampler(clock))
    for seed in range(30):
        asked = quick(clock, seed)
        engine.add([asked])
        arrived, done = clock(), Done()
        while asked not in done.tickets:
            done.take(engine.turn())
        assert clock() - arrived <= (STEP_MS + QUICK_MS + 0.1) / 1000
        for _ in range(7):
            engine.turn()


def test_keys_under_load_get_the_same_time(engine: Engine, clock: Clock):
    begin(engine, sampler(clock))
    ms = {MOONS: 0.0, STEPS: 0.0}
    for seed in range(2000):
        engine.add([quick(clock, seed)])
        call = engine.turn().call
        assert call is not None
        ms[call.model] += call.ms
    assert ms[STEPS] == pytest.approx(ms[MOONS], rel=0.1)


def test_a_load_tells_what_is_foreseen(engine: Engine, clock: Clock):
    mine, other = sampler(clock, steps=50), quick(clock)
    assert engine.load(mine.key, "w").row_ms == 0
    begin(engine, mine, other)
    for _ in range(10):
        engine.turn()
    load = engine.load(mine.key, "w")
    left_ms = 2 * 50 * STEP_MS / 2 - 9 * STEP_MS
    assert (load.worker, load.keys) == ("w", 1)
    assert load.backlog_ms == load.key_backlog_ms == pytest.approx(left_ms, rel=0.1)
    short = quick(clock)
    engine.add([short])
    busier = engine.load(short.key, "w")
    assert busier.keys == 2
    assert busier.key_backlog_ms == pytest.approx(QUICK_MS, rel=0.1)
    assert busier.backlog_ms == pytest.approx(left_ms + QUICK_MS, rel=0.1)


def test_costs_are_known_after_a_key_came_to_rest(engine: Engine, clock: Clock):
    short = quick(clock)
    begin(engine, short)
    until_idle(engine)
    load = engine.load(short.key, "w")
    assert (load.keys, load.backlog_ms, load.key_backlog_ms) == (0, 0, 0)
    assert load.row_ms == pytest.approx(QUICK_MS / FIRST_CAP)


def test_a_request_that_would_be_late_for_sure_is_refused_before_it_begins(engine: Engine, clock: Clock):
    long = sampler(clock, steps=40)
    begin(engine, long)
    for _ in range(20):
        engine.turn()
    hopeless = ticket(
        InferenceRequest(STEPS, "sample", 2, 1, {"sampler": "ddim", "steps": 40}), 0.5 * 40 * STEP_MS / 1000, clock
    )
    in_time = ticket(
        InferenceRequest(STEPS, "sample", 2, 2, {"sampler": "ddim", "steps": 40}), 2 * 40 * STEP_MS / 1000, clock
    )
    engine.add([hopeless, in_time])
    turn = engine.turn()
    assert turn.done == [hopeless]
    assert isinstance(hopeless.error, TimedOut)
    assert clock() < hopeless.deadline
    done = until_idle(engine)
    assert [each.error for each in done.tickets] == [None, None]


def test_alone_even_a_request_that_seems_hopeless_is_tried(engine: Engine, clock: Clock):
    begin(engine, sampler(clock, steps=40))
    until_idle(engine)
    late = ticket(
        InferenceRequest(STEPS, "sample", 2, 1, {"sampler": "ddim", "steps": 40}), 0.5 * 40 * STEP_MS / 1000, clock
    )
    engine.add([late])
    assert engine.turn().done == []
    assert late.joined == 2


def test_the_time_between_turns_is_foreseen(engine: Engine, clock: Clock):
    mine = sampler(clock, steps=1000)
    begin(engine, mine)
    for _ in range(50):
        engine.turn()
    swift = engine.load(mine.key, "w").pass_ms
    for _ in range(200):
        clock.go(STEP_MS)  # to read and to reply
        engine.turn()
    assert engine.load(mine.key, "w").pass_ms == pytest.approx(2 * swift, rel=0.1)
