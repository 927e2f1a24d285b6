"""Requests are sent again where that is safe, as the service says when, within the client's time."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pushforward import AsyncClient, Client
from pushforward.client.errors import BrokenAnswer, Internal, Overloaded, RequestTimeout, Unreachable
from pushforward.client.retries import LONGEST_S, Retries, told_s
from pushforward.service.local.up import free_port

Answer = tuple[int, dict[str, str], bytes]
FINE: Answer = (200, {}, json.dumps({"status": "alive"}).encode())


def problem(slug: str, status: int, **headers: str) -> Answer:
    body = json.dumps({"type": f"/problems/{slug}", "status": status, "detail": slug}).encode()
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body


class Scripted(ThreadingHTTPServer):
    """Gives one answer after another, and keeps what came; None breaks the connection."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = list[Answer | None]()
        self.came = list[tuple[str, dict[str, str], bytes]]()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.came.append((self.path, dict(self.headers), content))
        answer = self.server.script.pop(0)
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # names of the base

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        thread = threading.Thread(target=scripted.serve_forever)
        thread.start()
        yield scripted
        scripted.shutdown()
        thread.join()


def test_a_refusal_that_passes_is_asked_again_when_the_service_says(server: Scripted) -> None:
    server.script += [problem("overloaded", 503, Retry_After="0.01"), None, FINE]
    with Client(server.url) as client:
        assert client.is_alive()
    assert len(server.came) == 3


async def test_the_client_for_asyncio_does_the_same(server: Scripted) -> None:
    server.script += [problem("overloaded", 503, Retry_After="0.01"), None, FINE]
    async with AsyncClient(server.url) as client:
        assert await client.is_alive()
    assert len(server.came) == 3


@pytest.mark.parametrize("answer", [problem("internal", 500), problem("invalid", 422)])
def test_what_would_not_pass_is_not_asked_again(server: Scripted, answer: Answer) -> None:
    server.script += [answer, FINE]
    with Client(server.url) as client, pytest.raises(Exception, match=r"internal|invalid"):
        client.is_alive()
    assert len(server.came) == 1


def test_the_last_refusal_is_raised_after_so_many_tries(server: Scripted) -> None:
    server.script += [problem("overloaded", 503, Retry_After="0")] * 3
    with Client(server.url, max_retries=2) as client, pytest.raises(Overloaded) as raised:
        client.is_alive()
    assert (len(server.came), raised.value.retry_after_s) == (3, 0.0)


def test_a_wait_beyond_the_client_s_time_is_not_begun(server: Scripted) -> None:
    server.script += [problem("unavailable", 503, Retry_After="30"), FINE]
    with Client(server.url, timeout_s=5) as client, pytest.raises(Exception, match="unavailable"):
        client.is_alive()
    assert len(server.came) == 1


def test_a_second_try_carries_the_same_seed_and_the_same_key(server: Scripted) -> None:
    card = {"spec": {"table": {"columns": []}}, "model": "m", "version": 1}
    rows = json.dumps({"model": "m@1", "seed": 7, "records": []}).encode()
    server.script += [None, (200, {}, rows), None, problem("internal", 500)]
    with Client(server.url) as client:
        from pushforward.client.answers import ModelCard
        from pushforward.client.sync.model import Model

        blank = dict.fromkeys(ModelCard.__annotations__)
        Model(client._connection, ModelCard(**{**blank, **card})).sample(2)  # type: ignore[arg-type]
        with pytest.raises(Internal):
            client.train("m", preset="p")
    first, second, third, fourth = server.came
    assert json.loads(first[2])["seed"] == json.loads(second[2])["seed"] is not None
    assert third[1]["Idempotency-Key"] == fourth[1]["Idempotency-Key"]


def test_a_model_that_the_lost_answer_deleted_is_deleted(server: Scripted) -> None:
    server.script += [None, problem("not-found", 404)]
    with Client(server.url) as client:
        assert client.models.delete("m@1") == []


def test_a_broken_answer_is_said_to_be_one(server: Scripted) -> None:
    server.script += [None]
    with Client(server.url, max_retries=0) as client, pytest.raises(BrokenAnswer, match="broke off"):
        client.is_alive()


def test_nothing_that_answers_is_said_to_be_so() -> None:
    with Client(f"http://127.0.0.1:{free_port()}", max_retries=1) as client, pytest.raises(Unreachable, match="start"):
        client.is_alive()


async def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with AsyncClient(url, timeout_s=0.2) as client:
            with pytest.raises(RequestTimeout, match="in time"):
                await client.is_alive()


def test_a_key_goes_as_bearer_and_is_not_shown(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHFORWARD_API_KEY", "pf_secret")
    monkeypatch.setenv("PUSHFORWARD_URL", server.url)
    server.script += [FINE]
    with Client(headers={"X-Team": "a"}) as client:
        client.is_alive()
        assert "secret" not in f"{client!r}"
    _, headers, _ = server.came[0]
    assert (headers["Authorization"], headers["X-Team"]) == ("Bearer pf_secret", "a")
    assert headers["User-Agent"].startswith("pushforward-client/")


def test_delays_are_jittered_and_bounded() -> None:
    retries = Retries(20)
    delays = [retries.delay_s(tries, None) for tries in range(1, 21) for _ in range(20)]
    assert all(delay is not None and 0 <= delay <= LONGEST_S for delay in delays)
    assert len(set(delays)) > 300
    assert retries.delay_s(21, None) is None
    assert (retries.delay_s(1, 3.0), retries.delay_s(1, 1e9)) == (3.0, None)
    assert (told_s({"Retry-After": "2"}), told_s({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})) == (2.0, None)
