"""Several gateways on the same ports: `PUSHFORWARD_GATEWAYS=2 python -m pushforward.service.gateway`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pushforward.service.rpc.server import SERVICE

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "pushforward.service.gateway"]
SERVING = health_pb2.HealthCheckResponse.SERVING


@dataclass
class Gateways:
    """The parent and where its children listen."""

    process: subprocess.Popen[str]
    http_port: int
    grpc_port: int

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def get(self, path: str) -> httpx.Response:
        """By a connection of its own."""
        return httpx.get(f"http://127.0.0.1:{self.http_port}{path}", timeout=10, trust_env=False)


def environment(folder: Path, http_port: int = 0) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PUSHFORWARD_GATEWAYS": "2",
        "PUSHFORWARD_HTTP_PORT": str(http_port),
        "PUSHFORWARD_GRPC_PORT": "0",
        "PUSHFORWARD_REDIS_URL": f"unix://{folder}/no.sock",
        "PUSHFORWARD_STORE": str(folder),
    }


@contextmanager
def started(folder: Path) -> Iterator[Gateways]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            COMMAND, env=environment(folder), stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder
        )
    assert process.stdout is not None
    with process:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        told = json.loads(line)
        yield Gateways(process, told["http_port"], told["grpc_port"])
        process.terminate()
        assert process.stdout.read() == ""  # one line, however many they are


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    with started(tmp_path_factory.mktemp("gateways")) as running:
        yield running


def connected(gateway: psutil.Process, port: int, status: str) -> bool:
    return any(
        connection.laddr.port == port and connection.status == status
        for connection in gateway.net_connections(kind="tcp")
    )


def wait_for(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.05)


def listening(gateways: Gateways) -> list[psutil.Process]:
    """The children that listen on both ports."""
    ports = (gateways.http_port, gateways.grpc_port)
    try:
        return [
            child for child in gateways.children() if all(connected(child, port, psutil.CONN_LISTEN) for port in ports)
        ]
    except psutil.NoSuchProcess:
        return []


def test_both_share_the_connections_of_both_apis(gateways: Gateways) -> None:
    first, second = listening(gateways)
    for port in (gateways.http_port, gateways.grpc_port):
        with ExitStack() as clients:
            for _ in range(40):
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            for child in (first, second):
                wait_for(lambda at=(child, port): connected(*at, psutil.CONN_ESTABLISHED), "one has no connection")
    with grpc.insecure_channel(f"127.0.0.1:{gateways.grpc_port}") as channel:
        ask = health_pb2_grpc.HealthStub(channel).Check
        whole, service = (ask(health_pb2.HealthCheckRequest(service=name), timeout=10) for name in ("", SERVICE))
    assert whole.status == SERVING
    assert service.status == health_pb2.HealthCheckResponse.NOT_SERVING  # there is no Redis


def test_a_killed_gateway_is_restarted_while_the_others_answer(gateways: Gateways) -> None:
    victim, other = listening(gateways)
    victim.kill()
    wait_for(lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE, "it lives")
    assert [gateways.get("/livez").status_code for _ in range(20)] == [200] * 20
    wait_for(lambda: len(listening(gateways)) == 2, "it was not started again")
    assert other in listening(gateways)
    assert victim not in listening(gateways)


def test_each_tells_what_all_of_them_counted(gateways: Gateways) -> None:
    for _ in range(12):
        assert gateways.get("/presets").status_code == 200
    line = 'pushforward_requests_total{door="rest",route="/presets",status="200"} 12.0'
    wait_for(lambda: all(line in gateways.get("/metrics").text for _ in range(6)), "the sum is not told by all")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_parent_takes_all_of_them_along(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as gateways:
        children = gateways.children()
        gateways.process.send_signal(number)
        assert gateways.process.wait(30) == (-number if number is signal.SIGKILL else 0)
        _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


@pytest.mark.parametrize("sharing", [False, True])
def test_a_port_that_another_program_holds_is_said_so(tmp_path: Path, sharing: bool) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=sharing) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            COMMAND, env=environment(tmp_path, port), capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"127.0.0.1:{port}: Address already in use" in done.stderr


def test_what_keeps_them_from_starting_ends_the_parent(tmp_path: Path) -> None:
    refused = {**environment(tmp_path), "OTEL_TRACES_EXPORTER": "zipkin"}
    done = subprocess.run(COMMAND, env=refused, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "OTEL_TRACES_EXPORTER is 'zipkin'; it may be otlp or none" in done.stderr
    assert "ended with exit code 1 before it listened" in done.stderr
