"""`service.application.datasets`: who reads a dataset keeps it; limits hold while an upload arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from pushforward.models.data import Npy
from pushforward.models.data.uploads.datasets import FOLDER, Dataset
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.application import Application
from pushforward.service.application.arrivals import MEASURED_BYTES
from pushforward.service.application.commands.commands import Evaluate, TrainModel
from pushforward.service.application.commands.uploads import PutDataset
from pushforward.service.domain.errors import Conflict, Invalid, NotFound, RequestTooLarge, TooSlow
from pushforward.service.settings import Settings
from tests.apis.fakes import MOONS, application, card
from tests.service.application.conftest import CARDS, Recorded

NPY = "application/x-npy"


def npy(scale: float) -> bytes:
    stream = BytesIO()
    np.save(stream, scale * np.random.default_rng(0).normal(size=(100, 2)))
    return stream.getvalue()


async def pieces(*contents: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    for content in contents:
        await asyncio.sleep(pause_s)
        yield content


async def put(app: Application, name: str, *contents: bytes, **fields: str) -> Dataset:
    dataset, _ = await app.datasets.put(PutDataset(name=name, media_type=NPY, **fields), pieces(*contents))
    return dataset


def kept(root: Path) -> set[str]:
    return {file.name for file in (root / FOLDER / "by-digest").iterdir()}


def run_of(dataset: str) -> Run:
    return Run.model_validate({"family": {"family": "flow"}, "data": {"source": "npy", "dataset": dataset}})


async def test_the_rows_that_an_evaluation_reads_are_kept_until_its_end(app: Application) -> None:
    await put(app, "rows", npy(1.0))
    command = Evaluate(model="moons", against={"source": "npy", "dataset": "rows"}, metrics=("mmd2",))  # type: ignore[arg-type]
    job = await app.jobs.evaluate(command)
    assert job.evaluation is not None
    assert job.evaluation.against == Npy(dataset=f"rows@{sha256(npy(1.0)).hexdigest()}").model_dump(mode="json")
    with pytest.raises(Conflict, match=f"job {job.id} reads the dataset rows"):
        await app.datasets.delete("rows")
    await app.jobs.cancel(job.id)
    assert await app.datasets.delete("rows") == ["rows"]


async def test_the_rows_that_an_evaluated_model_was_trained_on_are_kept(asks: Recorded, tmp_path: Path) -> None:
    digest = sha256(npy(1.0)).hexdigest()
    trained = card("trained", MOONS, DataSpec(shape=(2,)), data=Npy(dataset=f"rows@{digest}"))
    app = application(Settings(data_root=tmp_path), [*CARDS, trained], asks)
    await put(app, "rows", npy(1.0))
    await app.jobs.evaluate(Evaluate(model="trained", metrics=("mmd2",)))
    with pytest.raises(Conflict, match="reads the dataset rows"):
        await app.datasets.delete("rows")
    await app.catalog.delete("trained")
    await app.datasets.delete("rows")
    assert kept(tmp_path) == set()


async def test_bytes_without_a_name_stay_while_a_job_reads_them_and_are_swept_then(
    app: Application, tmp_path: Path
) -> None:
    first = await put(app, "rows", npy(1.0))
    job = await app.jobs.train(TrainModel(model="m", run=run_of("rows")))
    second = await put(app, "rows", npy(2.0), if_match=first.sha256)
    await app.datasets.sweep()
    assert kept(tmp_path) == {first.sha256, second.sha256}
    await app.jobs.cancel(job.id)
    await app.datasets.sweep()
    assert kept(tmp_path) == {second.sha256}


async def test_a_sweep_of_nothing_makes_no_folder(app: Application, tmp_path: Path) -> None:
    await app.datasets.sweep()
    assert [*tmp_path.iterdir()] == []


async def test_a_pinned_dataset_is_named_by_its_digest_as_long_as_it_is_there(app: Application) -> None:
    first = await put(app, "rows", npy(1.0))
    job = await app.jobs.train(TrainModel(model="m", run=run_of(first.reference)))
    assert job.run["data"]["dataset"] == first.reference
    await app.jobs.cancel(job.id)
    await put(app, "rows", npy(2.0), if_match="*")
    with pytest.raises(Invalid, match=r"run.data.dataset: the bytes of 'rows' .* are gone"):
        await app.jobs.train(TrainModel(model="m", run=run_of(first.reference)))


async def test_a_dataset_is_not_deleted_while_a_run_that_reads_it_is_being_accepted(app: Application) -> None:
    await put(app, "rows", npy(1.0))
    async with app.jobs.datasets.relying():
        deleting = asyncio.ensure_future(app.datasets.delete("rows"))
        await asyncio.sleep(0.05)
        await app.jobs.train(TrainModel(model="m", run=run_of("rows")))
    with pytest.raises(Conflict):
        await deleting


async def test_the_limit_of_all_datasets_holds_while_an_upload_arrives(asks: Recorded, tmp_path: Path) -> None:
    limit = 2 * MEASURED_BYTES
    app = application(Settings(data_root=tmp_path, max_datasets_bytes=limit), CARDS, asks)
    block = bytes(2**20)
    with pytest.raises(RequestTooLarge, match=r"the datasets take \d+ of \d+ bytes"):
        await put(app, "rows", b"\x93NUMPY", *[block] * 40)
    assert kept(tmp_path) == set()


async def test_a_client_is_waited_for_as_long_as_it_sends_enough(asks: Recorded, tmp_path: Path) -> None:
    app = application(Settings(data_root=tmp_path, body_timeout_s=0.5), CARDS, asks)
    steady = pieces(b"\x93NUMPY", *[bytes(2**16)] * 7, pause_s=0.1)
    dataset, is_new = await app.datasets.put(PutDataset(name="steady", media_type=NPY), steady)
    assert (dataset.bytes, is_new) == (6 + 7 * 2**16, True)
    trickle = pieces(b"\x93NUMPY", *[b"x"] * 100, pause_s=0.05)
    with pytest.raises(TooSlow, match="fewer than 65536 bytes"):
        await app.datasets.put(PutDataset(name="trickle", media_type=NPY), trickle)


@pytest.mark.parametrize("name", ["../rows", "Rows", "", "a" * 64])
async def test_no_dataset_has_another_name(app: Application, name: str) -> None:
    with pytest.raises(NotFound, match="there is no dataset"):
        await app.datasets.get(name)
    with pytest.raises(NotFound):
        await app.datasets.delete(name)
