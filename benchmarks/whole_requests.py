"""A worker that merges as other servers do: what has come together runs to its end before the next may begin.

The baseline of benchmarks/serving.py, in all else the worker that `python -m service.worker` runs.
"""

from __future__ import annotations

import runpy

from service.worker.answering import Way
from service.worker.engine import _Group

join = _Group._join


def join_the_empty(group: _Group, chosen: Way) -> None:
    """Let waiting rows in only where none are under way."""
    if group.rows is None:
        join(group, chosen)


_Group._join = join_the_empty  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    runpy.run_module("service.worker", run_name="__main__")
