"""Two ways to load a server.

A closed loop has a number of clients, each of which asks again when it is answered: `wrk` plays it. It never
overloads a server for long, and says how much the server can do. An open loop asks at times of its own (a Poisson
process of constant rate) whatever the server does, as a crowd of strangers would. Its latencies count from the time an
ask was due, so a generator that is held up, by the server's computing on the same cores or by itself, hides nothing.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import cast, final

import numpy as np
import uvloop

WRK_TIMEOUT_S = 10
WRK = """
local requests = {}

function init(args)
  for i = 3, #args do
    local file = io.open(args[i], "rb")
    local headers = {["Content-Type"] = args[1], ["Accept"] = args[2]}
    requests[#requests + 1] = wrk.format("POST", nil, headers, file:read("*a"))
    file:close()
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"n": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "refused": %d, "broken": %d, "late": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
"""


@dataclass(frozen=True)
class Post:
    """What is asked, again and again: one of the bodies, by chance."""

    path: str
    bodies: tuple[bytes, ...]
    content_type: str = "application/json"
    accept: str = "application/json"

    def requests(self, port: int) -> list[bytes]:
        """The bytes of each request."""
        return [
            (
                f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {self.content_type}\r\n"
                f"Accept: {self.accept}\r\nContent-Length: {len(body)}\r\n\r\n"
            ).encode()
            + body
            for body in self.bodies
        ]


class NoWrk(RuntimeError):
    """The program that plays the closed loop is missing."""


@dataclass(frozen=True)
class Closed:
    """What a closed loop saw."""

    clients: int
    per_s: float  # answers of status 2xx
    p50_ms: float
    p99_ms: float
    refused: int  # answers of another status
    broken: int  # connections
    late: int  # answers that took more than WRK_TIMEOUT_S


def closed_loop(port: int, post: Post, clients: int, seconds: float) -> Closed:
    """Ask with so many clients for so long, after a second to warm up. Raises NoWrk."""
    if shutil.which("wrk") is None:
        raise NoWrk("the closed loop is played by wrk, which is not here: apt install wrk, brew install wrk")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(WRK)
        bodies = [Path(folder) / f"body-{i}" for i in range(len(post.bodies))]
        for file, body in zip(bodies, post.bodies, strict=True):
            file.write_bytes(body)
        _wrk(port, post, clients, 1, script, bodies)
        seen = _wrk(port, post, clients, max(1, round(seconds)), script, bodies)
    good = seen["n"] - seen["refused"]
    counts = {name: int(seen[name]) for name in ("refused", "broken", "late")}
    return Closed(clients, good / seen["seconds"], seen["p50_ms"], seen["p99_ms"], **counts)


def _wrk(port: int, post: Post, clients: int, seconds: int, script: Path, bodies: Sequence[Path]) -> dict[str, float]:
    command = [
        *("wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s"),
        *("--timeout", f"{WRK_TIMEOUT_S}s", "--script", str(script), f"http://127.0.0.1:{port}{post.path}"),
        *("--", post.content_type, post.accept, *map(str, bodies)),
    ]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seen: dict[str, float] = json.loads(said.splitlines()[-1])
    return seen


@dataclass(frozen=True)
class Arrivals:
    """A Poisson process of asks."""

    post: Post
    per_s: float


@dataclass(frozen=True)
class Outcome:
    """How one ask of an open loop ended."""

    status: int  # 0: the connection broke, or the client's patience did
    latency_ms: float  # from when it was due
    behind_ms: float  # of that, before the generator sent it
    compute_ms: float  # that the server says it took, 0 where it does not
    retry_after: bool  # whether a refusal says when to come again

    @property
    def since_sent_ms(self) -> float:
        """What a deadline is counted in."""
        return self.latency_ms - self.behind_ms


def open_loop(
    port: int, arrivals: Sequence[Arrivals], seconds: float, *, patience_s: float = 5.0, warm_up_s: float = 1.0
) -> list[list[Outcome]]:
    """Ask at constant rates for so long after a warm-up; the outcomes of each process, in the order of their times.

    The same call asks at the same times with the same bodies.
    """
    rng = np.random.default_rng(0)
    span_s = warm_up_s + seconds
    asks: list[_Ask] = []
    for i, each in enumerate(arrivals):
        requests = each.post.requests(port)
        due_s = np.sort(rng.uniform(0, span_s, rng.poisson(each.per_s * span_s)))
        asks += [_Ask(i, float(t), requests[rng.integers(len(requests))]) for t in due_s]
    asks.sort(key=lambda ask: ask.due_s)
    # Below a thousand connections `select` serves, which alone waits to the microsecond; others round up to 1 ms.
    few = sum(each.per_s for each in arrivals) * patience_s < 900
    with asyncio.Runner(loop_factory=_exact_loop if few else uvloop.new_event_loop) as runner:
        runner.run(_Generator(port, patience_s).run(asks))
    outcomes: list[list[Outcome]] = [[] for _ in arrivals]
    for ask in asks:
        if ask.due_s >= warm_up_s:
            times_ms = 1000 * ask.took_s, 1000 * ask.behind_s
            outcomes[ask.process].append(Outcome(ask.status, *times_ms, ask.compute_ms, ask.retry_after))
    return outcomes


def percentile_ms(outcomes: Iterable[Outcome], q: float) -> float:
    """Of the latencies of what was answered; nan where nothing was."""
    answered = [outcome.latency_ms for outcome in outcomes if outcome.status == 200]
    return float(np.percentile(answered, q)) if answered else float("nan")


def _exact_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


@final
@dataclass(eq=False)
class _Ask:
    process: int
    due_s: float  # since the start
    request: bytes
    status: int = 0
    took_s: float = 0.0
    behind_s: float = 0.0
    compute_ms: float = 0.0
    retry_after: bool = False


@final
@dataclass(eq=False)
class _Generator:
    """Sends each ask when it is due, over a connection that is free, or a new one."""

    port: int
    patience_s: float
    free: list[_Connection] = field(default_factory=list)
    under_way: dict[_Connection, _Ask] = field(default_factory=dict)
    opening: set[asyncio.Task[None]] = field(default_factory=set)
    began: float = 0.0

    async def run(self, asks: Sequence[_Ask]) -> None:
        """All asks, to their ends."""
        self.began = perf_counter()
        impatient = asyncio.create_task(self._give_up_the_late())
        for ask in asks:
            wait_s = ask.due_s - self._now_s()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self._send(ask)
        while self.under_way or self.opening:
            await asyncio.sleep(0.01)
        impatient.cancel()
        for connection in self.free:
            connection.close()
        await asyncio.sleep(0)

    def ended(self, connection: _Connection, *, reusable: bool) -> None:
        """An ask has its outcome."""
        ask = self.under_way.pop(connection, None)
        if ask is not None:
            ask.took_s = self._now_s() - ask.due_s
            if reusable:
                self.free.append(connection)

    def _now_s(self) -> float:
        return perf_counter() - self.began

    def _send(self, ask: _Ask) -> None:
        ask.behind_s = self._now_s() - ask.due_s
        while self.free:
            connection = self.free.pop()
            if connection.is_open:
                self.under_way[connection] = ask
                connection.send(ask)
                return
        task = asyncio.create_task(self._open(ask))
        self.opening.add(task)
        task.add_done_callback(self.opening.discard)

    async def _open(self, ask: _Ask) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.port)
        except OSError:
            ask.took_s = self._now_s() - ask.due_s
            return
        self.under_way[connection] = ask
        connection.send(ask)

    async def _give_up_the_late(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            for connection, ask in list(self.under_way.items()):
                if self._now_s() - ask.due_s < self.patience_s:
                    break  # the oldest come first
                self.ended(connection, reusable=False)
                connection.close()


@final
class _Connection(asyncio.Protocol):
    """One request at a time; reads as much of an answer as is wanted of it: status, length and two headers."""

    def __init__(self, generator: _Generator) -> None:
        self._generator = generator
        self._transport: asyncio.Transport | None = None
        self._ask: _Ask | None = None
        self._head = b""
        self._left = -1  # bytes of the body; unknown while the head is not read

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by name

    def connection_lost(self, exc: Exception | None) -> None:
        self._generator.ended(self, reusable=False)

    def send(self, ask: _Ask) -> None:
        if self._transport is not None:
            self._ask, self._head, self._left = ask, b"", -1
            self._transport.write(ask.request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._left >= 0:
            self._left -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._left = _number(self._head[:end].lower(), b"\r\ncontent-length:") - (len(self._head) - end - 4)
        if self._left <= 0 and self._ask is not None:
            head = self._head.partition(b"\r\n\r\n")[0].lower()
            self._ask.status = int(head[9:12])
            self._ask.compute_ms = float(_text(head, b"compute;dur=") or 0)
            self._ask.retry_after = b"\r\nretry-after:" in head
            self._ask = None
            self._generator.ended(self, reusable=b"\r\nconnection: close" not in head)


def _text(head: bytes, name: bytes) -> bytes:
    """What follows a name in a head, up to the next separator."""
    at = head.find(name)
    return head[at + len(name) :].lstrip().partition(b"\r")[0].partition(b",")[0] if at >= 0 else b""


def _number(head: bytes, name: bytes) -> int:
    return int(_text(head, name) or 0)
