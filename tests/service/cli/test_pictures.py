"""`service.cli.pictures`: the pictures of a training, as files."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from pushforward.service.cli.pictures import saved


def picture(what: str, content: bytes) -> tuple[str, dict[str, Any]]:
    return "picture", {"step": 1, "what": what, "png": b64encode(content).decode()}


def test_a_file_holds_the_newest_picture_of_its_kind_and_all_events_go_on(tmp_path: Path) -> None:
    events = [
        picture("samples", b"old"),
        ("progress", {"step": 2}),
        picture("samples", b"new"),
        picture("density", b"d"),
    ]
    assert list(saved(iter(events), tmp_path / "a" / "b")) == events
    files = {file.name: file.read_bytes() for file in (tmp_path / "a" / "b").iterdir()}
    assert files == {"samples.png": b"new", "density.png": b"d"}


def test_a_picture_with_the_name_of_another_place_is_not_written(tmp_path: Path) -> None:
    folder = tmp_path / "seen"
    list(saved(iter([picture("../outside", b"x")]), folder))
    assert [*tmp_path.rglob("*.png")] == []


def test_a_folder_that_cannot_be_made_is_an_error_before_any_event(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        next(saved(iter([picture("samples", b"x")]), tmp_path / "file"))
