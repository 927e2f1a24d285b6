"""`service.local`: what `pushforward up` refuses, and how it tends what it started."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.local import CannotStart, Child, Place, free_port, up
from service.redis_server import NoRedis


def place(folder: Path, http_port: int | None = None, grpc_port: int | None = None) -> Place:
    return Place(folder / "store", folder / "data", http_port or free_port(), grpc_port or free_port())


def ends(code: int) -> Callable[[], subprocess.Popen[bytes]]:
    return lambda: subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])


def tend_until(child: Child, said: list[str], count: int) -> None:
    give_up = time.monotonic() + 20
    while len(said) < count:
        assert time.monotonic() < give_up, said
        child.tend(said.append)
        time.sleep(0.01)


def refusal(where: Place) -> str:
    with pytest.raises(CannotStart) as refused:
        up(where, lambda _: None, stop=threading.Event())
    return str(refused.value)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port} cannot be had" in refusal(place(tmp_path, grpc_port=port))


def test_one_port_for_both_doors_is_refused(tmp_path: Path) -> None:
    port = free_port()
    assert f"both {port}" in refusal(place(tmp_path, port, port))


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    assert "cannot be made" in refusal(place(tmp_path))


def test_a_setting_the_children_would_refuse_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHFORWARD_TRAINING_SLOTS", "many")
    with pytest.raises(ValidationError, match="training_slots"):
        up(place(tmp_path), lambda _: None, stop=threading.Event())


def test_a_child_that_keeps_dying_is_started_after_ever_longer_pauses() -> None:
    said: list[str] = []
    child = Child("worker", ends(3))
    child.run()
    tend_until(child, said, 4)
    assert said == [
        "worker ended (exit code 3); starting it again in 0.5 s",
        "worker runs again",
        "worker ended (exit code 3); starting it again in 1 s",
        "worker runs again",
    ]
    assert child.process is not None
    child.process.wait()


def test_a_child_that_cannot_be_started_again_is_tried_later() -> None:
    starts = [ends(0)]

    def start() -> subprocess.Popen[bytes]:
        if not starts:
            raise NoRedis("the disk is full")
        return starts.pop()()

    said: list[str] = []
    child = Child("redis", start)
    child.run()
    tend_until(child, said, 2)
    assert said[1] == "redis does not start: the disk is full"
    assert child.restart_at is not None


def test_a_child_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.local.STOP_S", {"worker": 0.2})
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    deaf = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    assert deaf.stdout is not None
    deaf.stdout.readline()
    said: list[str] = []
    Child("worker", lambda: deaf, process=deaf).stop(said.append)
    deaf.stdout.close()
    assert deaf.returncode == -9
    assert said == ["worker did not end in 0.2 s; killing it"]
