"""Long samples and previews from a real worker."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from pushforward.service.client import Client
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from tests.e2e.running import Up

RUN = {
    "family": {"family": "vae", "latent": 2, "width": 8, "depth": 1, "likelihood": {"likelihood": "gaussian"}},
    "data": {"source": "two_moons"},
    "budget": {"steps": 5},
}
N = 30_000


STEPWISE = {**RUN, "family": {"family": "diffusion", "steps": 20, "width": 8, "depth": 1}}


def trained(client: Client, name: str, run: dict[str, Any]) -> str:
    events = client.watch(client.train(name, run=run)["id"])
    assert [data["state"] for kind, data in events if kind == "state"][-1] == "succeeded"
    return name


@pytest.fixture(scope="module")
def moons(client: Client) -> str:
    return trained(client, "moons", RUN)


def test_a_long_sample_is_the_same_rows_through_every_way(up: Up, client: Client, moons: str, tmp_path: Path) -> None:
    body = {"model": moons, "n": N, "seed": 3}
    client.save("sample", body, tmp_path / "long.npy", accept="application/x-npy")
    drawn = np.load(tmp_path / "long.npy")
    assert drawn.shape == (N, 2)
    assert len(np.unique(drawn, axis=0)) == N
    whole = client.ask("sample", {**body, "n": 1000}, accept="application/x-npy").content
    np.testing.assert_allclose(drawn[:1000], np.load(BytesIO(whole)), rtol=1e-5, atol=1e-6)
    with grpc.insecure_channel(f"127.0.0.1:{up.place.grpc_port}") as channel:
        stream = pb_grpc.PushforwardStub(channel).SampleStream(pb.SampleRequest(**body))
        parts = [np.frombuffer(part.samples.data, np.float32).reshape(part.samples.shape) for part in stream]
    assert len(parts) > 3
    np.testing.assert_allclose(drawn, np.concatenate(parts), rtol=1e-5, atol=1e-6)


def test_rows_are_seen_on_their_way(up: Up, client: Client) -> None:
    model = trained(client, "stepwise", STEPWISE)
    request = pb.SampleRequest(model=model, n=3, seed=3, preview_every=6, options={"steps": 20})
    with grpc.insecure_channel(f"127.0.0.1:{up.place.grpc_port}") as channel:
        parts = list(pb_grpc.PushforwardStub(channel).SampleStream(request))
    assert [(part.step, part.steps) for part in parts] == [(6, 20), (12, 20), (18, 20), (0, 0)]
    assert all(list(part.samples.shape) == [3, 2] for part in parts)
    body = {"model": model, "n": 3, "seed": 3, "options": {"steps": 20}}
    watched = client.ask("sample", {**body, "preview_every": 6}, accept="text/event-stream").text
    assert [line for line in watched.splitlines() if line.startswith("event:")] == ["event: preview"] * 3 + [
        "event: samples"
    ]
    plain = client.ask("sample", body).json()["samples"]
    np.testing.assert_allclose(
        np.frombuffer(parts[-1].samples.data, np.float32).reshape(3, 2), plain, rtol=1e-5, atol=1e-6
    )
