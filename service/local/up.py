"""`pushforward up`: everything on one machine, supervised.

Redis on a private unix socket, one worker, and one or more gateways (REST and gRPC), each in its own process. A child
that dies is reported and restarted, after a pause that doubles while it keeps dying. SIGINT or SIGTERM stops them in
the order of the data flow: the gateway takes no more requests, the worker finishes and writes checkpoints, Redis writes
its data and ends.
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
from pushforward.service.processes.spawn import tied_to_parent
from pushforward.service.processes.supervision import StartError, SupervisedProcess, stop_on_signal
from pushforward.service.settings import Settings


@dataclass(frozen=True)
class LocalService:
    """Folders and ports of a local service."""

    store: Path
    data_root: Path
    http_port: int
    grpc_port: int
    gateways: int = 1  # processes that share the ports

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"


def up(
    service: LocalService, say: Callable[[str], None], *, stop: threading.Event | None = None, log: Path | None = None
) -> None:
    """Run until SIGINT or SIGTERM (or until `stop` is set, from a thread). The children log here, or to a file.

    Raises:
        StartError, NoRedis: the message says why.
        ValidationError: the environment holds a setting that the children would refuse.
    """
    Settings()
    for folder in (service.store, service.data_root):
        _make(folder)
    stopping = stop or threading.Event()
    with _owned(service.store), stop_on_signal(stopping):
        _check_ports(service)
        _empty(_metrics(service))
        children = _children(service, log)
        say(
            f"starting; models are kept in {service.store.resolve()}, runs read data from {service.data_root.resolve()}"
        )
        try:
            for child in children:
                child.run()
            begin_thread("announcement", lambda: _announce(service, say, stopping), vital=False)
            while not stopping.wait(0.2):
                for child in children:
                    child.restart_if_ended(say)
        finally:
            say("stopping: answers under way are finished, trainings write a checkpoint and go on at the next start")
            for child in reversed(children):
                child.stop(say)
            say("stopped")


@contextmanager
def service_in(
    folder: Path, say: Callable[[str], None], *, gateways: int = 1, data_root: Path | None = None
) -> Iterator[LocalService]:
    """A private service in `folder`, on free ports, once it is ready; for demos, benchmarks and tests.

    Runs read their data from `data_root`, or `folder/data`. Its log is `folder/service.log`.
    Raises StartError, NoRedis.
    """
    http_port, grpc_port = free_ports(2)
    service = LocalService(folder / "store", data_root or folder / "data", http_port, grpc_port, gateways)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(up, service, say, stop=stop, log=folder / "service.log")
        try:
            while not is_ready(service):
                if future.done():
                    future.result()
                    raise StartError("the service was stopped before it was ready")
                time.sleep(0.1)
            yield service
        finally:
            stop.set()


def is_ready(service: LocalService) -> bool:
    """Whether the service is ready."""
    try:
        return httpx.get(f"{service.url}/readyz", timeout=2.0, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def free_ports(n: int) -> list[int]:
    """TCP ports that are free now, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(n)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port() -> int:
    """A TCP port that is free now."""
    return free_ports(1)[0]


def _children(service: LocalService, log: Path | None) -> list[SupervisedProcess]:
    folder = service.store / ".redis"
    environment = {
        **os.environ,
        "PUSHFORWARD_REDIS_URL": redis_server.url(folder),
        "PUSHFORWARD_STORE": str(service.store.resolve()),
        "PUSHFORWARD_DATA_ROOT": str(service.data_root.resolve()),
        "PUSHFORWARD_HTTP_PORT": str(service.http_port),
        "PUSHFORWARD_GRPC_PORT": str(service.grpc_port),
        "PUSHFORWARD_GATEWAYS": str(service.gateways),
        "PUSHFORWARD_METRICS_FOLDER": str(_metrics(service).resolve()),
    }

    def python(module: str) -> subprocess.Popen[bytes]:
        with log.open("ab") if log else nullcontext() as stream:
            return subprocess.Popen(
                tied_to_parent([sys.executable, "-m", module]),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # the ports, for programs; the log is on standard error
                stderr=stream,
                start_new_session=True,  # Ctrl-C goes to this process only, which ends the children in order
            )

    return [
        SupervisedProcess("redis", lambda: redis_server.start(folder)[0], stop_s=15.0),
        SupervisedProcess("worker", lambda: python("pushforward.service.worker"), stop_s=30.0),
        SupervisedProcess("gateway", lambda: python("pushforward.service.gateway"), stop_s=20.0),
    ]


def _metrics(service: LocalService) -> Path:
    """The folder in which the children share metrics."""
    return service.store / ".metrics"


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _make(folder)


def _announce(service: LocalService, say: Callable[[str], None], stopping: threading.Event) -> None:
    """Say when the service is ready."""
    while not stopping.wait(0.1):
        if is_ready(service):
            say(f"ready: console {service.url}/console/, REST {service.url}, gRPC 127.0.0.1:{service.grpc_port}")
            return


@contextmanager
def _owned(store: Path) -> Iterator[None]:
    """Lock the store: two supervisors would use one Redis."""
    try:
        lock = (store / ".lock").open("w")
    except OSError as error:
        raise StartError(f"the store {store} cannot be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError(f"another `pushforward up` owns {store}; stop it, or choose another --store") from None
        yield


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"the folder {folder} cannot be made: {error.strerror}") from None


def _check_ports(service: LocalService) -> None:
    if service.http_port == service.grpc_port:
        raise StartError(f"--http-port and --grpc-port are both {service.http_port}; choose two")
    for port in (service.http_port, service.grpc_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise StartError(
                    f"port {port} is not available ({error.strerror}); choose others with --http-port and --grpc-port"
                ) from None
