"""A gateway as a process of its own, and raw connections to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from pushforward.service.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass
class Gateway:
    """A running one."""

    process: subprocess.Popen[str]
    http_port: int
    grpc_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def memory_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def holds(self, connection: socket.socket) -> bool:
        """Whether the process still has this connection open."""
        port = connection.getsockname()[1]
        return any(
            each.raddr and each.raddr.port == port for each in psutil.Process(self.process.pid).net_connections()
        )

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.http_port), timeout=30)


def running(folder: Path, **settings: str | float) -> AbstractContextManager[Gateway]:
    """A gateway with these settings, by their names, over stand-ins that answer at once."""
    return _started("tests.apis.gateway", folder, settings)


@contextmanager
def _started(module: str, folder: Path, settings: Mapping[str, str | float]) -> Iterator[Gateway]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PUSHFORWARD_HTTP_PORT": "0",
        "PUSHFORWARD_GRPC_PORT": "0",
        "PUSHFORWARD_DATA_ROOT": str(folder),
        "DELAY_S": "0",
        "BROKEN_FROM": "inf",
        **{f"PUSHFORWARD_{name.upper()}": str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-m", module]
    with (folder / "gateway.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder)
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            yield Gateway(process, told["http_port"], told["grpc_port"])
        finally:
            process.kill()
            process.communicate()


def serving(settings: Settings) -> AbstractContextManager[Gateway]:
    """A gateway of the workers of this place."""
    names = ("redis_url", "store", "beat_s")
    return _started(
        "pushforward.service.gateway", settings.data_root, {name: str(getattr(settings, name)) for name in names}
    )


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what comes until the server closes; status 0 where it closes without a word."""
    pieces = []
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    if not head:
        return 0, {}, b""
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in fields.items()}, body
