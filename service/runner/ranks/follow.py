"""A rank on another machine than rank 0: `python -m pushforward.service.runner.ranks.follow`.

It waits for rank 0, computes its parts of a training, and waits again, a process for each training. The variables are
those of `seat`, RANK at least 1; the store and the data lie at the same paths as on the machine of rank 0.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading

from pushforward.models.errors import Hindered
from pushforward.service.runner.ranks.seat import Seat

PAUSE_S = 1.0  # between two trainings

log = logging.getLogger(__name__)


def main() -> int:
    """Follow until SIGTERM; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        seat = Seat.of_environment(os.environ)
    except Hindered as error:
        log.critical("%s", error.message)
        return os.EX_CONFIG
    if seat is None or not 1 <= seat.rank < seat.size:
        log.critical("a rank that follows has WORLD_SIZE and a RANK from 1 to below it; set both")
        return os.EX_CONFIG
    while not stopping.is_set():
        command = [sys.executable, "-m", "pushforward.service.runner.child"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
            while child.poll() is None and not stopping.wait(PAUSE_S):
                pass
            if child.stdin is not None:
                child.stdin.close()  # it ends
        log.info("rank %d: a training ended here with %d", seat.rank, child.returncode)
        stopping.wait(PAUSE_S)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
