"""`cli.sending`: large requests in parts, each with the conditions of its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console

from pushforward.models.data.tables.media_types import ARROW_FILE, CSV, PARQUET
from pushforward.service.cli import sending
from pushforward.service.cli.sending import PART_ROWS, Target, are_records, parts, print_answer, table_type
from pushforward.service.client import Client

N = PART_ROWS + 3


@pytest.mark.parametrize("text", ["a seven", [f"the digit {i % 10}" for i in range(N)]], ids=["one", "each"])
def test_texts_go_with_their_rows(text: str | list[str]) -> None:
    body = {"model": "m", "z": np.zeros((N, 1), np.float32), "condition": {"text": text}}
    first, second = parts(Client("http://127.0.0.1:1"), body, "z")
    assert (len(first["z"]), len(second["z"])) == (PART_ROWS, 3)
    one = isinstance(text, str)
    assert first["condition"] == {"text": text if one else text[:PART_ROWS]}
    assert second["condition"] == {"text": text if one else text[PART_ROWS:]}


def test_records_go_with_their_rows() -> None:
    records = [{"kind": "oak", "age": i} for i in range(N)]
    body = {"model": "m", "x": np.zeros((N, 1)), "condition": records}
    first, second = parts(Client("http://127.0.0.1:1"), body, "x")
    assert (first["condition"], second["condition"]) == (records[:PART_ROWS], records[PART_ROWS:])
    one = list(parts(Client("http://127.0.0.1:1"), body | {"condition": records[0]}, "x"))
    assert [each["condition"] for each in one] == [records[0]] * 2


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.csv", CSV), ("A.PARQUET", PARQUET), ("a.arrow", ARROW_FILE), ("a.npy", "application/x-npy"), ("-", CSV)],
)
def test_the_name_of_an_output_tells_its_format(name: str, media_type: str) -> None:
    assert Target.of(output=Path(name)) == Target(Path(name), media_type)


def test_an_answer_goes_to_one_file_or_is_printed() -> None:
    assert Target.of() == Target(None, "application/json")
    with pytest.raises(typer.Exit):
        Target.of(png=Path("a.png"), output=Path("a.csv"))
    with pytest.raises(typer.Exit):
        Target.of(output=Path("a.txt"))


def test_a_table_is_told_by_the_name_of_its_file_or_by_its_objects() -> None:
    assert [table_type(name) for name in ("a.CSV", "a.npy", "-")] == [CSV, None, None]
    assert [are_records(rows) for rows in ([{"a": 1}], [[1.0]], [], np.zeros(2))] == [True, False, False, False]


def test_on_a_terminal_records_are_a_table_and_in_a_pipe_an_answer_stays_as_it_came(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = b'{"model":"m@1","seed":7,"records":[{"kind":"oak","height":null},{"kind":"ash","height":2.5}]}'
    print_answer(answer)
    assert capsys.readouterr().out.encode() == answer + b"\n"
    monkeypatch.setattr(sending, "out", Console(force_terminal=True))
    print_answer(answer)
    printed = capsys.readouterr()
    assert [line.split() for line in printed.out.splitlines() if line[0].isalpha()] == [
        ["KIND", "HEIGHT"],
        ["oak"],
        ["ash", "2.5"],
    ]
    assert printed.err == "m@1 with seed 7\n"
