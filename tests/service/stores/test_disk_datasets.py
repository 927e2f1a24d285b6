"""`service.stores.disk_datasets`: a file once, under its digest; names by one rename; nothing is left behind."""

from __future__ import annotations

import asyncio
import fcntl
import resource
from hashlib import sha256
from pathlib import Path

import pytest

from pushforward.models.data.uploads.datasets import FOLDER, Dataset, blobs, names
from pushforward.service.domain.errors import NotFound, Unavailable
from pushforward.service.stores import file_lock
from pushforward.service.stores.disk_datasets import DiskDatasets

CONTENT = b"\x93NUMPY" + bytes(range(256)) * 100


async def put(stored: DiskDatasets, name: str, content: bytes = CONTENT) -> Dataset:
    async with stored.arrival() as arrival:
        await arrival.write(content[:100])
        await arrival.write(content[100:])
        await arrival.finish()
        dataset = Dataset(
            name=name,
            media_type="application/x-npy",
            bytes=arrival.n_bytes,
            sha256=arrival.sha256,
            created_at=1.0,
        )
        async with stored.changing():
            await arrival.keep(dataset)
    return dataset


def files(root: Path, folder: str) -> list[str]:
    return sorted(file.name for file in (root / FOLDER / folder).iterdir())


@pytest.fixture
def stored(tmp_path: Path) -> DiskDatasets:
    return DiskDatasets(tmp_path)


async def test_a_dataset_is_kept_under_its_digest_and_its_name(stored: DiskDatasets, tmp_path: Path) -> None:
    dataset = await put(stored, "rows")
    assert dataset.sha256 == sha256(CONTENT).hexdigest()
    assert (blobs(tmp_path) / dataset.sha256).read_bytes() == CONTENT
    assert await stored.get("rows") == dataset
    assert await stored.all() == [dataset]
    assert b"".join([piece async for piece in stored.read(dataset, 2, 8)]) == CONTENT[2:8]
    assert files(tmp_path, "arriving") == []


async def test_the_same_file_under_two_names_is_kept_once(stored: DiskDatasets, tmp_path: Path) -> None:
    await put(stored, "a")
    await put(stored, "b")
    assert [dataset.name for dataset in await stored.all()] == ["a", "b"]
    assert len(files(tmp_path, "by-digest")) == 1
    assert await stored.used_bytes() == len(CONTENT)


async def test_bytes_are_unnamed_when_the_last_name_is_gone(stored: DiskDatasets, tmp_path: Path) -> None:
    dataset = await put(stored, "a")
    await put(stored, "b")
    await stored.remove("a")
    assert await stored.unnamed() == set()
    await stored.remove("b")
    assert await stored.unnamed() == {dataset.sha256}
    await stored.drop({dataset.sha256})
    assert files(tmp_path, "by-digest") == []
    with pytest.raises(NotFound, match="no longer kept"):
        await anext(stored.read(dataset, 0, 5))


async def test_an_upload_that_is_not_kept_leaves_nothing(stored: DiskDatasets, tmp_path: Path) -> None:
    async with stored.arrival() as arrival:
        await arrival.write(CONTENT)
        assert await stored.used_bytes() == len(CONTENT)
    assert files(tmp_path, "arriving") == []
    assert await stored.used_bytes() == 0


async def test_leftovers_of_the_dead_are_swept_and_uploads_on_their_way_are_not(
    stored: DiskDatasets, tmp_path: Path
) -> None:
    async with stored.arrival() as arrival:
        await arrival.write(CONTENT)
        (tmp_path / FOLDER / "arriving" / "leftover").write_bytes(b"half")
        async with stored.changing():
            await stored.sweep_arrivals()
        assert len(files(tmp_path, "arriving")) == 1
        await arrival.finish()


async def test_whoever_relies_on_datasets_keeps_them_as_they_are(stored: DiskDatasets, tmp_path: Path) -> None:
    dataset = await put(stored, "a")

    async def remove() -> None:
        async with stored.changing():
            await stored.remove("a")

    async with stored.relying(), DiskDatasets(tmp_path).relying():
        removing = asyncio.ensure_future(remove())
        await asyncio.sleep(0.1)
        assert await stored.get("a") == dataset
    await removing
    assert await stored.get("a") is None


async def test_to_rely_on_datasets_needs_no_folder(stored: DiskDatasets, tmp_path: Path) -> None:
    async with stored.relying():
        assert await stored.all() == []
    assert [*tmp_path.iterdir()] == []


async def test_a_lock_that_is_held_for_long_is_given_up(
    stored: DiskDatasets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(stored, "a")
    monkeypatch.setattr(file_lock, "PATIENCE_S", 0.05)
    with (tmp_path / FOLDER / "lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="are being changed"):
            async with stored.changing():
                pass


async def test_a_data_root_that_is_away_is_not_made(tmp_path: Path) -> None:
    stored = DiskDatasets(tmp_path / "away")
    with pytest.raises(Unavailable, match="mount it"):
        async with stored.arrival():
            pass
    assert not (tmp_path / "away").exists()


async def test_a_fault_of_the_disk_is_told(stored: DiskDatasets, tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file")
    with pytest.raises(Unavailable, match="the datasets cannot be kept"):
        async with stored.arrival():
            pass


async def test_a_file_that_the_disk_does_not_take_is_refused(stored: DiskDatasets, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with stored.arrival() as arrival:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(Unavailable, match="the datasets cannot be kept: the disk takes no file so large"):
                await arrival.write(CONTENT)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path, "arriving") == []


async def test_a_damaged_record_is_no_dataset(stored: DiskDatasets, tmp_path: Path) -> None:
    await put(stored, "rows")
    (names(tmp_path) / "rows.json").write_text("{}")
    assert await stored.get("rows") is None
    assert await stored.all() == []
