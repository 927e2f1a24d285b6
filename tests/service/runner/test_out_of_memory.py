"""A batch that memory does not hold is computed in parts, and who asked for it is told."""

import json
import re
from collections.abc import Iterator

import pytest

from pushforward.service.domain.jobs import Job, State
from pushforward.service.stores.disk_models import read_versions
from tests.service.conftest import Bench, small_run, until

ROWS = 65536
WIDE = small_run(4, family={"family": "ae", "latent": 2, "width": 64, "depth": 4}, optimizer={"batch_size": ROWS})


@pytest.fixture
def narrow(bench: Bench) -> Iterator[Bench]:
    """Children that may take about a third of what a batch of these rows does; how much exactly, allocators differ."""
    narrow = Bench(bench.settings.model_copy(update={"job_memory_bytes": 140 * 2**20, "torch_threads": 1}))
    yield narrow
    narrow.close()


def warnings(bench: Bench, job_id: str) -> list[str]:
    return [
        event.data["message"]
        for event in bench.events(job_id)
        if event.kind == "log" and event.data["level"] == "warning"
    ]


def trained(bench: Bench, run: dict[str, object]) -> Job:
    job_id = bench.create(run)
    bench.supervisor.run("train")
    return bench.job(job_id)


def test_a_batch_that_does_not_fit_is_computed_in_parts_and_trains_to_the_end(narrow: Bench) -> None:
    job = trained(narrow, WIDE)
    assert (job.state, job.epoch, job.progress.step) == (State.SUCCEEDED, 1, 4)
    told = warnings(narrow, job.id)
    assert re.match(
        r"a step took more memory than the 0\.1 GiB that were free; from step \d on each batch of 65536 rows is "
        r"computed in 2 parts of 32768, and descended once",
        told[0],
    )
    card = next(read_versions(narrow.settings.store, "moons"))
    assert any("Memory did not hold a batch of 65536 rows" in note for note in card.notes)
    assert card.run["optimizer"]["accumulate"] == 1


def test_a_run_that_asks_for_parts_is_told_nothing(narrow: Bench) -> None:
    job = trained(narrow, {**WIDE, "optimizer": {"batch_size": ROWS, "accumulate": 32}})
    assert job.state is State.SUCCEEDED
    assert not warnings(narrow, job.id)
    assert not any("Memory" in note for note in next(read_versions(narrow.settings.store, "moons")).notes)


def parts_of_newest(bench: Bench, job_id: str) -> int:
    """Of the newest checkpoint; 0 where there is none."""
    for place in bench.checkpoints(job_id)[-1:]:
        n_parts: int = json.loads((place / "state.json").read_bytes())["accumulate"]
        return n_parts
    return 0


def test_a_resumed_training_goes_on_with_the_parts_that_fitted(narrow: Bench) -> None:
    job_id = narrow.create({**WIDE, "budget": {"steps": 10_000}})
    runner = narrow.supervise()
    until(lambda: parts_of_newest(narrow, job_id) > 1)
    narrow.draining.set()
    runner.join(60)
    step = narrow.until_checkpointed(job_id)
    again = Bench(narrow.settings)
    runner = again.supervise()
    until(lambda: again.until_checkpointed(job_id) > step)
    assert parts_of_newest(again, job_id) > 1
    again.cancel(job_id)
    runner.join(60)
    assert len([line for line in warnings(again, job_id) if "computed in 2 parts" in line]) == 1
    again.close()
