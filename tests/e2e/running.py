"""`pushforward up` as a user starts it, in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pushforward.service.local.up import LocalService, free_ports, is_ready

ROOT = Path(__file__).parents[2]


@dataclass
class Up:
    """A running `pushforward up`."""

    process: subprocess.Popen[bytes]
    place: LocalService
    log: Path

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def start_up(folder: Path, **environment: str) -> Up:
    place = LocalService(folder / "store", folder / "data", *free_ports(2))
    log = folder / "up.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pushforward", "up"),
                *("--store", str(place.store), "--data-root", str(place.data_root)),
                *("--http-port", str(place.http_port), "--grpc-port", str(place.grpc_port)),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    up = Up(process, place, log)
    give_up = time.monotonic() + 90
    while not is_ready(place):
        assert process.poll() is None, up.said()
        assert time.monotonic() < give_up, up.said()
        time.sleep(0.1)
    return up


def stop_up(up: Up) -> None:
    if up.process.poll() is None:
        up.process.send_signal(signal.SIGINT)
        up.process.wait(60)
