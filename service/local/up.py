"""`pushforward up`: everything on one machine, supervised.

Redis on a private unix socket, one worker, one gateway or more (REST and gRPC), each a process of its own. A child
that dies is started again, after a pause that doubles while it keeps dying, and said so. SIGINT or SIGTERM drains in
the order of the data's way: the gateway stops taking asks, the worker finishes and checkpoints, Redis writes and
leaves.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx

from pushforward.service.local import redis_server
from pushforward.service.processes.background import begin_thread
from pushforward.service.processes.spawn import tied_to_us
from pushforward.service.processes.supervision import CannotStart, SupervisedProcess, until_signal
from pushforward.service.settings import Settings


@dataclass(frozen=True)
class Place:
    """Where a local service lives."""

    store: Path
    data_root: Path
    http_port: int
    grpc_port: int
    gateways: int = 1  # processes that share the ports

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"


def up(
    place: Place, say: Callable[[str], None], *, stop: threading.Event | None = None, log: Path | None = None
) -> None:
    """Run until SIGINT or SIGTERM (or until `stop` is set, from a thread). The children log here, or to a file.

    Raises:
        CannotStart, NoRedis: saying what is in the way.
        ValidationError: the environment holds a setting that the children would refuse.
    """
    Settings()
    for folder in (place.store, place.data_root):
        _make(folder)
    stopping = stop or threading.Event()
    with _owned(place.store), until_signal(stopping):
        _check_ports(place)
        _empty(_metrics(place))
        children = _children(place, log)
        say(f"starting; models are kept in {place.store.resolve()}, runs read data from {place.data_root.resolve()}")
        try:
            for child in children:
                child.run()
            begin_thread("announcement", lambda: _announce(place, say, stopping), vital=False)
            while not stopping.wait(0.2):
                for child in children:
                    child.tend(say)
        finally:
            say("stopping: answers under way are finished, trainings write a checkpoint and go on at the next start")
            for child in reversed(children):
                child.stop(say)
            say("stopped")


@contextmanager
def running(
    folder: Path, say: Callable[[str], None], *, gateways: int = 1, data_root: Path | None = None
) -> Iterator[Place]:
    """A service of one's own in `folder`, on free ports, ready; for demos, benchmarks and tests.

    Runs read their data from `data_root`, or `folder/data`. What it logs is in `folder/service.log`.
    Raises CannotStart, NoRedis.
    """
    http_port, grpc_port = free_ports(2)
    place = Place(folder / "store", data_root or folder / "data", http_port, grpc_port, gateways)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        service = pool.submit(up, place, say, stop=stop, log=folder / "service.log")
        try:
            while not is_ready(place):
                if service.done():
                    service.result()
                    raise CannotStart("the service was stopped before it was ready")
                time.sleep(0.1)
            yield place
        finally:
            stop.set()


def is_ready(place: Place) -> bool:
    """Whether a model could be served."""
    try:
        return httpx.get(f"{place.url}/readyz", timeout=2.0, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def free_ports(n: int) -> list[int]:
    """TCP ports nobody listens on now, no two the same."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(n)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port() -> int:
    """One such port."""
    return free_ports(1)[0]


def _children(place: Place, log: Path | None) -> list[SupervisedProcess]:
    folder = place.store / ".redis"
    environment = {
        **os.environ,
        "PUSHFORWARD_REDIS_URL": redis_server.url(folder),
        "PUSHFORWARD_STORE": str(place.store.resolve()),
        "PUSHFORWARD_DATA_ROOT": str(place.data_root.resolve()),
        "PUSHFORWARD_HTTP_PORT": str(place.http_port),
        "PUSHFORWARD_GRPC_PORT": str(place.grpc_port),
        "PUSHFORWARD_GATEWAYS": str(place.gateways),
        "PUSHFORWARD_METRICS_FOLDER": str(_metrics(place).resolve()),
    }

    def python(module: str) -> subprocess.Popen[bytes]:
        with log.open("ab") if log else nullcontext() as stream:
            return subprocess.Popen(
                tied_to_us([sys.executable, "-m", module]),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # for machines; the log is on standard error
                stderr=stream,
                start_new_session=True,  # Ctrl-C is for us, who end the children in order
            )

    return [
        SupervisedProcess("redis", lambda: redis_server.start(folder)[0], stop_s=15.0),
        SupervisedProcess("worker", lambda: python("pushforward.service.worker"), stop_s=30.0),
        SupervisedProcess("gateway", lambda: python("pushforward.service.gateway"), stop_s=20.0),
    ]


def _metrics(place: Place) -> Path:
    """Where the children tell each other what they count."""
    return place.store / ".metrics"


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _make(folder)


def _announce(place: Place, say: Callable[[str], None], stopping: threading.Event) -> None:
    """Say when a model could be served."""
    while not stopping.wait(0.1):
        if is_ready(place):
            say(f"ready: REST {place.url} (docs at /docs), gRPC 127.0.0.1:{place.grpc_port}")
            return


@contextmanager
def _owned(store: Path) -> Iterator[None]:
    """The store's lock: two supervisors would fight over one Redis."""
    try:
        lock = (store / ".lock").open("w")
    except OSError as error:
        raise CannotStart(f"the store {store} cannot be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"another `pushforward up` owns {store}; stop it, or choose another --store") from None
        yield


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"the folder {folder} cannot be made: {error.strerror}") from None


def _check_ports(place: Place) -> None:
    if place.http_port == place.grpc_port:
        raise CannotStart(f"--http-port and --grpc-port are both {place.http_port}; choose two")
    for port in (place.http_port, place.grpc_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise CannotStart(
                    f"port {port} is not available ({error.strerror}); choose others with --http-port and --grpc-port"
                ) from None
