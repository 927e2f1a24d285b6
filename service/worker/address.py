"""Where a worker listens for gateways, and what address they are told."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from pushforward.service.processes.supervision import StartError
from pushforward.service.settings import Settings

BACKLOG = 64
ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises StartError where the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartError(
            f"it cannot listen for gateways at {host} port {port}: {error.strerror or error}; free it, or set "
            "PUSHFORWARD_WORKER_HOST and PUSHFORWARD_WORKER_PORT"
        ) from error


def reachable(settings: Settings) -> str | None:
    """The address that gateways are told: the one that is bound or, where that is all, the one that reaches Redis.

    None while the name of Redis is unknown, as that of a container that has stopped.
    """
    if settings.worker_host not in ALL_ADDRESSES:
        return settings.worker_host
    url = urlsplit(settings.redis_url)
    if url.scheme == "unix" or not url.hostname:
        return socket.gethostname()
    try:
        family, _, _, _, address = socket.getaddrinfo(url.hostname, url.port or 6379, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)  # sends nothing
            host: str = probe.getsockname()[0]
            return host
    except OSError:  # Redis is away, and its name too
        return None
