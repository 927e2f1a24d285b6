"""What only gRPC has: tensors, deadlines, cancellation, limits of messages."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.jobs import Event, Job
from pushforward.service.domain.record import Record
from pushforward.service.rpc import records, tensors
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.test_both_apis import tensor


@pytest.mark.parametrize("dtype", tensors.DTYPES)
def test_a_tensor_keeps_its_numbers(dtype: str) -> None:
    x = np.arange(6, dtype=dtype).reshape(2, 3)
    np.testing.assert_array_equal(tensors.array(tensor(x), "x"), x)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.Tensor(dtype="float16", shape=[1], data=b"ab"), "x.dtype"),
        (pb.Tensor(shape=[1], data=b"abcd"), "x.dtype"),
        (pb.Tensor(dtype="float32", shape=[2], data=b"abcd"), "x.data"),
        (pb.Tensor(dtype="float32", shape=[-1, -1], data=b"abcd"), "x.data"),
        (pb.Tensor(dtype="float32", shape=[1] * 65, data=b"abcd"), "x.shape"),
        (pb.Tensor(dtype="float32", shape=[0, 2**62, 2**62], data=b""), "x.shape"),
        (pb.Tensor(dtype="float32", shape=[2**62, 4], data=b""), "x.data"),
    ],
)
def test_a_tensor_that_lies_is_refused(message: pb.Tensor, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        tensors.array(message, "x")
    assert [error.field for error in refused.value.errors] == [field]


async def test_values_that_are_not_finite_are_refused(apis: Apis) -> None:
    x = tensor(np.full((1, 2), np.nan, np.float32))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Encode(pb.EncodeRequest(model="moons", x=x))
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_call_waits_no_longer_than_its_deadline(apis: Apis) -> None:
    apis.asks.delay_s = 60
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Sample(pb.SampleRequest(model="moons", n=1), timeout=0.3)
    assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_call_that_is_cancelled_gives_its_ask_up(apis: Apis) -> None:
    apis.asks.delay_s = 60
    call = apis.stub.Sample(pb.SampleRequest(model="moons", n=1))
    while not apis.asks.begun:
        await asyncio.sleep(0.001)
    call.cancel()
    async with asyncio.timeout(5):
        while not apis.asks.cancelled:
            await asyncio.sleep(0.001)


async def test_a_message_too_large_is_refused(apis: Apis) -> None:
    x = tensor(np.zeros((20_000, 2), np.float32))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Encode(pb.EncodeRequest(model="moons", x=x))
    assert failed.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_seed_beyond_what_a_double_keeps_is_kept(apis: Apis) -> None:
    request = pb.TrainRequest(model="m", seed=2**62 + 1)
    request.run.update({"family": {"family": "vae"}, "data": {"source": "two_moons"}})
    job = await apis.stub.Train(request)
    assert (await apis.rest.get(f"/jobs/{job.id}")).json()["run"]["seed"] == 2**62 + 1


@pytest.mark.parametrize(("seed", "code"), [(2**53 - 1, None), (2**60 + 1, grpc.StatusCode.INVALID_ARGUMENT)])
async def test_a_whole_number_that_a_double_does_not_keep_is_refused(
    apis: Apis, seed: int, code: grpc.StatusCode | None
) -> None:
    request = pb.TrainRequest(model="m")
    request.run.update({"family": {"family": "vae"}, "data": {"source": "two_moons", "n": 20, "seed": seed}})
    if code is None:
        assert (await apis.stub.Train(request)).run["data"]["seed"] == seed
        return
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Train(request)
    assert failed.value.code() == code
    assert (failed.value.details() or "").startswith("run.data.seed: is a double beyond 2**53")


async def test_a_large_double_that_need_not_be_whole_is_kept(apis: Apis) -> None:
    request = pb.TrainRequest(model="m")
    optimizer = {"clip_norm": 1e30}
    request.run.update({"family": {"family": "vae"}, "data": {"source": "two_moons"}, "optimizer": optimizer})
    assert (await apis.stub.Train(request)).run["optimizer"]["clip_norm"] == 1e30


async def test_a_preset_takes_another_seed(apis: Apis) -> None:
    seed = 2**63 - 1  # beyond what a Struct's double holds
    job = await apis.stub.Train(pb.TrainRequest(model="m", preset="vae-digits", seed=seed))
    assert (await apis.rest.get(f"/jobs/{job.id}")).json()["run"]["seed"] == seed


async def test_a_seed_alone_is_no_run(apis: Apis) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="give preset, start_from or run"):
        await apis.stub.Train(pb.TrainRequest(model="m", seed=1))


async def test_a_request_of_many_faults_is_refused_within_what_a_status_may_hold(apis: Apis) -> None:
    request = pb.TrainRequest(model="m")
    request.run.update({"family": {"family": "vae"}, "data": {"source": "two_moons"}})
    request.run.update({f"{'x' * 500}{i}": 1 for i in range(150)})
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Train(request)
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.GetJob(pb.GetJobRequest(id="x" * 50_000))
    assert failed.value.code() == grpc.StatusCode.NOT_FOUND


async def test_an_event_id_that_is_none_is_refused(apis: Apis) -> None:
    job = await apis.stub.Train(pb.TrainRequest(model="m", preset="vae-digits"))
    for after in ("yesterday", "\u0663"):  # a digit, in Arabic
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await apis.stub.WatchJob(pb.WatchJobRequest(id=job.id, after=after)).read()
        assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("seen", [0, 1], ids=["from the start", "of what is seen already"])
async def test_a_watch_that_ends_before_its_job_says_that_the_service_is_closing(apis: Apis, seen: int) -> None:
    job = await apis.stub.Train(pb.TrainRequest(model="m", preset="vae-digits"))
    watched = apis.stub.WatchJob(pb.WatchJobRequest(id=job.id))
    first = await anext(aiter(watched))
    watched.cancel()
    again = apis.stub.WatchJob(pb.WatchJobRequest(id=job.id, after=first.id if seen else ""))
    asyncio.get_running_loop().call_later(0.2, apis.closing.set)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        [event async for event in again]
    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
    assert f"watch again after {first.id}" in (failed.value.details() or "")


async def test_a_watch_of_a_job_that_is_over_ends_also_while_the_service_closes(apis: Apis) -> None:
    job = await apis.stub.Train(pb.TrainRequest(model="m", preset="vae-digits"))
    await apis.stub.CancelJob(pb.CancelJobRequest(id=job.id))
    events = [event async for event in apis.stub.WatchJob(pb.WatchJobRequest(id=job.id))]
    apis.closing.set()
    after = pb.WatchJobRequest(id=job.id, after=events[-1].id)
    assert [event async for event in apis.stub.WatchJob(after)] == []


async def test_a_list_by_a_state_that_is_none_is_refused(apis: Apis) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.ListJobs(pb.ListJobsRequest(state=99))  # type: ignore[arg-type]
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_defect_tells_nothing(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apis.asks, "kept", {})
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Sample(pb.SampleRequest(model="moons", n=1))
    assert failed.value.code() == grpc.StatusCode.INTERNAL
    assert "moons" not in (failed.value.details() or "")


async def test_the_kind_and_the_times_of_a_job_are_typed(apis: Apis) -> None:
    job = await apis.stub.Train(pb.TrainRequest(model="m", preset="vae-digits"))
    assert (job.job_kind, job.kind) == (pb.JOB_KIND_TRAIN, "train")
    assert job.create_time.ToMicroseconds() / 1e6 == pytest.approx(job.created_at, abs=1e-6)
    assert not job.HasField("start_time")
    assert not job.HasField("end_time")
    sampling = await apis.stub.StartSampling(pb.StartSamplingRequest(ask=pb.SampleRequest(model="moons", n=3)))
    assert (sampling.job_kind, sampling.kind) == (pb.JOB_KIND_SAMPLE, "sample")


async def test_the_kind_of_an_event_and_of_a_likelihood_are_typed(apis: Apis) -> None:
    job = await apis.stub.Train(pb.TrainRequest(model="m", preset="vae-digits"))
    call = apis.stub.WatchJob(pb.WatchJobRequest(id=job.id))
    event = await anext(aiter(call))
    call.cancel()
    assert (event.event_kind, event.kind) == (pb.EVENT_KIND_STATE, "state")
    scored = await apis.stub.Likelihood(pb.LikelihoodRequest(model="moons", x=tensor(np.zeros((1, 2), np.float32))))
    assert (scored.likelihood_kind, scored.kind) == (pb.LIKELIHOOD_KIND_LOWER_BOUND, "lower_bound")


def test_a_kind_of_event_that_the_contract_does_not_know_is_unspecified() -> None:
    event = records.event(Event.model_construct(id="1-0", kind="weather", data={}))
    assert (event.event_kind, event.kind) == (pb.EVENT_KIND_UNSPECIFIED, "weather")


@pytest.mark.parametrize(("record", "enum"), [(Job, pb.JobKind), (Event, pb.EventKind)])
def test_every_kind_of_job_and_of_event_has_a_value_of_its_own(record: type[Record], enum: Any) -> None:
    kinds = get_args(record.model_fields["kind"].annotation)
    assert [name.rpartition("_KIND_")[2].lower() for name in enum.keys()[1:]] == list(kinds)


async def test_services_are_reflected_under_both_names(apis: Apis) -> None:
    symbol = reflection_pb2.ServerReflectionRequest(file_containing_symbol="pushforward.v1.Pushforward")
    described = []
    for name in ("grpc.reflection.v1", "grpc.reflection.v1alpha"):
        call = apis.channel.stream_stream(
            f"/{name}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )(iter([symbol]))
        [reply] = [reply async for reply in call]
        described.append(list(reply.file_descriptor_response.file_descriptor_proto))
    assert described[0] == described[1]
    assert pb.DESCRIPTOR.serialized_pb in described[0]
