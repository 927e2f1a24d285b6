"""`pushforward up`: all of it comes up, comes up again, and leaves nothing behind."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from pushforward.service.client import Client
from pushforward.service.local.up import is_ready
from tests.e2e.running import ROOT, Up, start_up, stop_up

PAUSE_S = 5.0  # of Redis

RUN = {
    "family": {"family": "vae", "latent": 2, "width": 16, "likelihood": {"likelihood": "gaussian"}},
    "data": {"source": "two_moons"},
    "budget": {"steps": 20},
}


LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (pushforward|(worker|gateway) (INFO|WARNING|ERROR)) ")


NAMES = {"worker": r"service\.worker|celeryd", "gateway": r"service\.gateway", "redis": "redis"}  # as `ps` shows them


def children_of(up: Up, name: str) -> list[psutil.Process]:
    """Celery renames its process where setproctitle is installed."""
    children = psutil.Process(up.process.pid).children()
    return [child for child in children if re.search(NAMES[name], " ".join(child.cmdline()))]


def wait_for(condition, what: str, timeout_s: float = 60.0) -> None:
    give_up = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.1)


def test_its_log_has_one_line_for_an_event_with_the_time_and_the_process(up: Up, client: Client) -> None:
    job = client.train("logged", run=RUN)
    assert [data["state"] for kind, data in client.watch(job["id"]) if kind == "state"][-1] == "succeeded"
    client.ask("sample", {"model": "logged", "n": 1})
    wait_for(lambda: "published logged@1" in up.said(), "the worker did not log")
    assert [line for line in up.said().splitlines() if not LINE.match(line)] == []
    assert f"ready: console {up.place.url}/console/, REST {up.place.url}" in up.said()


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_second_service_on_the_same_store_is_refused(up: Up, by: str) -> None:
    store = {"option": ["--store", str(up.place.store)], "variable": []}
    variables = {"option": {}, "variable": {"PUSHFORWARD_STORE": str(up.place.store)}}
    second = subprocess.run(
        [sys.executable, "-m", "pushforward", "up", *store[by], "--http-port", "0", "--grpc-port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **variables[by]},
        cwd=up.place.store.parent,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert "another `pushforward up` owns" in second.stderr.decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_child_that_dies_is_started_again_and_said_so(up: Up, client: Client, name: str) -> None:
    (victim,) = children_of(up, name)
    before = up.said().count("starting it again")
    victim.kill()
    wait_for(lambda: up.said().count("starting it again") > before, "nobody said that the child died")
    wait_for(lambda: [child for child in children_of(up, name) if child.pid != victim.pid], "no new child")
    wait_for(lambda: is_ready(up.place), "the service did not come back")
    assert client.get("/families")["families"]


async def test_requests_are_answered_while_redis_pauses(up: Up, client: Client) -> None:
    assert list(client.watch(client.train("paused", run=RUN)["id"]))
    request = {"model": "paused@1", "n": 2, "seed": 1}
    (server,) = children_of(up, "redis")
    # An idle connection is closed after some seconds, perhaps while a request is on its way: each has its own.
    fresh = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=up.place.url, timeout=60, trust_env=False, limits=fresh) as http:

        async def ask() -> httpx.Response:
            return await http.post("/sample", json=request)

        before = (await ask()).json()["samples"]
        server.suspend()
        try:
            early = [asyncio.create_task(ask()) for _ in range(4)]
            await asyncio.sleep(PAUSE_S)
            late = [asyncio.create_task(ask()) for _ in range(4)]
            ready = await http.get("/readyz")
            answers = await asyncio.gather(*early, *late)
        finally:
            server.resume()
        assert ready.status_code == 200
        assert [reply.json()["samples"] for reply in answers] == [before] * 8


def test_following_a_job_outlasts_the_gateway(up: Up, client: Client) -> None:
    job = client.train("watched", run={**RUN, "budget": {"steps": 2000}})
    events = client.watch(job["id"])
    kinds = [next(events)[0]]
    (gateway,) = children_of(up, "gateway")
    gateway.kill()
    kinds += [kind for kind, _ in events]
    wait_for(lambda: is_ready(up.place), "the gateway did not come back")
    assert client.get(f"/jobs/{job['id']}")["state"] == "succeeded"
    assert kinds.count("state") == 3  # queued, running, succeeded: none lost, none twice


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


def test_several_gateways_answer_and_each_tells_the_metrics_of_all(tmp_path: Path) -> None:
    up = start_up(tmp_path, PUSHFORWARD_GATEWAYS="2")
    (parent,) = children_of(up, "gateway")
    family = [parent, *parent.children()]
    assert len(family) == 3
    for _ in range(12):
        with Client(up.place.url) as client:  # a connection of its own, so of either gateway
            client.get("/presets")

    def told() -> str:
        return httpx.get(f"{up.place.url}/metrics", timeout=10, trust_env=False).text

    line = 'pushforward_requests_total{door="rest",route="/presets",status="200"} 12.0'
    wait_for(lambda: all(line in told() for _ in range(6)), "a gateway tells only of itself")
    assert "# TYPE pushforward_worker_models gauge" in told()
    stop_up(up)
    assert up.process.returncode == 0, up.said()
    assert [process for process in family if process.is_running()] == []
