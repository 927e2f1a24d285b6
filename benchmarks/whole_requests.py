"""A worker that merges as other servers do: what has come together runs to its end before the next may begin.

The baseline of benchmarks/serving.py, in all else the worker that `python -m pushforward.service.worker` runs.
"""

from __future__ import annotations

import runpy
from typing import Any

from pushforward.service.engine.batching.rows import Segment
from pushforward.service.engine.group import Group
from pushforward.service.engine.tasks import Task
from pushforward.service.engine.tickets import Ticket

admit = Group._admit


def admit_to_the_empty(self: Group, task: Task[Any, Any], room: int) -> tuple[tuple[Segment, ...], list[Ticket]]:
    """Let waiting rows in only where none are under way."""
    return admit(self, task, room) if room == self._costs.cap else ((), [])


Group._admit = admit_to_the_empty  # type: ignore[method-assign]  # the one thing that differs

if __name__ == "__main__":
    runpy.run_module("pushforward.service.worker", run_name="__main__")
