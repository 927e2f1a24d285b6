"""`service.runner.rows_file`: numpy reads the file, whether written at once or resumed."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from pushforward.service.runner.rows_file import RowsFile, whole_bytes

ROWS = np.arange(60, dtype=np.float32).reshape(10, 2, 3)


def saved() -> bytes:
    stream = BytesIO()
    np.save(stream, ROWS)
    return stream.getvalue()


def test_rows_written_in_parts_are_what_numpy_saves(tmp_path: Path) -> None:
    with RowsFile(tmp_path / "rows.npy", 10, (2, 3)) as file:
        for part in (ROWS[:4], ROWS[4:5], ROWS[5:]):
            file.append(part)
        file.sync()
        told = (file.n_rows, file.n_bytes, file.digest)
    content = (tmp_path / "rows.npy").read_bytes()
    assert content == saved()
    assert told == (10, len(content), sha256(content).hexdigest())
    assert whole_bytes(10, (2, 3)) == len(content)


@pytest.mark.parametrize(("cut", "most", "kept"), [(0, 10, 0), (30, 10, 0), (128, 10, 0), (200, 10, 3), (320, 2, 2)])
def test_an_unfinished_file_resumes_at_its_last_whole_row(tmp_path: Path, cut: int, most: int, kept: int) -> None:
    (tmp_path / "earlier.npy").write_bytes(saved()[:cut])
    with RowsFile(tmp_path / "rows.npy", 10, (2, 3)) as file:
        list(file.resume_from(tmp_path / "earlier.npy", most))
        assert file.n_rows == kept
        file.append(ROWS[kept:])
        digest = file.digest
    content = (tmp_path / "rows.npy").read_bytes()
    assert content == saved()
    assert digest == sha256(content).hexdigest()


def test_a_file_of_another_sample_or_none_is_not_resumed(tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", ROWS[:9])
    with RowsFile(tmp_path / "rows.npy", 10, (2, 3)) as file:
        assert list(file.resume_from(tmp_path / "other.npy", 10)) == []
        assert list(file.resume_from(tmp_path / "missing.npy", 10)) == []
        assert file.n_rows == 0
