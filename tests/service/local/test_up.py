"""`service.local.up`: what `pushforward up` refuses, and how it supervises its processes."""

import socket
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from pushforward.service.local.up import LocalService, free_port, service_in, up
from pushforward.service.processes.supervision import StartError


def place(folder: Path, http_port: int | None = None, grpc_port: int | None = None) -> LocalService:
    return LocalService(folder / "store", folder / "data", http_port or free_port(), grpc_port or free_port())


def refusal(where: LocalService) -> str:
    with pytest.raises(StartError) as refused:
        up(where, lambda _: None, stop=threading.Event())
    return str(refused.value)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port} is not available" in refusal(place(tmp_path, grpc_port=port))


def test_one_port_for_both_apis_is_refused(tmp_path: Path) -> None:
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


def test_a_private_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(StartError, match="cannot be made"), service_in(tmp_path, lambda _: None):
        pass
