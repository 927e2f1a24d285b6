"""`service.client`: refusals as exceptions that read well."""

from pathlib import Path

import pytest

from service.client import Client, Refused, Unreachable
from service.local import free_port


def test_a_refusal_tells_each_fault_once() -> None:
    one = {"status": 422, "detail": "n: must be positive", "errors": [{"field": "n", "message": "must be positive"}]}
    assert str(Refused(one)) == "n: must be positive"
    faults = [{"field": "n", "message": "must be positive"}, {"field": "seed", "message": "must be an integer"}]
    assert str(Refused({"detail": "2 fields", "errors": faults})).splitlines() == [
        "2 fields",
        "  n: must be positive",
        "  seed: must be an integer",
    ]


def test_where_nothing_answers_it_says_what_to_start() -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(Unreachable, match="pushforward up"):
        client.get("/models")


def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(FileNotFoundError):
        client.save("sample", {"model": "moons"}, tmp_path / "nowhere" / "x.npy", accept="application/x-npy")


def test_an_answer_that_never_came_leaves_no_file(tmp_path: Path) -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(Unreachable, match="pushforward up"):
        client.save("sample", {"model": "moons"}, tmp_path / "x.npy", accept="application/x-npy")
    assert list(tmp_path.iterdir()) == []
