"""Measure how long one client waits for one sample, and what a gateway costs to start.

    python benchmarks/latency.py                 # about a minute
    python benchmarks/latency.py --asks 5000

Starts a service of its own, trains a small VAE of points in the plane, and asks it over one keep-alive connection,
one request at a time. `GET /livez` of the same gateway is the floor: what HTTP itself costs here and now, so the
ratios mean something on a busy machine too. Writes docs/results/latency.md.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import grpc
import psutil

from pushforward.service.client import Client
from pushforward.service.local import redis_server
from pushforward.service.local import up as local
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "latency.md"
MODEL = "moons"
RUN = {
    "family": {"family": "vae", "latent": 2, "width": 64, "depth": 2},
    "data": {"source": "two_moons"},
    "budget": {"steps": 200},
}
WARM_UP = 50


@dataclass(frozen=True)
class Row:
    """What was asked, and how long each answer took."""

    name: str
    first_ms: float
    p50_ms: float
    p90_ms: float
    cpu_ms: float  # of gateway, worker and Redis for one answer: what the wait would be made of on idle cores


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asks", type=int, default=1000)
    asks = parser.parse_args().asks
    with tempfile.TemporaryDirectory(prefix="pushforward-") as folder, local.service_in(Path(folder), print) as place:
        train(place)
        load = os.getloadavg()[0]
        rows = [*rest(place, asks), rpc(place, asks)]
        start = gateway_start(place)
    text = table(rows, start, asks, load)
    print(text)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(text)
    return 0


def train(place: local.LocalService) -> None:
    with Client(place.url) as client:
        job_id = client.train(MODEL, run=RUN)["id"]
        while (state := client.get(f"/jobs/{job_id}")["state"]) not in ("succeeded", "failed", "cancelled"):
            time.sleep(0.2)
    if state != "succeeded":
        raise SystemExit(f"the training {state}")


def rest(place: local.LocalService, asks: int) -> Iterator[Row]:
    connection = http.client.HTTPConnection("127.0.0.1", place.http_port)

    def send(method: str, path: str, body: dict[str, Any] | None = None) -> None:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"{method} {path}: {answer.decode()}")

    x = {"model": MODEL, "x": [[0.5, 0.25]]}
    yield measured("GET /livez", lambda: send("GET", "/livez"), asks)
    yield measured("POST /sample, n=1", lambda: send("POST", "/sample", {"model": MODEL, "seed": 1}), asks)
    yield measured("POST /encode, 1 row", lambda: send("POST", "/encode", x), asks)
    yield measured("POST /likelihood, 1 row, k=64", lambda: send("POST", "/likelihood", x), asks)
    connection.close()


def rpc(place: local.LocalService, asks: int) -> Row:
    with grpc.insecure_channel(f"127.0.0.1:{place.grpc_port}") as channel:
        stub = pb_grpc.PushforwardStub(channel)
        request = pb.SampleRequest(model=MODEL, n=1, seed=1)
        return measured("gRPC Sample, n=1", lambda: stub.Sample(request), asks)


def measured(name: str, ask: Callable[[], object], asks: int) -> Row:
    first_ms, *_ = [_ms(ask) for _ in range(WARM_UP)]
    cpu_before_s = _cpu_s()
    times_ms = [_ms(ask) for _ in range(asks)]
    cpu_ms = 1000 * (_cpu_s() - cpu_before_s) / asks
    return Row(name, first_ms, median(times_ms), quantiles(times_ms, n=10)[-1], cpu_ms)


def _cpu_s() -> float:
    """Of the service's processes, our children, so far."""
    spent = [child.cpu_times() for child in psutil.Process().children()]
    return float(sum(times.user + times.system for times in spent))


def _ms(ask: Callable[[], object]) -> float:
    since = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - since)


def gateway_start(place: local.LocalService) -> tuple[float, float, float]:
    """A second gateway on the same Redis: seconds to the first answer, CPU seconds, resident MB."""
    since = time.perf_counter()
    with gateway(place) as process:
        listening = json.loads(process.stdout.readline()) if process.stdout else {}
        connection = http.client.HTTPConnection("127.0.0.1", listening["http_port"])
        connection.request("GET", "/livez")
        connection.getresponse().read()
        seconds = time.perf_counter() - since
        connection.close()
        status = psutil.Process(process.pid)
        cpu = status.cpu_times()
        return seconds, cpu.user + cpu.system, status.memory_info().rss / 2**20


@contextmanager
def gateway(place: local.LocalService) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "PUSHFORWARD_REDIS_URL": redis_server.url(place.store / ".redis"),
        "PUSHFORWARD_STORE": str(place.store),
        "PUSHFORWARD_HTTP_PORT": "0",
        "PUSHFORWARD_GRPC_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "pushforward.service.gateway"], env=environment, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def table(rows: list[Row], start: tuple[float, float, float], asks: int, load: float) -> str:
    cores = len(os.sched_getaffinity(0))
    floor = rows[0]
    lines = [
        "# How long one client waits",
        "",
        f"`python benchmarks/latency.py`, {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, "
        f"{cores} cores with a load of {load:.1f} beside it, no GPU used; {asks} asks of each kind, one at a time over "
        "one connection, milliseconds. Client, gateway, Redis and worker share the cores.",
        "",
        "| ask | first | p50 | p90 | p50 / livez | of CPU |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.name} | {row.first_ms:.2f} | {row.p50_ms:.2f} | {row.p90_ms:.2f} "
            f"| {row.p50_ms / floor.p50_ms:.1f} | {row.cpu_ms:.2f} |"
            for row in rows
        ),
        "",
        f"A gateway answers {start[0]:.2f} s after its start ({start[1]:.2f} s of them computing) "
        f"and holds {start[2]:.0f} MB.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
