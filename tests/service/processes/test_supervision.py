"""`service.processes.supervision`: how child processes are restarted and stopped."""

import subprocess
import sys
import time
from collections.abc import Callable

from pushforward.service.processes.supervision import StartError, SupervisedProcess


def ends(code: int) -> Callable[[], subprocess.Popen[bytes]]:
    return lambda: subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])


def tend_until(child: SupervisedProcess, said: list[str], count: int) -> None:
    give_up = time.monotonic() + 20
    while len(said) < count:
        assert time.monotonic() < give_up, said
        child.restart_if_ended(said.append)
        time.sleep(0.01)


def test_a_child_that_keeps_dying_is_started_after_ever_longer_pauses() -> None:
    said: list[str] = []
    child = SupervisedProcess("worker", ends(3), stop_s=1.0)
    child.run()
    tend_until(child, said, 4)
    assert said == [
        "worker ended (exit code 3); starting it again in 0.5 s",
        "worker runs again",
        "worker ended (exit code 3); starting it again in 1 s",
        "worker runs again",
    ]
    assert child.process is not None
    child.process.wait()


def test_a_child_that_cannot_be_started_again_is_tried_later() -> None:
    starts = [ends(0)]

    def start() -> subprocess.Popen[bytes]:
        if not starts:
            raise StartError("the disk is full")
        return starts.pop()()

    said: list[str] = []
    child = SupervisedProcess("redis", start, stop_s=1.0)
    child.run()
    tend_until(child, said, 2)
    assert said[1] == "redis does not start: the disk is full"
    assert child.restart_at is not None


def test_a_child_that_will_not_stop_is_killed() -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    deaf = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    assert deaf.stdout is not None
    deaf.stdout.readline()
    said: list[str] = []
    SupervisedProcess("worker", lambda: deaf, stop_s=0.2, process=deaf).stop(said.append)
    deaf.stdout.close()
    assert deaf.returncode == -9
    assert said == ["worker did not end in 0.2 s; killing it"]
