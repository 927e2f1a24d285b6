"""The servers that are measured: started, waited for and stopped, each in a process group of its own.

The peers live in an environment of their own (`make peers`), at the settings that were best of those tried: see
`SETTINGS`, which the results quote.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from load import Post

from pushforward.service.local import redis_server
from pushforward.service.local import up as local
from pushforward.service.processes.spawn import tied_to_parent

HERE = Path(__file__).parent
PEERS = HERE / "peers"
BIN = HERE.parent / ".venv-peers" / "bin"
START_S = 90.0
STOP_S = 20.0
WORKER = ("-m", "pushforward.service.worker")

ONE_ROW = Post("/sample", (b'{"n":1}',))


@dataclass(frozen=True)
class Peer:
    """A server of the same network."""

    name: str
    command: tuple[str, ...]  # PORT stands for the port
    settings: str  # in words
    environment: Mapping[str, str] = field(default_factory=dict)
    post: Post = ONE_ROW

    @property
    def is_installed(self) -> bool:
        return Path(self.command[0]).exists()


EMPTY = Peer(
    "empty handler",
    (sys.executable, str(PEERS / "empty_handler.py")),
    "FastAPI on uvicorn with uvloop and httptools, one process; the bytes of an answer, sent again and again",
)
IN_PROCESS = Peer(
    "FastAPI, model in process",
    (sys.executable, str(PEERS / "fastapi_in_process.py")),
    "uvicorn with uvloop and httptools, one process, no batching, on the event loop, orjson",
)
LITSERVE = Peer(
    "LitServe",
    (str(BIN / "python"), str(PEERS / "litserve_server.py")),
    "max_batch_size 64, batch_timeout 0.2 ms, 2 API servers, 1 worker, orjson; fast_queue and other sizes, waits and "
    "counts were slower",
    {"BATCH": "64", "WAIT_MS": "0.2", "FAST_QUEUE": "0", "API_SERVERS": "2", "TIMEOUT_S": "30"},
)
BENTOML = Peer(
    "BentoML",
    (str(BIN / "bentoml"), "serve", "bentoml_service:Decoder", "--working-dir", str(PEERS), "--port", "PORT"),
    "batchable, max_batch_size 64, max_latency_ms 1000, 1 worker, no access log, no metrics; its own JSON, the array "
    "without a name around it",
    {"BATCH": "64", "LATENCY_MS": "1000", "WORKERS": "1", "BENTOML_DO_NOT_TRACK": "true"},
    Post("/sample", (b'{"n":[1]}',)),
)
RAY = Peer(
    "Ray Serve",
    (str(BIN / "python"), str(PEERS / "ray_serve.py")),
    "RAY_SERVE_ENABLE_HA_PROXY and RAY_SERVE_THROUGHPUT_OPTIMIZED, @serve.batch of 64 after 1 ms, 1 replica, orjson",
    {
        "BATCH": "64",
        "WAIT_MS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    },
)
RAY_DEFAULT = Peer(
    "Ray Serve, Python proxy",
    RAY.command,
    "as it comes, @serve.batch of 64 after 1 ms, 1 replica, orjson",
    {"BATCH": "64", "WAIT_MS": "1", "RAY_USAGE_STATS_ENABLED": "0"},
)
EMPTY_GRPC = Peer(
    "empty grpc.aio handler",
    (sys.executable, str(PEERS / "empty_grpc.py")),
    "grpc.aio on uvloop, one process; the bytes of an answer, sent again and again",
)
ALL = (EMPTY, IN_PROCESS, LITSERVE, BENTOML, RAY, RAY_DEFAULT)


class StartError(RuntimeError):
    """A server did not answer in time; the message ends with its log."""


@contextmanager
def serving(peer: Peer, weights: Path, folder: Path, environment: Mapping[str, str] = {}) -> Iterator[int]:
    """The port of a peer that answers. Raises StartError."""
    port = local.free_port()
    variables = {**peer.environment, **environment, "DECODER_WEIGHTS": str(weights), "PORT": str(port)}
    command = [str(port) if word == "PORT" else word for word in peer.command]
    log = folder / f"{Path(peer.command[1]).stem}.log"
    with process(command, variables, log) as server:
        wait_until(lambda: _listens(port) if peer is EMPTY_GRPC else answers(port, peer.post), server, log)
        yield port


@dataclass(frozen=True)
class Ours:
    """Our service: Redis, a worker, and one or more gateways behind one port."""

    port: int
    grpc_port: int
    worker: psutil.Process
    gateway: psutil.Process


@contextmanager
def ours(folder: Path, *, gateways: int = 1, worker: Sequence[str] = WORKER) -> Iterator[Ours]:
    """Our service on the store and data in a folder, ready. Raises StartError, NoRedis."""
    port, grpc_port = local.free_ports(2)
    for name in ("store", "data", "metrics"):
        (folder / name).mkdir(exist_ok=True)
    environment = {
        "PYTHONPATH": str(HERE.parent),
        "PUSHFORWARD_REDIS_URL": redis_server.url(folder / "redis"),
        "PUSHFORWARD_STORE": str(folder / "store"),
        "PUSHFORWARD_DATA_ROOT": str(folder / "data"),
        "PUSHFORWARD_HTTP_PORT": str(port),
        "PUSHFORWARD_GRPC_PORT": str(grpc_port),
        "PUSHFORWARD_GATEWAYS": str(gateways),
        "PUSHFORWARD_COMPILE": "off",  # a compilation beside it would slow what is measured
        "PUSHFORWARD_METRICS_FOLDER": str(folder / "metrics"),  # as `pushforward up` counts
    }
    log = folder / "service.log"
    with ExitStack() as stack:
        redis, _ = redis_server.start(folder / "redis")
        stack.callback(_end, redis)
        engine = stack.enter_context(process([sys.executable, *worker], environment, log))
        gateway = stack.enter_context(process([sys.executable, "-m", "pushforward.service.gateway"], environment, log))
        wait_until(lambda: _status(port, "GET", "/readyz") == 200, gateway, log)
        yield Ours(port, grpc_port, psutil.Process(engine.pid), psutil.Process(gateway.pid))


@contextmanager
def process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs inside the `with`, and all that it starts."""
    with log.open("ab") as stream:
        server = subprocess.Popen(
            tied_to_parent(command),
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield server
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """SIGTERM, wait, and SIGKILL for what is left of it and of its children, whatever groups they made."""
    if server.poll() is not None:
        return
    children = psutil.Process(server.pid).children(recursive=True)
    server.terminate()
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    _, alive = psutil.wait_procs(children, timeout=3.0)
    for child in alive:
        try:
            child.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue


def wait_until(ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    """Raises StartError."""
    give_up = time.monotonic() + START_S
    while not ready():
        if server.poll() is not None or time.monotonic() > give_up:
            raise StartError(f"{log.stem} does not answer; its log ends with:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(port: int, post: Post) -> bool:
    return _status(port, "POST", post.path, post.bodies[0], post.content_type) == 200


def _status(port: int, method: str, path: str, body: bytes | None = None, content_type: str = "text/plain") -> int:
    """Of an answer; 0 where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request(method, path, body, {"Content-Type": content_type})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
