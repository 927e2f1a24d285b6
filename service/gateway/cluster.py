"""Several gateway processes on the same ports, by SO_REUSEPORT: the system chooses one for each connection.

This process only starts them. It also binds the ports, without listening, so that no other program takes them and a
port 0 is the same for all. If a process dies, its connections are lost, and new ones go to the others until it is
restarted.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pushforward.service.gateway.listening import print_listening
from pushforward.service.processes.spawn import tied_to_parent
from pushforward.service.processes.supervision import StartError, SupervisedProcess, stop_on_signal
from pushforward.service.settings import Settings
from pushforward.service.telemetry import logs

CHECK_S = 0.2  # between two checks of the children
STOP_S = 15.0  # for a child to drain

log = logging.getLogger(__name__)


def main() -> int:
    """Run the gateways; the exit code."""
    logs.setup("gateway", logging.WARNING)
    try:
        run(Settings())
    except (StartError, OSError) as error:
        sys.stderr.write(f"the gateway cannot start: {error}\n")
        return 1
    return 0


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Prints the ports once all gateways listen.

    Raises:
        StartError, OSError: an address is taken, or a gateway ended before it listened.
    """
    stopping = threading.Event()
    with ExitStack() as held, stop_on_signal(stopping):
        http_port = held.enter_context(_reserved(settings.http_host, settings.http_port))
        grpc_port = held.enter_context(_reserved(settings.grpc_host, settings.grpc_port))
        folder = settings.metrics_folder or Path(held.enter_context(tempfile.TemporaryDirectory()))
        environment = {
            **os.environ,
            "PUSHFORWARD_HTTP_PORT": str(http_port),
            "PUSHFORWARD_GRPC_PORT": str(grpc_port),
            "PUSHFORWARD_METRICS_FOLDER": str(folder),
        }
        children = [
            SupervisedProcess(f"gateway {n} of {settings.gateways}", lambda: _start(environment), stop_s=STOP_S)
            for n in range(1, settings.gateways + 1)
        ]
        try:
            for child in children:
                child.run()
            print_listening(http_port, grpc_port)
            while not stopping.wait(CHECK_S):
                for child in children:
                    child.restart_if_ended(log.warning)
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.stop(log.warning)


def _start(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a gateway, and wait until it listens. Raises StartError."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as output:
        with os.fdopen(writing) as stdout:
            process = subprocess.Popen(
                tied_to_parent([sys.executable, "-m", "pushforward.service.gateway.process"]),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                start_new_session=True,  # Ctrl-C goes to this process only, which drains the children
            )
        if output.readline():
            return process
    raise StartError(f"one of them ended with exit code {process.wait()} before it listened; see its log")


@contextmanager
def _reserved(host: str, port: int) -> Iterator[int]:
    """Bind a port. Raises OSError where another program listens on it, even if that one shares it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(error.errno, f"{host}:{port}: {error.strerror}") from None
        port = probe.getsockname()[1]
    with socket.socket(family) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        ours.bind((host, port))
        yield port
