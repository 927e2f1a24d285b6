"""Answers that are sent as they come: long samples in parts, and looks at the rows on their way."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import grpc
import httpx
import numpy as np
import orjson
import pytest

from pushforward.service.application import streaming
from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.in_process import InProcessAsks
from tests.apis.test_both_apis import array

NPY = {"Accept": "application/x-npy"}
EVENTS = {"Accept": "text/event-stream"}
LONG = {"model": "moons", "n": 1800, "seed": 5}  # the apis' max_rows is 500
STEPS = {"model": "stepwise", "n": 3, "seed": 5, "preview_every": 6, "options": {"steps": 20}}


def rows_of(response: httpx.Response) -> np.ndarray:
    assert response.status_code == 200, response.text
    return np.load(BytesIO(response.content))


def events_of(response: httpx.Response) -> list[tuple[str, Any]]:
    """(kind, data) of each event."""
    blocks = response.text.strip().split("\n\n")
    lines = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    return [(line["event"], orjson.loads(line["data"])) for line in lines]


async def test_a_long_sample_as_npy_is_the_rows_that_requests_of_each_part_give(apis: Apis) -> None:
    answer = await apis.rest.post("/sample", json=LONG, headers=NPY)
    drawn = rows_of(answer)
    assert drawn.shape == (1800, 2)
    assert (answer.headers["pushforward-model"], answer.headers["pushforward-seed"]) == ("moons@1", "5")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "server-timing" not in answer.headers
    whole = await apis.asks.ask(InferenceRequest("moons@1", "sample", 1800, 5), timeout_s=5)
    np.testing.assert_allclose(drawn, whole.arrays["samples"], rtol=1e-6)  # kernels round by the size of a batch
    parts = [array(part.samples) async for part in apis.stub.SampleStream(pb.SampleRequest(**LONG))]
    assert len(parts) > 3
    np.testing.assert_array_equal(drawn, np.concatenate(parts))


async def test_a_stream_of_large_rows_is_cut_by_their_size(apis: Apis) -> None:
    request = pb.SampleRequest(model="digits", n=400, seed=1)
    parts = [part async for part in apis.stub.SampleStream(request)]
    assert [part.samples.shape[0] for part in parts] == [156, 156, 88]  # max_values holds for each part
    assert {(part.model, part.seed, part.step, part.steps) for part in parts} == {("digits@1", 1, 0, 0)}
    assert all(part.timing.batch_rows == part.samples.shape[0] for part in parts)
    first = await apis.stub.Sample(pb.SampleRequest(model="digits", n=100, seed=1))
    np.testing.assert_array_equal(np.concatenate([array(part.samples) for part in parts])[:100], array(first.samples))


@pytest.mark.parametrize("n", [1, 64, 65, 500])
async def test_an_array_that_fits_into_one_part_is_whole_and_tells_its_timing(apis: Apis, n: int) -> None:
    answer = await apis.rest.post("/sample", json={**LONG, "n": n}, headers=NPY)
    assert rows_of(answer).shape == (n, 2)
    assert "compute;dur=" in answer.headers["server-timing"]
    assert apis.asks.begun == 1


async def test_without_a_seed_all_parts_are_of_one(apis: Apis) -> None:
    answer = await apis.rest.post("/sample", json={"model": "moons", "n": 1200}, headers=NPY)
    again = {"model": "moons", "n": 1200, "seed": int(answer.headers["pushforward-seed"])}
    np.testing.assert_array_equal(rows_of(answer), rows_of(await apis.rest.post("/sample", json=again, headers=NPY)))


async def test_a_stream_of_more_than_it_may_hold_is_refused_naming_the_file(apis: Apis) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.SampleStream(pb.SampleRequest(model="moons", n=100_001)).read()
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "at most 100000 in one stream; StartSampling" in (failed.value.details() or "")


async def test_more_than_one_answer_may_hold_is_refused_naming_the_stream(apis: Apis) -> None:
    for accept in ("application/json", "image/png", "text/event-stream"):
        refused = await apis.rest.post("/sample", json=LONG, headers={"Accept": accept})
        assert refused.status_code == 422
        assert "at most 500" in refused.json()["detail"]
        assert "application/x-npy" in refused.json()["detail"]


@pytest.mark.parametrize("body", [{"model": "nobody"}, {"n": 0}, {"options": {"x": 1}}, {"preview_every": 2}])
async def test_what_is_wrong_with_a_long_sample_is_a_problem_document(apis: Apis, body: dict[str, Any]) -> None:
    refused = await apis.rest.post("/sample", json=LONG | body, headers=NPY)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.status_code == (404 if "model" in body else 422)


async def test_the_deadline_of_a_call_ends_a_stream_in_its_midst(apis: Apis) -> None:
    apis.asks.delay_s = 0.2
    call = apis.stub.SampleStream(pb.SampleRequest(model="moons", n=50_000), timeout=0.5)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        _ = [part async for part in call]
    assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_stream_that_is_cancelled_gives_its_parts_up(apis: Apis) -> None:
    apis.asks.delay_s = 60
    call = apis.stub.SampleStream(pb.SampleRequest(model="moons", n=50_000))
    async with asyncio.timeout(5):
        while apis.asks.begun < streaming.AHEAD:
            await asyncio.sleep(0.001)
        call.cancel()
        while apis.asks.cancelled < streaming.AHEAD:
            await asyncio.sleep(0.001)


# --- what a server sees of REST ---


class Connection:
    """One request to the app, as a server sees it: its client may pause, and may leave."""

    def __init__(self, apis: Apis, body: dict[str, Any], headers: dict[str, str]) -> None:
        transport: Any = apis.rest._transport
        self._app = transport.app
        self._request = [{"type": "http.request", "body": orjson.dumps(body), "more_body": False}]
        self._headers = {"content-type": "application/json", **headers}
        self.left = asyncio.Event()
        self.reading = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    @property
    def is_complete(self) -> bool:
        return self.sent[-1].get("more_body") is False

    async def run(self) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/sample",
            "raw_path": b"/sample",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in self._headers.items()],
            "scheme": "http",
            "server": ("rest", 80),
            "client": ("client", 1),
            "root_path": "",
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if self._request:
            return self._request.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        await self.reading.wait()


async def test_a_client_that_pauses_holds_its_stream_back(apis: Apis) -> None:
    connection = Connection(apis, {**LONG, "n": 50_000}, NPY)
    running = asyncio.ensure_future(connection.run())
    async with asyncio.timeout(10):
        while not connection.sent:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        assert len(connection.sent) == 1
        assert apis.asks.begun == streaming.AHEAD
        connection.reading.set()
        await running
    assert connection.is_complete
    assert apis.asks.begun > streaming.AHEAD


async def test_a_client_that_leaves_in_the_midst_gives_the_rest_up(apis: Apis) -> None:
    connection = Connection(apis, {**LONG, "n": 50_000}, NPY)
    running = asyncio.ensure_future(connection.run())
    async with asyncio.timeout(5):
        while not connection.sent:
            await asyncio.sleep(0.001)
        apis.asks.delay_s = 60
        connection.reading.set()
        while len(connection.sent) < 4:
            await asyncio.sleep(0.001)
        connection.left.set()
        await running
    assert apis.asks.cancelled > 0
    assert not connection.is_complete


async def test_a_failure_in_the_midst_leaves_the_body_unfinished_and_is_logged(
    apis: Apis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask: Any = InProcessAsks.ask

    async def failing(self: InProcessAsks, request: InferenceRequest, *, timeout_s: float) -> Reply:
        if request.first > 1000:
            raise Failed("the worker failed")
        return await ask(self, request, timeout_s=timeout_s)

    monkeypatch.setattr(InProcessAsks, "ask", failing)
    connection = Connection(apis, LONG, NPY)
    connection.reading.set()
    await asyncio.wait_for(connection.run(), 5)
    assert connection.sent[0]["status"] == 200
    assert not connection.is_complete
    assert "the answer to /sample broke off: the worker failed" in caplog.text


# --- previews ---


async def test_rows_can_be_watched_on_their_way_through_both_apis(apis: Apis) -> None:
    answer = await apis.rest.post("/sample", json=STEPS, headers=EVENTS)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["pushforward-model"], answer.headers["pushforward-seed"]) == ("stepwise@1", "5")
    told = events_of(answer)
    assert [(kind, data.get("step"), data.get("steps")) for kind, data in told] == [
        ("preview", 6, 20), ("preview", 12, 20), ("preview", 18, 20), ("samples", None, None),
    ]  # fmt: skip
    plain = {name: value for name, value in STEPS.items() if name != "preview_every"}
    whole = (await apis.rest.post("/sample", json=plain)).json()
    assert (told[-1][1]["samples"], told[-1][1]["seed"]) == (whole["samples"], 5)
    parts = [part async for part in apis.stub.SampleStream(pb.SampleRequest(**STEPS))]
    assert [(part.step, part.steps) for part in parts] == [(6, 20), (12, 20), (18, 20), (0, 0)]
    for part, (_, data) in zip(parts, told, strict=True):
        np.testing.assert_array_equal(array(part.samples), np.array(data["samples"], np.float32))
    assert not np.array_equal(array(parts[0].samples), array(parts[-1].samples))


@pytest.mark.parametrize("body", [{"model": "moons", "preview_every": 1}, {"model": "stepwise"}])
async def test_where_there_is_nothing_to_watch_the_samples_come_alone(apis: Apis, body: dict[str, Any]) -> None:
    told = events_of(await apis.rest.post("/sample", json=body, headers=EVENTS))
    assert [kind for kind, _ in told] == ["samples"]
    assert told[0][1].keys() == {"model", "seed", "samples", "timing"}
    parts = [part async for part in apis.stub.SampleStream(pb.SampleRequest(n=1, **body))]
    assert [(part.step, part.steps) for part in parts] == [(0, 0)]


async def test_many_rows_are_not_watched(apis: Apis) -> None:
    refused = await apis.rest.post("/sample", json={**STEPS, "n": 65}, headers=EVENTS)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "n")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.SampleStream(pb.SampleRequest(**{**STEPS, "n": 65})).read()
    assert failed.value.details() == refused.json()["detail"]


async def test_a_refusal_after_the_first_preview_is_the_last_event(apis: Apis) -> None:
    apis.asks.delay_s = 60
    told = events_of(await apis.rest.post("/sample", json={**STEPS, "deadline_ms": 50}, headers=EVENTS))
    assert [kind for kind, _ in told] == ["preview"] * 3 + ["problem"]
    assert (told[-1][1]["type"], told[-1][1]["status"]) == ("/problems/timed-out", 504)


async def test_a_refusal_before_the_first_event_is_a_problem_document(apis: Apis) -> None:
    for wrong, status in (({"model": "nobody"}, 404), ({"preview_every": 0}, 422), ({"deadline_ms": 0}, 422)):
        refused = await apis.rest.post("/sample", json=STEPS | wrong, headers=EVENTS)
        assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")


async def test_a_call_that_stops_watching_gives_the_sample_up(apis: Apis) -> None:
    apis.asks.delay_s = 60
    call = apis.stub.SampleStream(pb.SampleRequest(**STEPS))
    async with asyncio.timeout(5):
        assert (await call.read()).step == 6
        while not apis.asks.begun:
            await asyncio.sleep(0.001)
        call.cancel()
        while not apis.asks.cancelled:
            await asyncio.sleep(0.001)


async def test_a_client_that_stops_watching_gives_the_sample_up(apis: Apis) -> None:
    apis.asks.delay_s = 60
    connection = Connection(apis, STEPS, EVENTS)
    connection.reading.set()
    running = asyncio.ensure_future(connection.run())
    async with asyncio.timeout(5):
        while not apis.asks.begun:
            await asyncio.sleep(0.001)
        connection.left.set()
        await running
    assert apis.asks.cancelled == 1
    assert not connection.is_complete
