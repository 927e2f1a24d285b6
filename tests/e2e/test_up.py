"""`pushforward up`: all of it comes up, comes up again, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from service.client import Client
from service.local import is_ready
from tests.e2e.running import ROOT, Up, start_up, stop_up

RUN = {
    "family": {"family": "vae", "latent": 2, "width": 16, "likelihood": {"likelihood": "gaussian"}},
    "data": {"source": "two_moons"},
    "budget": {"steps": 20},
}


def child_of(up: Up, word: str) -> psutil.Process:
    (found,) = [
        child for child in psutil.Process(up.process.pid).children() if any(word in part for part in child.cmdline())
    ]
    return found


def wait_for(condition, what: str, timeout_s: float = 60.0) -> None:
    give_up = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.1)


def test_a_second_service_on_the_same_store_is_refused(up: Up) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "service", "up", "--store", str(up.place.store), "--http-port", "0", "--grpc-port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        cwd=up.place.store.parent,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert "another `pushforward up` owns" in second.stderr.decode()


@pytest.mark.parametrize("word", ["service.worker", "service.gateway", "redis"])
def test_a_child_that_dies_is_started_again_and_said_so(up: Up, client: Client, word: str) -> None:
    victim = child_of(up, word)
    before = up.said().count("starting it again")
    victim.kill()
    wait_for(lambda: up.said().count("starting it again") > before, "nobody said that the child died")
    wait_for(lambda: any(word in part for c in psutil.Process(up.process.pid).children() for part in c.cmdline()
                         if c.pid != victim.pid), "no new child")  # fmt: skip
    wait_for(lambda: is_ready(up.place), "the service did not come back")
    assert client.get("/families")["families"]


def test_ctrl_c_drains_and_leaves_nothing_running(tmp_path: Path) -> None:
    up = start_up(tmp_path)
    with Client(up.place.url) as client:
        client.train("moons", run={**RUN, "budget": {"steps": 1_000_000}})
        wait_for(lambda: client.get("/jobs")["jobs"][0]["progress"]["step"] > 0, "the job did not start")
    family = psutil.Process(up.process.pid).children(recursive=True)
    assert len(family) >= 4  # redis, worker, gateway, training child
    stop_up(up)
    assert up.process.returncode == 0, up.said()
    assert [process for process in family if process.is_running()] == []


def test_a_killed_supervisor_takes_its_children_along(tmp_path: Path) -> None:
    up = start_up(tmp_path)
    family = psutil.Process(up.process.pid).children(recursive=True)
    up.process.send_signal(signal.SIGKILL)
    up.process.wait()
    _, alive = psutil.wait_procs(family, timeout=40)
    assert alive == []
