"""`service.client`: refusals as exceptions that read well."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from pushforward.service.client import Client, Refused, Torn, Unreachable
from pushforward.service.local.up import free_port


def test_a_refusal_tells_each_fault_once() -> None:
    one = {"status": 422, "detail": "n: must be positive", "errors": [{"field": "n", "message": "must be positive"}]}
    assert str(Refused(one)) == "n: must be positive"
    faults = [{"field": "n", "message": "must be positive"}, {"field": "seed", "message": "must be an integer"}]
    assert str(Refused({"detail": "2 fields", "errors": faults})).splitlines() == [
        "2 fields",
        "  n: must be positive",
        "  seed: must be an integer",
    ]


def test_where_nothing_answers_it_says_what_to_start() -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(Unreachable, match="pushforward up"):
        client.get("/models")


def test_a_preset_is_sent_with_the_fields_to_change() -> None:
    sent: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(422, json={"status": 422, "detail": "run.sed: is not a known field; remove it"})

    with Client("http://gateway") as client:
        client._connection.http = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(answer))
        with pytest.raises(Refused, match="not a known field"):
            client.train("m", preset="vae-digits", run={"sed": 3})
    assert sent == [{"model": "m", "preset": "vae-digits", "run": {"sed": 3}}]


def test_losses_are_asked_for_with_the_points_that_are_wanted() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.raw_path.decode()}")
        return httpx.Response(200, json={"curves": []})

    with Client("http://gateway") as client:
        client._connection.http = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(answer))
        assert client.losses("1f") == client.losses("1f", points=9) == {"curves": []}
    assert asked == ["GET /jobs/1f/losses", "GET /jobs/1f/losses?points=9"]


def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(FileNotFoundError):
        client.save("sample", {"model": "moons"}, tmp_path / "nowhere" / "x.npy", accept="application/x-npy")


def test_an_answer_that_never_came_leaves_no_file(tmp_path: Path) -> None:
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(Unreachable, match="pushforward up"):
        client.save("sample", {"model": "moons"}, tmp_path / "x.npy", accept="application/x-npy")
    assert list(tmp_path.iterdir()) == []


CONTENT = bytes(range(256)) * 40


@contextmanager
def breaking(told_sha256: str) -> Iterator[str]:
    """A server whose connections break off after 1,000 bytes of a file."""

    class Broken(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = self.headers.get("Range")
            if start is None:
                self.answer(json.dumps({"id": "j", "file_bytes": len(CONTENT), "file_sha256": told_sha256}).encode())
            else:
                self.answer(CONTENT[int(start.removeprefix("bytes=").removesuffix("-")) :])

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:1000])

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_goes_on_where_the_connection_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushforward.service.client.outage.RETRY_S", 0.0)
    with breaking(sha256(CONTENT).hexdigest()) as url, Client(url) as client:
        client.download("j", tmp_path / "rows.npy")
    assert [file.name for file in tmp_path.iterdir()] == ["rows.npy"]
    assert (tmp_path / "rows.npy").read_bytes() == CONTENT


def test_a_download_of_other_bytes_is_not_kept_as_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushforward.service.client.outage.RETRY_S", 0.0)
    with breaking("00ff") as url, Client(url) as client, pytest.raises(Torn, match="sha256"):
        client.download("j", tmp_path / "rows.npy")
    assert list(tmp_path.iterdir()) == []
