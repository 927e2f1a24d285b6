"""`service.stores.disk_files`: files come in pieces, and a deleted file is not found."""

from pathlib import Path

import pytest

from pushforward.service.domain.errors import NotFound
from pushforward.service.domain.jobs import Job, State
from pushforward.service.stores.disk_files import PIECE_BYTES, DiskFiles

JOB = Job(id="0123456789abcdef", kind="sample", state=State.SUCCEEDED, model="moons", epoch=2, created_at=0.0)


def put(store: Path, content: bytes, *, epoch: int = 2) -> None:
    (store / ".files").mkdir(exist_ok=True)
    (store / ".files" / f"{JOB.id}-{epoch}.npy").write_bytes(content)


async def test_a_part_of_a_file_comes_in_pieces(tmp_path: Path) -> None:
    content = bytes(range(256)) * (PIECE_BYTES // 100)
    put(tmp_path, content)
    pieces = [piece async for piece in DiskFiles(tmp_path).read(JOB, 5, len(content) - 5)]
    assert b"".join(pieces) == content[5:-5]
    assert len(pieces) == 3


async def test_the_file_of_the_epoch_that_succeeded_is_the_file_of_a_job(tmp_path: Path) -> None:
    put(tmp_path, b"stale", epoch=1)
    assert not await DiskFiles(tmp_path).has(JOB)
    put(tmp_path, b"fresh")
    assert await DiskFiles(tmp_path).has(JOB)
    assert [piece async for piece in DiskFiles(tmp_path).read(JOB, 0, 5)] == [b"fresh"]


async def test_a_file_that_goes_meanwhile_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await anext(DiskFiles(tmp_path).read(JOB, 0, 5))
    put(tmp_path, b"short")
    with pytest.raises(NotFound, match="ends at byte 5"):
        _ = [piece async for piece in DiskFiles(tmp_path).read(JOB, 0, 50)]
