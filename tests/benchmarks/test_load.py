"""The generator of the open loop, against small servers of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from benchmarks.load import Arrivals, Post, open_loop, percentile_ms

Answer = Callable[[bytes], Awaitable[bytes]]

PING = Post("/ping", (b"ping",))


@contextmanager
def answering(answer: Answer) -> Iterator[int]:
    """A server that reads heads and bodies of four bytes, and writes what it is told; its port."""
    listening: Future[tuple[int, Callable[[], object]]] = Future()
    server = threading.Thread(target=lambda: asyncio.run(serve(answer, listening)))
    server.start()
    port, stop = listening.result()
    try:
        yield port
    finally:
        stop()
        server.join()


async def serve(answer: Answer, listening: Future[tuple[int, Callable[[], object]]]) -> None:
    loop, stopping, talks = asyncio.get_running_loop(), asyncio.Event(), set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await answer(head + await reader.readexactly(4)))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    listening.set_result((port, lambda: loop.call_soon_threadsafe(stopping.set)))
    await stopping.wait()
    server.close()
    for task in talks:
        task.cancel()
    await asyncio.gather(*talks)
    await asyncio.sleep(0)  # the transports close


def response(status: str, body: bytes = b"pong", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_every_ask_that_was_due_has_an_outcome() -> None:
    asked = []

    async def answer(request: bytes) -> bytes:
        asked.append(request)
        return response("200 OK")

    with answering(answer) as port:
        outcomes = open_loop(port, [Arrivals(PING, 200)], 0.5, warm_up_s=0.0)[0]
    assert len(outcomes) == len(asked) > 50
    assert {outcome.status for outcome in outcomes} == {200}
    assert asked[0].startswith(b"POST /ping HTTP/1.1\r\n")
    assert asked[0].endswith(b"ping")


def test_refusals_keep_their_status_and_their_word_when_to_come_again() -> None:
    async def answer(_: bytes) -> bytes:
        return response("503 Service Unavailable", b"", "Retry-After: 2")

    with answering(answer) as port:
        outcomes = open_loop(port, [Arrivals(PING, 100)], 0.3, warm_up_s=0.0)[0]
    assert {(outcome.status, outcome.retry_after) for outcome in outcomes} == {(503, True)}


def test_what_a_server_says_it_took_is_read_from_its_timing() -> None:
    async def answer(_: bytes) -> bytes:
        return response("200 OK", b"pong", "Server-Timing: queue;dur=1.000, compute;dur=2.500, total;dur=4.000")

    with answering(answer) as port:
        outcomes = open_loop(port, [Arrivals(PING, 100)], 0.3, warm_up_s=0.0)[0]
    assert {outcome.compute_ms for outcome in outcomes} == {2.5}


def test_an_ask_counts_from_when_it_was_due_while_the_server_sleeps() -> None:
    async def answer(_: bytes) -> bytes:
        await asyncio.sleep(0.2)
        return response("200 OK")

    with answering(answer) as port:
        outcomes = open_loop(port, [Arrivals(PING, 50)], 0.3, warm_up_s=0.0)[0]
    assert percentile_ms(outcomes, 0) >= 199  # a loop's clock may run a little ahead


def test_a_client_whose_patience_ends_gives_up() -> None:
    async def answer(_: bytes) -> bytes:
        await asyncio.sleep(30)
        return b""

    with answering(answer) as port:
        outcomes = open_loop(port, [Arrivals(PING, 50)], 0.2, warm_up_s=0.0, patience_s=0.1)[0]
    assert outcomes
    assert {outcome.status for outcome in outcomes} == {0}


def test_two_processes_are_told_apart() -> None:
    async def answer(request: bytes) -> bytes:
        return response("200 OK" if b"/ping" in request else "404 Not Found")

    with answering(answer) as port:
        pings, others = open_loop(port, [Arrivals(PING, 80), Arrivals(Post("/", (b"none",)), 40)], 0.5, warm_up_s=0.0)
    assert {outcome.status for outcome in pings} == {200}
    assert {outcome.status for outcome in others} == {404}


def test_the_same_loop_asks_at_the_same_times() -> None:
    async def answer(_: bytes) -> bytes:
        return response("200 OK")

    with answering(answer) as port:
        first, second = (open_loop(port, [Arrivals(PING, 100)], 0.3, warm_up_s=0.0)[0] for _ in range(2))
    assert len(first) == len(second)
