"""`service.redis_server`: private, durable."""

from pathlib import Path

import redis

from service import redis_server


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
