"""gRPC calls that are too many, never send their message, or carry too much beside it: at a real gateway."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from pushforward.service.rpc.server import SERVICE
from tests.faults.gateways import Gateway, running

Waiting = threading.Event()  # never set
MIB = 2**20
OWN = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own
SAMPLE = f"/{SERVICE}/Sample"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    limits = {"max_body_bytes": 8 * MIB, "max_bodies_bytes": 16 * MIB, "max_calls": 20, "max_header_bytes": 8192}
    with running(tmp_path_factory.mktemp("gateway"), body_timeout_s=2.0, **limits) as gateway:
        yield gateway


def silent(channel: grpc.Channel, release: list[bool]) -> grpc.Future:
    """A call that is begun, and sends nothing."""

    def nothing() -> Iterator[bytes]:
        while not release:
            yield from ()
            Waiting.wait(0.05)

    return channel.stream_unary(SAMPLE).future(nothing())


def test_calls_that_never_send_their_message_are_let_go_the_surplus_first(gateway: Gateway) -> None:
    release: list[bool] = []
    with grpc.insecure_channel(gateway.target) as channel:
        calls = [silent(channel, release) for _ in range(6)]
        codes = [call.exception(30).code() for call in calls]
        release.append(True)
        answer = pb_grpc.PushforwardStub(channel).Sample(pb.SampleRequest(model="moons", n=1), timeout=20)
    slow = 16 // 8  # as many as would fill the budget
    assert codes.count(grpc.StatusCode.DEADLINE_EXCEEDED) == slow
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == len(calls) - slow
    assert list(answer.samples.shape) == [1, 2]


def test_calls_beyond_their_limit_are_refused(tmp_path: Path) -> None:
    with running(tmp_path, max_calls=3) as gateway, grpc.insecure_channel(gateway.target) as first:
        release: list[bool] = []
        held = [silent(first, release) for _ in range(3)]
        with grpc.insecure_channel(gateway.target, OWN) as second:
            stub = pb_grpc.PushforwardStub(second)
            codes = set()
            for _ in range(200):
                try:
                    stub.Sample(pb.SampleRequest(model="moons", n=1), timeout=10)
                except grpc.RpcError as error:
                    codes.add(error.code())
                    break
                Waiting.wait(0.02)
        release.append(True)
        for call in held:
            call.cancel()
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}


@pytest.mark.parametrize(("n_bytes", "refused"), [(4_000, False), (20_000, True)])
def test_metadata_have_a_limit(gateway: Gateway, n_bytes: int, refused: bool) -> None:
    with grpc.insecure_channel(gateway.target) as channel:
        metadata = [("x-long", "a" * n_bytes)]
        request = pb.SampleRequest(model="moons", n=1)
        call = pb_grpc.PushforwardStub(channel).Sample.future(request, metadata=metadata, timeout=20)
        assert (call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED) is refused


def test_a_call_that_is_cancelled_before_its_message_is_nobodys(gateway: Gateway) -> None:
    with grpc.insecure_channel(gateway.target) as channel:
        stub = pb_grpc.PushforwardStub(channel)
        release: list[bool] = []
        call = silent(channel, release)
        call.cancel()
        release.append(True)
        assert list(stub.ListJobs(pb.ListJobsRequest(), timeout=20).jobs) == []
