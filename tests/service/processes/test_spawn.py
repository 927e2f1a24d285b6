"""`service.processes.spawn`: a child ends with the process that started it."""

import os
import subprocess
import sys
import time
from pathlib import Path

from pushforward.service.processes.spawn import tied_to_parent

PARENT = """
import subprocess, sys, time
from pushforward.service.processes.spawn import tied_to_parent
print(subprocess.Popen(tied_to_parent(["sleep", "60"])).pid, flush=True)
time.sleep(60)
"""


def test_a_child_ends_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        while command(child) != "sleep":
            time.sleep(0.01)
        parent.kill()
    give_up = time.monotonic() + 10
    while command(child) == "sleep":
        assert time.monotonic() < give_up, "it outlived its parent"
        time.sleep(0.01)


def test_a_child_is_the_command_itself() -> None:
    child = subprocess.Popen(
        tied_to_parent([sys.executable, "-c", "import os; print(os.getpid())"]), stdout=subprocess.PIPE
    )
    told, _ = child.communicate(timeout=20)
    assert int(told) == child.pid != os.getpid()


def command(pid: int) -> str:
    """What a process runs; empty once it is gone."""
    try:
        name, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")[::2]
    except FileNotFoundError:
        return ""
    return "" if state.startswith("Z") else name
