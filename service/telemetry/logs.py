"""The log format of every process: one line for each event, on standard error, with the time and the process."""

from __future__ import annotations

import logging

TIME = "%Y-%m-%d %H:%M:%S"


def setup(name: str, level: int) -> None:
    """Write records of `level` and above, `2026-11-21 10:07:49 worker INFO job 7: published digits-vae@3`."""
    logging.basicConfig(level=level, format=f"%(asctime)s {name} %(levelname)s %(message)s", datefmt=TIME, force=True)
