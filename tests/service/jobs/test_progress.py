"""What a job reported of its progress is there to be read as a whole."""

from typing import Any

import pytest
import redis

from pushforward.service.domain.errors import NotFound
from pushforward.service.domain.ports import Update
from pushforward.service.jobs import redis_record
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.settings import Settings
from tests.service.jobs.conftest import NEW, Record, claimed, progress


async def steps(record: Record, job_id: str) -> list[Any]:
    return [report["step"] for report in await record.jobs.progress(job_id)]


async def test_reports_come_in_the_order_in_which_they_were_made(record: Record) -> None:
    job = await claimed(record)
    record.runs.beat(job.id, 1, [progress(2), Update("log", {"level": "info", "message": "m"}), progress(5)])
    record.runs.beat(job.id, 1, [progress(4, losses={"kl_nats": "NaN"})])
    assert await steps(record, job.id) == [2, 5, 4]
    reports = await record.jobs.progress(job.id)
    assert [report["losses"] for report in reports] == [{"kl_nats": 0.5}, {"kl_nats": 0.5}, {"kl_nats": "NaN"}]


async def test_a_job_that_reported_nothing_has_no_reports(record: Record) -> None:
    job, _ = await record.jobs.create(NEW)
    assert await steps(record, job.id) == []


async def test_an_id_that_is_none_is_not_found(record: Record) -> None:
    with pytest.raises(NotFound):
        await record.jobs.progress("*")


async def test_many_reports_are_read_in_pieces(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_record, "SCAN", 7)
    job = await claimed(record)
    for first in (0, 10, 20):
        record.runs.beat(job.id, 1, [progress(first + i) for i in range(10)])
    assert await steps(record, job.id) == [*range(30)]


@pytest.mark.parametrize("data", ["{", "[]", '{"step": 1}', '{"step": "1", "losses": {}}', '{"step": 1, "losses": []}'])
async def test_a_damaged_report_is_left_out(redis_url: str, data: str) -> None:
    jobs = RedisJobs(Settings(redis_url=redis_url))
    job, _ = await jobs.create(NEW)
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(f"pf:job:{job.id}:events", {"kind": "progress", "data": data})
        client.xadd(f"pf:job:{job.id}:events", {"other": "field"})
        client.xadd(f"pf:job:{job.id}:events", {"kind": "progress", "data": '{"step": 1, "losses": {}}'})
        assert [report["step"] for report in await jobs.progress(job.id)] == [1]
        client.set(f"pf:job:{job.id}:events", "no stream")
        assert await jobs.progress(job.id) == []
    await jobs.close()
