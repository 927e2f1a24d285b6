"""Tasks and threads that fail are begun again, or end their process; a loop that hangs ends it too."""

import asyncio
import logging
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from pushforward.service.processes.background import EX_SOFTWARE, Tasks, Thread, begin_thread


async def test_a_kept_task_begins_again_whatever_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    begun, done = [0], asyncio.Event()

    async def work() -> None:
        begun[0] += 1
        match begun[0]:
            case 1:
                raise ZeroDivisionError
            case 2:
                return
            case 3:
                raise asyncio.CancelledError
        done.set()
        await asyncio.Event().wait()

    tasks = Tasks()
    tasks.keep("a task", work)
    async with asyncio.timeout(10):
        await done.wait()
    await tasks.close()
    assert begun[0] == 4
    said = [record.message for record in caplog.records if "'a task'" in record.message]
    assert [line.partition("; ")[0].rpartition("task' ")[2] for line in said] == ["failed", "ended", "was cancelled"]


async def test_a_kept_task_that_swallows_its_cancellation_is_cancelled_again() -> None:
    """As `asyncio.wait_for` of Python 3.11 does where its task ends in the same turn of the loop."""
    begun, swallowed = asyncio.Event(), [0]

    async def work() -> None:
        while True:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed[0] += 1
                if swallowed[0] == 3:
                    raise

    tasks = Tasks()
    tasks.keep("a task", work)
    await begun.wait()
    async with asyncio.timeout(10):
        await tasks.close()
    assert swallowed[0] == 3


async def test_a_task_that_fails_again_and_again_pauses_in_between() -> None:
    begun = [0]

    async def work() -> None:
        begun[0] += 1
        raise ZeroDivisionError

    tasks = Tasks()
    tasks.keep("a task", work)
    await asyncio.sleep(0.5)
    await tasks.close()
    assert 1 <= begun[0] <= 8


@pytest.mark.parametrize("way", ["await asyncio.sleep(60)", "await swallows()"])
def test_a_loop_that_ends_in_an_error_does_not_wait_for_its_kept_tasks(way: str) -> None:
    """Whoever would have closed them never comes to it."""
    program = f"""
import asyncio
from pushforward.service.processes.background import Tasks
async def swallows():
    try: await asyncio.sleep(60)
    except asyncio.CancelledError: pass
async def work():
    {way}
async def main():
    Tasks().keep("a task", work)
    await asyncio.sleep(0.05)
    raise ZeroDivisionError
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError\n")


class Failing(Thread):
    """Fails three times, then ends."""

    def __init__(self) -> None:
        super().__init__("failing")
        self.begun = 0

    def work(self) -> None:
        self.begun += 1
        if self.begun <= 3:
            raise SystemExit  # which threading passes over in silence


def test_a_thread_that_fails_begins_again_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    thread = Failing()
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert thread.begun == 4
    assert [record.levelno for record in caplog.records if "'failing'" in record.message] == [logging.ERROR] * 3


def test_a_stopped_thread_does_not_begin_again() -> None:
    class Stopped(Thread):
        begun = 0

        def work(self) -> None:
            self.begun += 1
            self.stopping.set()
            raise ZeroDivisionError

    thread = Stopped("stopped")
    thread.start()
    thread.join(10)
    assert thread.begun == 1


def test_what_can_be_done_without_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    def work() -> None:
        ended.set()
        raise ZeroDivisionError

    begin_thread("an extra", work, vital=False).join(10)
    assert ended.is_set()
    assert any("'an extra' failed" in record.message for record in caplog.records)


ENDS = {
    "vital": """
from pushforward.service.processes.background import begin_thread
def work(): raise ZeroDivisionError
begin_thread("vital", work, vital=True)
""",
    "again and again": """
from pushforward.service.processes import background, outages
outages.Backoff.next_s = lambda self: 0.0
class Failing(background.Thread):
    def work(self): raise ZeroDivisionError
Failing("again and again").start()
""",
    "the loop hangs": """
import asyncio
from pushforward.service.settings import Settings
from pushforward.service.processes.watchdog import watched_loop
async def main():
    async with watched_loop(Settings(hang_s=0.3)):
        await asyncio.sleep(0.2)
        threading.Event().wait(60)
asyncio.run(main())
""",
}


@pytest.mark.parametrize("why", ENDS)
def test_a_process_that_cannot_go_on_ends_with_a_line_and_an_exit_code(why: str) -> None:
    program = f"import logging, threading\nlogging.basicConfig()\n{ENDS[why]}\nthreading.Event().wait(60)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert done.returncode == EX_SOFTWARE
    assert "the process ends" in done.stderr
    assert ("Current thread" in done.stderr or "Thread 0x" in done.stderr) == (why == "the loop hangs")


async def test_a_loop_that_goes_round_is_left_alone() -> None:
    program = """
import asyncio
from pushforward.service.settings import Settings
from pushforward.service.processes.watchdog import watched_loop
async def main():
    async with watched_loop(Settings(hang_s=0.2)):
        await asyncio.sleep(1.0)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again() -> None:
    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    tasks = Tasks()
    tasks.keep("swallows one", work)
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await tasks.close()
