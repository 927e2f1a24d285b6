"""`service.local.redis_server`: private, durable."""

import threading
from pathlib import Path

import pytest
import redis

from pushforward.service.local import redis_server


def test_data_survive_a_kill_of_the_server(tmp_path: Path) -> None:
    server, url = redis_server.start(tmp_path)
    redis.Redis.from_url(url).set("key", "value")
    server.kill()
    server.wait()
    server, url = redis_server.start(tmp_path)
    assert redis.Redis.from_url(url, decode_responses=True).get("key") == "value"
    server.terminate()
    server.wait(10)


def test_the_folder_is_private_and_no_port_is_open(tmp_path: Path) -> None:
    server, url = redis_server.start(tmp_path / "redis")
    assert (tmp_path / "redis").stat().st_mode & 0o777 == 0o700
    assert redis.Redis.from_url(url, decode_responses=True).config_get("port") == {"port": "0"}
    server.terminate()
    server.wait(10)


def test_a_server_waits_for_the_one_before_to_leave(tmp_path: Path) -> None:
    orphan, url = redis_server.start(tmp_path)
    client = redis.Redis.from_url(url, decode_responses=True)
    client.set("key", "value")
    leaving = threading.Timer(0.5, orphan.terminate)
    leaving.start()
    server, _ = redis_server.start(tmp_path)
    leaving.join()
    assert orphan.wait(10) == 0
    assert client.get("key") == "value"
    server.terminate()
    server.wait(10)


def test_two_servers_never_write_to_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "ORPHAN_S", 0.2)
    server, url = redis_server.start(tmp_path)
    with pytest.raises(redis_server.NoRedis, match="another Redis server serves"):
        redis_server.start(tmp_path)
    assert redis.Redis.from_url(url).ping()
    server.terminate()
    server.wait(10)


def test_a_folder_too_deep_for_a_socket_has_it_in_a_private_place(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server, url = redis_server.start(deep)
    socket = Path(url.removeprefix("unix://"))
    assert redis.Redis.from_url(url).ping()
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert redis_server.url(deep) == url != redis_server.url(deep.parent)
    assert list(deep.glob("appendonly*"))
    server.terminate()
    server.wait(10)
    socket.parent.rmdir()
