"""Long samples and previews from a real worker."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import grpc
import numpy as np
import pytest

from service.client import Client
from service.rpc.pb import pushforward_pb2 as pb
from service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from tests.e2e.running import Up

RUN = {
    "family": {"family": "vae", "latent": 2, "width": 8, "depth": 1, "likelihood": {"likelihood": "gaussian"}},
    "data": {"source": "two_moons"},
    "budget": {"steps": 5},
}
N = 30_000


@pytest.fixture(scope="module")
def moons(client: Client) -> str:
    events = client.watch(client.train("moons", run=RUN)["id"])
    assert [data["state"] for kind, data in events if kind == "state"][-1] == "succeeded"
    return "moons"


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
