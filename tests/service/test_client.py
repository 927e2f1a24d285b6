"""`service.client`: refusals as exceptions that read well."""

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
