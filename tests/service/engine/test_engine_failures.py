"""Calls that fail, and calls that do not fit: who is to blame pays, and nobody else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.costs import FIRST_CAP
from pushforward.service.engine.engine import Engine
from pushforward.service.engine.model_cache import ModelCache
from tests.service.engine.engines import CPU, answered, asked, begin, close_to, library, ticket, until_idle, watch
from tests.service.models_on_disk import MOONS, STEPS, put_model, put_steps

POISON = 777.0
X = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)


@pytest.fixture
def model_cache(tmp_path: Path) -> ModelCache:
    torch.set_num_threads(1)
    put_model(tmp_path)
    put_steps(tmp_path)
    return ModelCache(tmp_path, CPU, 2**30)


@pytest.fixture
def engine(model_cache: ModelCache) -> Engine:
    return Engine(model_cache, CPU)


def poisoned(x: Tensor) -> None:
    if (x > POISON / 2).any():
        raise RuntimeError("a marked value")


def no_more_than(rows: list[int]) -> Callable[[Tensor], None]:
    def check(x: Tensor) -> None:
        if len(x) > rows[0]:
            raise torch.OutOfMemoryError(f"{len(x)} rows")

    return check


def encode(first: int, n: int) -> InferenceRequest:
    return InferenceRequest(MOONS, "encode", n, 0, {}, {"x": X[first : first + n]})


@pytest.mark.parametrize("guilty", [(0,), (6,), (2, 9), (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)], ids=str)
def test_the_guilty_are_refused_and_only_they(engine: Engine, model_cache: ModelCache, guilty: tuple[int, ...]):
    watch(model_cache, MOONS, "encoder", poisoned)
    marked = np.full((2, 2), POISON, np.float32)
    requests = [
        InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": marked}) if i in guilty else encode(i, 3) for i in range(10)
    ]
    tickets = [ticket(request) for request in requests]
    done = asked(engine, tickets)
    for i, each in enumerate(tickets):
        if i in guilty:
            assert isinstance(each.error, Failed)
        else:
            assert each.error is None
            close_to(each.arrays["z"], answered(engine, requests[i])[0].arrays["z"])
    assert {call.reason for call in done.calls} <= {"alone"}


def test_innocent_rows_of_a_sampler_go_on_from_where_they_stood(
    engine: Engine, model_cache: ModelCache, tmp_path: Path
):
    """The one that fails does so at its third step; the steps of the others are counted."""
    steps = {"sampler": "ddim", "steps": 6}
    tickets = [ticket(InferenceRequest(STEPS, "sample", n, n, steps)) for n in (1, 2, 3, 4)]
    expected = [library(tmp_path, each.request) for each in tickets]
    rows_seen: list[int] = []

    def third_row_fails(x: Tensor) -> None:
        marked = (x[:, None] == bad_state).all(-1).any() if bad_state is not None else False
        if marked:
            raise RuntimeError("a marked row")
        rows_seen.append(len(x))

    bad_state: Tensor | None = None
    watch(model_cache, STEPS, "denoiser", third_row_fails)
    begin(engine, *tickets)
    engine.turn()
    (group,) = engine._groups
    running = group._running[0].running
    assert running is not None
    bad_state = running.state[0][1:3].clone()  # of the second request
    until_idle(engine)
    assert isinstance(tickets[1].error, Failed)
    for i in (0, 2, 3):
        assert tickets[i].error is None
        close_to(tickets[i].arrays["samples"], expected[i])
    assert sum(rows_seen) == 2 * 10 + 4 * 8


def test_what_does_not_fit_is_computed_in_parts(engine: Engine, model_cache: ModelCache):
    requests = [encode(0, 50), encode(50, 13), encode(63, 1)]
    alone = [each.arrays["z"] for each in answered(engine, *requests)]
    watch(model_cache, MOONS, "encoder", no_more_than([7]))
    for each, expected in zip(answered(engine, *requests), alone, strict=True):
        assert each.error is None
        close_to(each.arrays["z"], expected)
        assert each.batch_rows <= 7


def test_a_sampler_that_does_not_fit_goes_on_in_parts(engine: Engine, model_cache: ModelCache, tmp_path: Path):
    room = [1000]
    watch(model_cache, STEPS, "denoiser", no_more_than(room))
    tickets = [
        ticket(InferenceRequest(STEPS, "sample", n, n, {"sampler": "ddim", "steps": 6, "eta": 1.0}))
        for n in (30, 5, 80)
    ]
    expected = [library(tmp_path, each.request) for each in tickets]
    begin(engine, *tickets)
    room[0] = 9
    until_idle(engine)
    for each, samples in zip(tickets, expected, strict=True):
        assert each.error is None
        close_to(each.arrays["samples"], samples)


def test_one_row_that_does_not_fit_is_refused_with_the_reason(engine: Engine, model_cache: ModelCache):
    watch(model_cache, MOONS, "encoder", no_more_than([0]))
    for each in answered(engine, encode(0, 5), encode(5, 1)):
        assert isinstance(each.error, Failed)
        assert "one row of this request does not fit" in each.error.detail


def test_the_cap_is_halved_and_recovers(engine: Engine, model_cache: ModelCache):
    room = [FIRST_CAP // 2 - 1]
    watch(model_cache, MOONS, "encoder", no_more_than(room))
    caps = [call.cap for call in asked(engine, [ticket(encode(0, 200))]).calls]
    assert max(caps) <= FIRST_CAP // 4
    room[0] = 1000
    later = [call.cap for _ in range(30) for call in asked(engine, [ticket(encode(0, 200))]).calls]
    assert max(later) >= FIRST_CAP


def test_a_model_that_answers_other_than_a_row_for_each_is_at_fault(engine: Engine, model_cache: ModelCache):
    def two_rows_less(module: torch.nn.Module, given: tuple[Tensor], out: Tensor) -> Tensor:
        return out[2:]

    watch(model_cache, MOONS, "encoder", lambda _: None)
    pin = model_cache.pin(MOONS)
    pin.model.nets["encoder"].register_forward_hook(two_rows_less)
    for each in answered(engine, encode(0, 5), encode(5, 3)):
        assert isinstance(each.error, Failed)
