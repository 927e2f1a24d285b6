"""A worker that is told to stop while Redis is away pauses between its attempts, and says so once."""

import asyncio
import logging
import signal

import pytest

from pushforward.service.domain.jobs import State
from pushforward.service.worker import inference as inference_module
from pushforward.service.worker.inference import InferenceThread
from tests.faults.asking import until_alive
from tests.faults.place import Place

LINES = 12  # one of each who misses Redis, and what Celery tells of its retries


@pytest.mark.parametrize("away", ["killed", "stopped"])
async def test_a_thread_told_to_stop_while_redis_is_away_says_so_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, away: str
) -> None:
    monkeypatch.setattr(inference_module, "LEAVE_S", 3.0)
    monkeypatch.setattr("pushforward.service.stores.redis_client.COMMAND_S", 0.3)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    thread = InferenceThread(settings)
    thread.start()
    await until_alive(settings)
    caplog.clear()
    place.redis.send_signal(signal.SIGKILL if away == "killed" else signal.SIGSTOP)
    await asyncio.sleep(0.1)
    await asyncio.to_thread(thread.stop)
    await asyncio.to_thread(thread.join, 30)  # its last commands may each take their time limit
    place.redis.send_signal(signal.SIGCONT)
    assert not thread.is_alive()
    assert thread._rounds < 60
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) <= 4, [record.message for record in told]


async def test_a_whole_worker_told_to_stop_while_redis_is_away_writes_few_lines(place: Place) -> None:
    job = await place.create(10_000_000)
    with place.worker() as process:
        await place.until_checkpointed(job)
        before = len((place.folder / "worker.log").read_text().splitlines())
        place.kill_redis()
        await asyncio.sleep(0.3)
        process.terminate()
        await asyncio.sleep(2.0)
        place.start_redis()
        assert await asyncio.to_thread(process.wait, 60) is not None
    lines = (place.folder / "worker.log").read_text().splitlines()[before:]
    ours = [line for line in lines if " worker " in line]
    assert 1 <= len(ours) <= LINES, "\n".join(ours)
    seen = await place.until(job, State.QUEUED, State.RUNNING)
    assert not seen.state.is_final
