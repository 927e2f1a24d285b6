"""The ranks that rank 0 starts beside itself on its machine. None outlives it, nor it any of them.

A rank ends at the end of file on its standard input, which rank 0 holds. Rank 0 ends when one of them fails: then the
supervisor counts the job as crashed, and its next attempt resumes from the last checkpoint.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from pushforward.service.processes.background import begin_thread, end_process
from pushforward.service.runner.ranks.seat import Seat


@contextmanager
def started(seat: Seat) -> Iterator[None]:
    """Ranks 1 to n - 1, until the end of the block."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "pushforward.service.runner.child"],
            env=seat.variables(rank),
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
        )
        for rank in range(1, seat.size)
    ]
    over = threading.Event()
    for rank, process in enumerate(processes, 1):
        begin_thread(f"end with rank {rank}", partial(_end_with, rank, process, over), vital=True)
    try:
        yield
    finally:
        over.set()
        for process in processes:
            if process.stdin is not None:
                process.stdin.close()  # it ends at once
            process.wait()


def _end_with(rank: int, process: subprocess.Popen[bytes], over: threading.Event) -> None:
    if process.wait() != os.EX_OK and not over.is_set():
        end_process(f"rank {rank} ended with {process.returncode}")
