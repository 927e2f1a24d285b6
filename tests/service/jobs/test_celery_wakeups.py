"""`service.jobs.celery_wakeups`: a wake-up is a message; losing it is not an error."""

import json
import logging

import pytest
import redis

from pushforward.service.domain.ports import NewJob
from pushforward.service.jobs.celery_wakeups import CeleryWakeups, celery_app
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import broker_url


async def test_a_wakeup_waits_on_the_queue(redis_url: str) -> None:
    await CeleryWakeups(Settings(redis_url=redis_url)).wake("a-job")
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.llen("pf:train") == 1
        message = json.loads(str(client.lindex("pf:train", 0)))
    assert message["headers"]["task"] == "pushforward.train"
    assert message["headers"]["argsrepr"] == "('a-job',)"


async def test_no_job_is_announced_again_while_wakeups_wait(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    job, _ = await jobs.create(NewJob(model="moons", run={}))
    await CeleryWakeups(settings).wake("another-job")
    assert runs.unannounced(0) == []
    with redis.Redis.from_url(redis_url) as client:
        client.delete("pf:train")
    assert runs.unannounced(0) == [job.id]
    await jobs.close()
    runs.close()


async def test_a_job_put_back_is_announced_at_once_however_long_the_queue_is(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    job, _ = await jobs.create(NewJob(model="moons", run={}))
    await CeleryWakeups(settings).wake("another-job")
    runs.claim("train", "a-worker")
    runs.give_back(job.id, 1)
    assert runs.unannounced(600) == [job.id]
    assert runs.unannounced(600) == []
    await jobs.close()
    runs.close()


async def test_a_wakeup_that_cannot_be_sent_is_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await CeleryWakeups(Settings(redis_url="unix:///nonexistent/redis.sock")).wake("a-job")
    assert "the reconciler will tell again" in caplog.text


def test_messages_are_json_acknowledged_early_and_leave_no_result() -> None:
    conf = celery_app(Settings()).conf
    assert (conf.accept_content, conf.task_acks_late, conf.task_ignore_result) == (["json"], False, True)
    assert conf.result_backend is None


@pytest.mark.parametrize(
    ("url", "secret", "broker"),
    [
        ("redis://redis:6379/0", None, "redis://redis:6379/0"),
        ("redis://redis:6379/0", "p@ss", "redis://:p%40ss@redis:6379/0"),
        ("rediss://user:old@redis/1", "new", "rediss://user:new@redis/1"),
        ("unix:///run/redis.sock", None, "redis+socket:///run/redis.sock"),
        ("unix:///run/redis.sock", "secret", "redis+socket://:secret@/run/redis.sock"),
    ],
)
def test_the_broker_is_the_same_redis(url: str, secret: str | None, broker: str) -> None:
    assert broker_url(Settings.model_validate({"redis_url": url, "redis_password": secret})) == broker
