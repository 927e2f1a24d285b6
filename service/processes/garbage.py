"""Garbage collection in a process that runs for long."""

from __future__ import annotations

import gc


def freeze_gc() -> None:
    """Once all is imported: exclude these objects from garbage collection, and collect less often.

    A gateway has some 200,000 objects that live as long as it does. To traverse them again and again took a fifth of
    its time, in pauses of tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()
