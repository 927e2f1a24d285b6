"""Numbers keep their precision from a request to the networks and back, whatever they are sent as.

`near` and `far` are one model in two units: data of `far` are those of `near` times A and B, and stand beside a column
that never varies; so are its conditions.
"""

from __future__ import annotations

from io import BytesIO
from math import log
from typing import Any

import grpc
import numpy as np
import pytest
import torch

from pushforward.models.families.flow import Flow
from pushforward.models.families.vae import VAE
from pushforward.models.spec.conditions import Vector
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.fakes import MemoryModels
from tests.apis.in_process import kept
from tests.apis.test_both_apis import array, call, tensor

A, B = np.array([1.0, 1e-12]), np.array([1e8, -1e-3])
CONSTANT = 123456789.0
NEAR = DataSpec(shape=(2,), condition=Vector(shift=(0.0,), scale=(1.0,)))
FAR = DataSpec(
    shape=(3,),
    condition=Vector(shift=(1e9,), scale=(2.0,)),
    shift=(B[0], CONSTANT, B[1]),
    scale=(A[0], 1.0, A[1]),
    constants=((1, CONSTANT),),
)
FLOW = Flow.model_validate({"width": 8, "depth": 1, "n_transforms": 2})
PIXELS = DataSpec(shape=(4,), low=0.1, high=0.9, levels=256, shift=(0.5,), scale=(0.4,))
RANGE = DataSpec(shape=(4,), low=0.1, high=0.9, shift=(0.5,), scale=(0.4,))
LEVELED = VAE.model_validate({"latent": 2, "width": 8, "likelihood": {"likelihood": "discretized_logistic"}})
GAUSSIAN = VAE.model_validate({"latent": 2, "width": 8})
X = np.random.default_rng(0).standard_normal((5, 2))
NPY = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
WAYS = ("json", "npy", "grpc")
BODY = {"x": "x", "z": "z"}


@pytest.fixture(autouse=True)
def _more_models(apis: Apis) -> None:
    models = [
        kept("near", FLOW, NEAR),
        kept("far", FLOW, FAR),
        kept("pixels", LEVELED, PIXELS),
        kept("range", GAUSSIAN, RANGE),
    ]
    for model in models[:2]:
        with torch.no_grad():
            for i, weights in enumerate(model.nets.parameters()):  # fresh flows are the identity
                weights += 0.1 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(i))
    cards = apis.application.catalog.published
    assert isinstance(cards, MemoryModels)
    for model in models:
        apis.asks.kept[model.card.model] = model
        cards.cards[model.card.model] = model.card


def far(x: np.ndarray) -> np.ndarray:
    """Rows of `near` as rows of `far`."""
    return np.insert(A * x + B, 1, CONSTANT, axis=1)


async def answered(apis: Apis, way: str, op: str, body: dict[str, Any]) -> np.ndarray:
    """The main array of an answer. Arrays go as they are, so npy and gRPC keep their types."""
    main = {"sample": "samples", "likelihood": "log_prob", "encode": "z"}.get(op, "x")
    if way == "grpc":
        answer = await call(apis, op, body)
        return np.array(answer.log_prob) if op == "likelihood" else array(getattr(answer, main))
    if way == "json" or op == "sample":
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in body.items()}
        headers = {"Accept": NPY["Accept"]} if way == "npy" else {}
        answer = await apis.rest.post(f"/{op}", json=plain, headers=headers)
    else:
        content, [name] = BytesIO(), BODY.keys() & body.keys()
        np.save(content, body[name])
        beside = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in body.items() if k != name}
        answer = await apis.rest.post(f"/{op}", params=beside, content=content.getvalue(), headers=NPY)
    assert answer.status_code == 200, answer.text
    return np.load(BytesIO(answer.content)) if way == "npy" else np.array(answer.json()[main])


def requests(x: np.ndarray | None, c: float, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same request for `near` and for `far`."""
    rows = [{}, {}] if x is None else [{"x": x}, {"x": far(x)}]
    return (
        {"model": "near", "condition": np.array([c]), **rows[0], **fields},
        {"model": "far", "condition": np.array([2.0 * c + 1e9]), **rows[1], **fields},
    )


@pytest.mark.parametrize("way", WAYS)
async def test_data_far_from_zero_have_the_densities_and_codes_of_data_near_it(apis: Apis, way: str) -> None:
    near, there = requests(X, 0.75)
    found = [await answered(apis, way, "likelihood", body) for body in (near, there)]
    np.testing.assert_allclose(found[1], found[0] - log(A[1]), rtol=0, atol=1e-4)
    codes = [await answered(apis, way, "encode", body) for body in (near, there)]
    np.testing.assert_allclose(codes[1], codes[0], rtol=0, atol=1e-5)
    assert found[0].std() > 0.1


@pytest.mark.parametrize("way", WAYS)
async def test_samples_come_back_in_float64_where_float32_could_not_tell_them_apart(apis: Apis, way: str) -> None:
    near, there = requests(None, -0.5, n=6, seed=3)
    samples = [await answered(apis, way, "sample", body) for body in (near, there)]
    assert samples[1].dtype == np.float64
    assert way == "json" or samples[0].dtype == np.float32
    np.testing.assert_allclose((samples[1][:, [0, 2]] - B) / A, samples[0], rtol=0, atol=1e-5)
    assert (samples[1][:, 1] == CONSTANT).all()
    back = await answered(apis, way, "reconstruct", requests(X, 0.5)[1])
    np.testing.assert_allclose((back[:, [0, 2]] - B) / A, X, rtol=0, atol=1e-4)


@pytest.mark.parametrize("way", ["json", "grpc"])
async def test_a_path_between_rows_far_from_zero_keeps_its_ends(apis: Apis, way: str) -> None:
    ends = far(X[:2])
    request = {"model": "far", "start": ends[0], "end": ends[1], "steps": 4, "condition": np.array([1e9])}
    path = await answered(apis, way, "interpolate", request)
    np.testing.assert_allclose((path[[0, -1]][:, [0, 2]] - B) / A, X[:2], rtol=0, atol=1e-4)


async def test_a_long_sample_is_streamed_in_float64(apis: Apis) -> None:
    request = {"model": "far", "n": 1_200, "seed": 3, "condition": [1e9]}
    streamed = await apis.rest.post("/sample", json=request, headers={"Accept": NPY["Accept"]})
    rows = np.load(BytesIO(streamed.content))
    assert (rows.shape, rows.dtype, apis.asks.begun > 1) == ((1_200, 3), np.float64, True)
    assert len(np.unique(rows[:, 0])) == len(np.unique(rows[:, 2])) == 1_200
    request = pb.SampleRequest(model="far", n=1_200, seed=3, condition=tensor(np.array([1e9])))
    parts = [array(part.samples) async for part in apis.stub.SampleStream(request)]
    np.testing.assert_array_equal(np.concatenate(parts), rows)


@pytest.mark.parametrize("way", WAYS)
async def test_a_row_whose_constant_is_another_is_refused_by_its_column(apis: Apis, way: str) -> None:
    _, request = requests(X, 0.0)
    request["x"][2, 1] += 100
    if way == "grpc":
        with pytest.raises(grpc.aio.AioRpcError, match="in column 1, which is 123456789 in all rows of the data"):
            await answered(apis, way, "encode", request)
    else:
        with pytest.raises(AssertionError, match="in column 1, which is 123456789 in all rows of the data"):
            await answered(apis, way, "encode", request)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", ["pixels", "range"])
async def test_what_a_model_draws_it_also_takes(apis: Apis, model: str, way: str) -> None:
    drawn = await answered(apis, way, "sample", {"model": model, "n": 200, "seed": 1})
    if model == "range":
        drawn = np.concatenate([drawn, np.full((1, 4), np.float32(0.9)), np.full((1, 4), np.float32(0.1))])
    assert np.abs(drawn - 0.5).max() > 0.39
    for x in (drawn, drawn.astype(np.float32), drawn.astype(np.float32).astype(np.float64)):
        for op in ("likelihood", "encode", "reconstruct"):
            await answered(apis, way, op, {"model": model, "x": x})
    ends = {"model": model, "start": drawn[0], "end": drawn[-1], "steps": 3}
    await answered(apis, "json" if way == "npy" else way, "interpolate", ends)


@pytest.mark.parametrize("x", [[[True, 1]], [[0.5, False]], [[True, False]], [[0, 1], [1, True]]])
async def test_booleans_among_numbers_are_refused_with_the_remedy(apis: Apis, x: Any) -> None:
    refused = await apis.rest.post("/encode", json={"model": "near", "x": x, "condition": 0.0})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "x")
    assert "holds booleans; send 0 and 1 as numbers" in refused.json()["detail"]


async def test_an_array_of_booleans_is_refused_with_the_remedy(apis: Apis) -> None:
    content = BytesIO()
    np.save(content, np.ones((2, 2), bool))
    refused = await apis.rest.post("/encode?model=moons", content=content.getvalue(), headers=NPY)
    assert (refused.status_code, "astype(numpy.uint8)" in refused.json()["detail"]) == (400, True)
    with pytest.raises(grpc.aio.AioRpcError, match="send one of float32, float64, uint8"):
        await call(apis, "encode", {"model": "moons", "x": np.ones((2, 2), bool)})


@pytest.mark.parametrize("op", ["encode", "likelihood"])
async def test_a_number_beyond_float32_is_told_as_such_and_not_as_nan(apis: Apis, op: str) -> None:
    refused = await apis.rest.post(f"/{op}", json={"model": "moons", "x": [[1e39, 0.0]]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "x")
    assert "holds 1e+39" in refused.json()["detail"]
    assert "NaN" not in refused.json()["detail"]


async def test_pictures_with_channels_last_are_refused_with_the_transpose(apis: Apis) -> None:
    apis.asks.kept["color"] = color = kept("color", GAUSSIAN, DataSpec(shape=(3, 8, 8)))
    cards = apis.application.catalog.published
    assert isinstance(cards, MemoryModels)
    cards.cards["color"] = color.card
    refused = await apis.rest.post("/encode", json={"model": "color", "x": np.zeros((1, 8, 8, 3)).tolist()})
    assert "numpy.moveaxis(x, -1, 1)" in refused.json()["detail"]
