"""What `tests/fixtures/old_store/write.py` wrote with the code before the folders were divided, as tests read it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import redis

from tests.fixtures.old_store.arithmetic import arithmetic

FOLDER = Path(__file__).parent / "fixtures" / "old_store"
STORE = FOLDER / "store"
ORIGIN = json.loads((FOLDER / "origin.json").read_text())
MODELS = sorted(folder.name for folder in STORE.iterdir() if not folder.name.startswith("."))
_JOBS = json.loads((FOLDER / "jobs.json").read_text())
JOBS: dict[str, dict[str, Any]] = _JOBS["jobs"]  # by what became of them
LISTED: list[str] = _JOBS["list"]  # ids, newest first


@dataclass(frozen=True)
class Asked:
    """A request, and what the old code answered."""

    fields: dict[str, Any]  # model, op, rows, seed, options
    info: dict[str, Any]
    given: dict[str, np.ndarray]
    answer: dict[str, np.ndarray]


def asked() -> list[Asked]:
    """All requests."""
    requests = json.loads((FOLDER / "questions.json").read_text())
    with np.load(FOLDER / "answers.npz") as file:
        arrays = {tuple(key.split(".", 2)): file[key] for key in file.files}

    def of(number: int, what: str) -> dict[str, np.ndarray]:
        return {name: array for (n, kind, name), array in arrays.items() if (n, kind) == (str(number), what)}

    return [
        Asked(request, request.pop("info"), of(number, "given"), of(number, "answer"))
        for number, request in enumerate(requests)
    ]


def job_id(name: str) -> str:
    """Of the job that this became of."""
    return str(JOBS[name]["job"]["id"])


def same(actual: np.ndarray, expected: np.ndarray, **tolerance: float) -> None:
    """Bit for bit where torch and the processor are those that wrote; others round differently."""
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    if arithmetic() == ORIGIN["arithmetic"]:
        np.testing.assert_array_equal(actual, expected)
    np.testing.assert_allclose(actual, expected, **tolerance)


def restore(client: redis.Redis) -> None:
    """Put all keys into an empty Redis."""
    writers = {
        "hash": lambda key, value: client.hset(key, mapping=value),
        "string": client.set,
        "zset": lambda key, value: client.zadd(key, dict(value)),
        "list": lambda key, value: client.rpush(key, *value),
        "set": lambda key, value: client.sadd(key, *value),
        "stream": lambda key, value: [client.xadd(key, fields, id=event_id) for event_id, fields in value],
    }
    for key, entry in _JOBS["keys"].items():
        writers[entry["type"]](key, entry["value"])
        if entry["ttl_s"]:
            client.expire(key, entry["ttl_s"])
