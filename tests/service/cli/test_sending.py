"""`cli.sending`: large requests in parts, each with the conditions of its rows."""

from __future__ import annotations

import numpy as np
import pytest

from pushforward.service.cli.sending import PART_ROWS, parts
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
