"""One trace from a client through either API to the worker, as a real collector receives it over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pushforward.service.domain.errors import Overloaded
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply
from pushforward.service.rest.app import create
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from pushforward.service.rpc.server import GrpcServer
from pushforward.service.settings import Settings
from pushforward.service.telemetry import tracing
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.spans import GatewayTracing, WorkerTracing
from pushforward.service.telemetry.traced import TracedAsks
from tests.apis.fakes import application
from tests.apis.in_process import InProcessAsks, models
from tests.collector import Collector, collecting

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT_SPAN = "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CLIENT_SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{CLIENT_SPAN}-00"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as kept:
        yield kept


@dataclass
class TracedWorker:
    """`ports.Asks`: the worker's half, recording what it does as workers do; refuses requests of many rows."""

    asks: InProcessAsks
    tracing: WorkerTracing

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        if request.rows > 100:
            raise Overloaded("too much to do")
        sent_at = time.monotonic()
        await asyncio.sleep(0.002)
        started_at = time.monotonic()
        reply = await self.asks.ask(request, timeout_s=timeout_s)
        attributes = {"pushforward.batch_rows": request.rows}
        self.tracing.answered(request, sent_at, started_at, time.monotonic(), attributes)
        return reply

    async def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncGenerator[Preview | Reply]:
        yield await self.ask(request, timeout_s=timeout_s)


@dataclass
class Traced:
    """Both APIs, traced."""

    rest: httpx.AsyncClient
    stub: pb_grpc.PushforwardAsyncStub
    collector: Collector
    _gateway: GatewayTracing
    _worker: WorkerTracing

    async def spans(self) -> dict[str, Span]:
        """What the collector received, by name, once all is sent."""
        for each in (self._gateway, self._worker):
            await asyncio.to_thread(each.provider.force_flush)
        return self.collector.spans()


@pytest.fixture
async def traced(collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Traced]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    gateway, worker = tracing.for_gateway(), tracing.for_worker()
    assert gateway is not None
    assert worker is not None
    settings = Settings(data_root=tmp_path, store=tmp_path, grpc_port=0, ask_timeout_s=5)
    kept = {model.card.model: model for model in models()}
    asks = TracedAsks(TracedWorker(InProcessAsks(kept), worker), gateway)
    behind = application(settings, [model.card for model in kept.values()], asks)
    telemetry, closing = Telemetry(), asyncio.Event()
    rpc = GrpcServer(behind, telemetry, closing, gateway)
    await rpc.open()
    transport = httpx.ASGITransport(create(behind, telemetry, closing, gateway))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as rest,
        grpc.aio.insecure_channel(f"127.0.0.1:{rpc.port}") as channel,
    ):
        yield Traced(rest, pb_grpc.PushforwardStub(channel), collector, gateway, worker)
    await rpc.close(0)
    for each in (gateway, worker):
        await asyncio.to_thread(each.close)


def told(span: Span) -> dict[str, object]:
    """Its attributes."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def check_chain(spans: dict[str, Span], request: str) -> None:
    """The request within the client's span, the ask within the request, the worker's two within the ask."""
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    assert spans[request].parent_span_id.hex() == CLIENT_SPAN
    assert spans["ask sample"].parent_span_id == spans[request].span_id
    queue, compute, ask = spans["queue"], spans["compute"], spans["ask sample"]
    assert queue.parent_span_id == compute.parent_span_id == ask.span_id
    assert queue.end_time_unix_nano == compute.start_time_unix_nano
    slack_ns = 1_000_000  # two clocks are read one after the other
    assert ask.start_time_unix_nano - slack_ns <= queue.start_time_unix_nano < queue.end_time_unix_nano
    assert compute.end_time_unix_nano <= ask.end_time_unix_nano + slack_ns


async def test_a_trace_goes_from_a_rest_client_to_the_worker(traced: Traced) -> None:
    answer = await traced.rest.post("/sample", json={"model": "moons", "n": 3}, headers={"traceparent": PARENT})
    assert answer.status_code == 200
    spans = await traced.spans()
    assert set(spans) == {"POST /sample", "ask sample", "queue", "compute"}
    check_chain(spans, "POST /sample")
    request = told(spans["POST /sample"])
    assert request == {"http.request.method": "POST", "http.route": "/sample", "http.response.status_code": 200}
    ask = told(spans["ask sample"])
    asked = {"pushforward.model": "moons@1", "pushforward.op": "sample", "pushforward.rows": 3}
    timing = {f"pushforward.{name}": value for name, value in answer.json()["timing"].items()}
    assert ask == {**asked, **timing}
    assert asked.items() <= told(spans["compute"]).items()


async def test_a_trace_goes_from_a_grpc_client_to_the_worker(traced: Traced) -> None:
    await traced.stub.Sample(pb.SampleRequest(model="moons", n=3), metadata=(("traceparent", PARENT),))
    spans = await traced.spans()
    name = "pushforward.v1.Pushforward/Sample"
    assert set(spans) == {name, "ask sample", "queue", "compute"}
    check_chain(spans, name)
    assert told(spans[name])["rpc.grpc.status_code"] == 0
    assert traced.collector.services() == {
        **dict.fromkeys([name, "ask sample"], "pushforward-gateway"),
        **dict.fromkeys(["queue", "compute"], "pushforward-worker"),
    }


async def test_without_a_client_s_trace_a_new_one_begins(traced: Traced) -> None:
    await traced.rest.post("/sample", json={"model": "moons"})
    spans = await traced.spans()
    assert len({span.trace_id for span in spans.values()}) == 1
    assert spans["POST /sample"].parent_span_id == b""


async def test_what_the_client_does_not_sample_leaves_no_span(traced: Traced) -> None:
    answer = await traced.rest.post("/sample", json={"model": "moons"}, headers={"traceparent": UNSAMPLED})
    assert answer.status_code == 200
    assert await traced.spans() == {}


async def test_a_refusal_is_told_in_the_spans(traced: Traced) -> None:
    answer = await traced.rest.post("/sample", json={"model": "moons", "n": 200}, headers={"traceparent": PARENT})
    assert answer.status_code == 503
    spans = await traced.spans()
    assert told(spans["ask sample"])["pushforward.refusal"] == "overloaded"
    assert told(spans["ask sample"])["pushforward.refused_by"] == "door"
    assert spans["ask sample"].status.message == "too much to do"
    assert told(spans["POST /sample"])["http.response.status_code"] == 503
    assert spans["POST /sample"].status.code == spans["ask sample"].status.code == 2


async def test_a_client_s_mistake_is_no_failure_of_the_service(traced: Traced) -> None:
    await traced.rest.get("/models/nobody", headers={"traceparent": PARENT})
    spans = await traced.spans()
    assert told(spans["GET /models/{reference}"])["http.response.status_code"] == 404
    assert spans["GET /models/{reference}"].status.code == 0


async def test_what_machines_ask_all_the_time_is_not_traced(traced: Traced) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await traced.rest.get(path, headers={"traceparent": PARENT})).status_code == 200
    assert await traced.spans() == {}
