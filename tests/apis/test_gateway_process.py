"""The gateway as a process: both apis from one command, closed in order by a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pushforward.service.client import Client, Unreachable
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from pushforward.service.rpc.server import SERVICE

ROOT = Path(__file__).parents[2]


@dataclass
class Gateway:
    """A running gateway."""

    process: subprocess.Popen[str]
    http_port: int
    grpc_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"


Start = Callable[..., Gateway]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def run(http_port: int = 0, *, delay_s: float = 0.0, broken_from: float = inf) -> Gateway:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PUSHFORWARD_HTTP_PORT": str(http_port),
            "PUSHFORWARD_GRPC_PORT": "0",
            "PUSHFORWARD_DATA_ROOT": str(tmp_path),
            "DELAY_S": str(delay_s),
            "BROKEN_FROM": str(broken_from),
        }
        command = [sys.executable, "-m", "tests.apis.gateway"]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        told = json.loads(line) if line else {"http_port": 0, "grpc_port": 0}
        return Gateway(process, told["http_port"], told["grpc_port"])

    yield run
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_both_apis_answer_and_a_signal_closes_them(start: Start) -> None:
    gateway = start()
    body = {"model": "moons", "n": 2, "seed": 1}
    samples = httpx.post(f"{gateway.url}/sample", json=body).json()["samples"]
    with grpc.insecure_channel(gateway.target) as channel:
        answer = pb_grpc.PushforwardStub(channel).Sample(pb.SampleRequest(model="moons", n=2, seed=1))
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=SERVICE))
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        reflected = next(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request])))
    assert list(answer.samples.shape) == [2, 2] == [len(samples), len(samples[0])]
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert SERVICE in [service.name for service in reflected.list_services_response.service]
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(20) == 0


def test_an_ask_at_work_is_answered_before_the_gateway_closes(start: Start) -> None:
    gateway = start(delay_s=1.0)
    with ThreadPoolExecutor(2) as pool, grpc.insecure_channel(gateway.target) as channel:
        over_rest = pool.submit(httpx.post, f"{gateway.url}/sample", json={"model": "moons"}, timeout=20)
        over_grpc = pb_grpc.PushforwardStub(channel).Sample.future(pb.SampleRequest(model="moons", n=1))
        assert gateway.process.stdout is not None
        assert [gateway.process.stdout.readline() for _ in range(2)] == ["asked\n"] * 2
        gateway.process.send_signal(signal.SIGTERM)
        assert over_rest.result().status_code == 200
        assert list(over_grpc.result(20).samples.shape) == [1, 2]
    assert gateway.process.wait(20) == 0


def test_an_open_event_stream_does_not_hold_the_gateway_open(start: Start) -> None:
    gateway = start()
    job = httpx.post(f"{gateway.url}/train", json={"model": "m", "preset": "vae-digits"}).json()
    with grpc.insecure_channel(gateway.target) as channel:
        watch = pb_grpc.PushforwardStub(channel).WatchJob(pb.WatchJobRequest(id=job["id"]))
        assert next(watch).data["state"] == "queued"
        with httpx.stream("GET", f"{gateway.url}/jobs/{job['id']}/events", timeout=20) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("id: ")
            gateway.process.send_signal(signal.SIGTERM)
            assert list(lines)[-1] == ""
        with pytest.raises(grpc.RpcError) as failed:
            next(watch)
        assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
    assert gateway.process.wait(9) == 0  # sooner than the grace for asks at work


def test_a_stream_that_breaks_off_is_seen_by_its_client_and_harms_nobody_else(start: Start, tmp_path: Path) -> None:
    gateway = start(broken_from=20_000)
    file = tmp_path / "moons.npy"
    with Client(gateway.url) as client:
        with pytest.raises(Unreachable, match="broke off"):
            client.save("sample", {"model": "moons", "n": 100_000}, file, accept="application/x-npy")
        assert list(tmp_path.glob("moons*")) == []
        client.save("sample", {"model": "moons", "n": 20_000}, file, accept="application/x-npy")
    np.testing.assert_array_equal(np.load(file), np.zeros((20_000, 2), np.float32))
    with grpc.insecure_channel(gateway.target) as channel, pytest.raises(grpc.RpcError) as failed:
        list(pb_grpc.PushforwardStub(channel).SampleStream(pb.SampleRequest(model="moons", n=100_000)))
    assert failed.value.code() == grpc.StatusCode.INTERNAL


def test_a_taken_port_is_said_so(start: Start) -> None:
    first = start()
    second = start(first.http_port)
    assert second.process.wait(20) != 0
    assert second.process.stderr is not None
    assert "Address already in use" in second.process.stderr.read()


def test_a_client_that_hangs_up_does_not_harm_the_next(start: Start) -> None:
    gateway = start(delay_s=1.0)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{gateway.url}/sample", json={"model": "moons"}, timeout=0.2)
    assert httpx.post(f"{gateway.url}/sample", json={"model": "moons"}, timeout=20).status_code == 200
