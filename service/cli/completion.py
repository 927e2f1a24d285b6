"""Jobs by the beginning of their id, and the names that a shell completes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from pushforward.service.cli.terminal import LOCAL, fail
from pushforward.service.client import Client, Refused, Unreachable

ID_CHARS = 16  # of a job
SHORT_CHARS = 8  # of an id in a table
LISTED = 1000  # the newest jobs, among which an id is searched
COMPLETION_S = 1.0


def job_id(client: Client, start: str) -> str:
    """The id of the one job whose id begins with `start`."""
    if len(start) >= ID_CHARS:
        return start
    found = [job["id"] for job in client.get("/jobs", limit=LISTED)["jobs"] if job["id"].startswith(start)]
    if not found:
        fail(f"there is no job whose id begins with {start!r}; see `pushforward jobs`")
    if len(found) > 1:
        fail(f"{len(found)} jobs have ids that begin with {start!r}: {', '.join(found[:5])}; type more of it")
    return str(found[0])


def short_ids(ids: list[str]) -> list[str]:
    """The beginnings of ids, as short as they are still different."""
    chars = SHORT_CHARS
    while len({each[:chars] for each in ids}) < len(set(ids)):
        chars += 1
    return [each[:chars] for each in ids]


def complete_jobs(incomplete: str) -> list[str]:
    """Completions for the shell."""
    return _known(lambda client: (job["id"] for job in client.get("/jobs", limit=LISTED)["jobs"]), incomplete)


def complete_models(incomplete: str) -> list[str]:
    """Completions for the shell."""
    return _known(lambda client: (card["model"] for card in client.get("/models")["models"]), incomplete)


def complete_datasets(incomplete: str) -> list[str]:
    """Completions for the shell."""
    return _known(lambda client: (each["name"] for each in client.get("/datasets")["datasets"]), incomplete)


def complete_presets(incomplete: str) -> list[str]:
    """Completions for the shell."""
    return _known(lambda client: (preset["name"] for preset in client.get("/presets")["presets"]), incomplete)


def complete_families(incomplete: str) -> list[str]:
    """Completions for the shell."""
    return _known(lambda client: (family["family"] for family in client.get("/families")["families"]), incomplete)


def _known(names: Callable[[Client], Iterator[Any]], incomplete: str) -> list[str]:
    """The names that begin with `incomplete`; none where the service does not answer."""
    try:
        with Client(os.environ.get("PUSHFORWARD_URL", LOCAL), timeout_s=COMPLETION_S) as client:
            return [name for name in names(client) if name.startswith(incomplete)]
    except (Refused, Unreachable):
        return []
