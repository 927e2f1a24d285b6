"""How every process of the service writes its log: a line an event, on standard error, with the time and who speaks."""

from __future__ import annotations

import logging

TIME = "%Y-%m-%d %H:%M:%S"


def setup(who: str, level: int) -> None:
    """Write records of `level` and above, `2026-11-21 10:07:49 worker INFO job 7: published digits-vae@3`."""
    logging.basicConfig(level=level, format=f"%(asctime)s {who} %(levelname)s %(message)s", datefmt=TIME, force=True)
