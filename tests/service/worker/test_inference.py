"""`service.worker.inference`: rounds of the inference thread, by hand and in a real Celery worker process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.messages import Answered, Cancelled, FramedRequest, Refusal, Requests
from pushforward.service.dispatch.workers import RedisWorkers
from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.tickets import Turn
from pushforward.service.settings import Settings
from pushforward.service.worker.inference import InferenceThread
from tests.service.conftest import until
from tests.service.models_on_disk import MOONS, STEPS, put_model, put_steps
from tests.service.worker.raw_gateway import RawGateway, raw_gateway, requests


@pytest.fixture
def thread(redis_url: str, tmp_path: Path) -> Iterator[InferenceThread]:
    """One that is not started: the test goes its rounds."""
    put_model(tmp_path / "store")
    put_steps(tmp_path / "store", steps=1000)
    thread = InferenceThread(Settings(redis_url=redis_url, store=tmp_path / "store", device="cpu", beat_s=60.0))
    yield thread
    thread._listener.close()
    thread._engine.close()
    thread._sender.stop()


@contextmanager
def met(thread: InferenceThread) -> Iterator[RawGateway]:
    with raw_gateway(thread._listener.port) as gateway:
        known = len(thread._listener._peers)
        until_round(thread, lambda: len(thread._listener._peers) > known)
        gateway.greet(thread._listener.secret)
        until_round(thread, lambda: thread._listener._peers[-1].is_proven)
        yield gateway


def until_round(thread: InferenceThread, happened: object) -> None:
    thread._listener.wake()
    until(lambda: bool(thread._go_round() or thread._listener.wake() or happened()))  # type: ignore[operator]


def steps(id: int, rows: int = 4) -> Requests:
    return requests(id, rows=rows, model=STEPS)


def test_what_is_answered_and_what_is_refused_goes_to_who_asked(thread: InferenceThread):
    bad = InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": np.zeros((2, 5), np.float32)})
    with met(thread) as one, met(thread) as other:
        one.say(requests(1, 2, rows=3))
        other.say(Requests(0.0, (FramedRequest(1, bad, 60_000.0),)))
        until_round(thread, lambda: not thread.busy and thread._rounds > 20)
        answered = one.read_replies()
        (refused,) = other.read_replies().replies
    assert [(type(reply), reply.id) for reply in answered.replies] == [(Answered, 1), (Answered, 2)]
    assert answered.load is not None
    assert answered.load.worker == thread.id
    assert isinstance(refused, Refusal)


def test_a_cancelled_request_frees_its_rows_within_a_step(thread: InferenceThread):
    with met(thread) as gateway:
        gateway.say(steps(1), steps(2, rows=1))
        until_round(thread, lambda: thread.busy and _calls(thread) > 2)
        gateway.say(Cancelled((1, 2)))
        calls = _calls(thread)
        thread._go_round()
        assert not thread.busy
        assert _calls(thread) == calls


def test_a_gateway_that_is_gone_frees_its_rows_within_a_step(thread: InferenceThread):
    with met(thread) as staying:
        with met(thread) as gone:
            gone.say(steps(1))
            staying.say(steps(2))
            until_round(thread, lambda: len(thread._in_flight.tickets) == 2 and _calls(thread) > 2)
        thread._go_round()
        (left,) = thread._in_flight.tickets
        assert left.request.seed == 2
        staying.say(Cancelled((2,)))
        thread._go_round()
    assert not thread.busy


def _calls(thread: InferenceThread) -> float:
    lines = thread.telemetry.metrics.exposition().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("pushforward_worker_releases_total"))


def test_a_request_whose_deadline_passed_on_its_way_is_refused(thread: InferenceThread):
    with met(thread) as gateway:
        late = FramedRequest(1, InferenceRequest(STEPS, "sample", 1, 1), 0.0)
        gateway.say(Requests(0.0, (late,)))
        until_round(thread, lambda: not thread.busy and thread._rounds > 5)
        (refused,) = gateway.read_replies().replies
    assert isinstance(refused, Refusal)
    assert refused.slug == "timed-out"


def test_a_defect_refuses_what_is_in_flight_and_the_next_is_answered(
    thread: InferenceThread, monkeypatch: pytest.MonkeyPatch
):
    def defective() -> None:
        monkeypatch.undo()
        raise ZeroDivisionError

    with met(thread) as gateway:
        gateway.say(steps(1))
        until_round(thread, lambda: thread.busy)
        monkeypatch.setattr(thread._engine, "turn", defective)
        thread._go_round()
        (refused,) = gateway.read_replies().replies
        gateway.say(requests(2))
        until_round(thread, lambda: not thread.busy and thread._rounds > 10)
        (answered,) = gateway.read_replies().replies
    assert isinstance(refused, Refusal)
    assert refused.slug == Failed.slug
    assert isinstance(answered, Answered)


def test_an_answer_that_no_frame_can_hold_is_refused_and_the_others_arrive(
    thread: InferenceThread, monkeypatch: pytest.MonkeyPatch
):
    turn = thread._engine.turn

    def spoiled() -> Turn:
        done = turn()
        for ticket in done.done:
            if ticket.request.seed == 1:
                ticket.info = {"beyond": 2**64}
        return done

    monkeypatch.setattr(thread._engine, "turn", spoiled)
    with met(thread) as gateway, met(thread) as other:
        gateway.say(requests(1))
        other.say(requests(2))
        until_round(thread, lambda: not thread.busy and thread._rounds > 10)
        (refused,) = gateway.read_replies().replies
        (answered,) = other.read_replies().replies
    assert isinstance(refused, Refusal)
    assert (refused.id, refused.slug) == (1, Failed.slug)
    assert isinstance(answered, Answered)


async def test_a_celery_worker_answers_and_leaves_on_sigterm(redis_url: str, tmp_path: Path):
    store = tmp_path / "store"
    put_model(store)
    settings = Settings(redis_url=redis_url, store=store, device="cpu")
    environment = {
        **os.environ,
        "PUSHFORWARD_REDIS_URL": redis_url,
        "PUSHFORWARD_STORE": str(store),
        "PUSHFORWARD_DEVICE": "cpu",
    }
    process = subprocess.Popen([sys.executable, "-m", "pushforward.service.worker"], env=environment)
    asks, workers = Dispatcher(settings), RedisWorkers(settings)
    try:
        async with asyncio.timeout(60):
            while not await workers.live():
                await asyncio.sleep(0.05)
        reply = await asks.ask(InferenceRequest(MOONS, "sample", 3, 1), timeout_s=20)
        assert reply.arrays["samples"].shape == (3, 2)
        (worker,) = await workers.live()
        assert worker.device == "cpu"
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 40)
        assert await workers.live() == []
    finally:
        process.kill()
        process.wait()
        await asks.close()
        await workers.close()
