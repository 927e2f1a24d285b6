"""What only REST has: media types, limits of bodies, problem documents, disconnects, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from gzip import compress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pushforward.models.data import StyledDigits
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.errors import NotAcceptable
from pushforward.service.formats import npy
from pushforward.service.formats import png as pictures
from pushforward.service.rest import media_types
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.in_process import InProcessAsks

X = np.array([[0.5, 0.25], [1.0, -0.5]], np.float32)
NPY = {"Content-Type": "application/x-npy"}


def npy_bytes(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = BytesIO()
    np.lib.format.write_array(stream, array, version, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize("x", [X, X.astype(">f8"), np.asfortranarray(X), X.astype(np.float16)], ids=str)
async def test_an_npy_body_is_the_array(apis: Apis, x: np.ndarray) -> None:
    as_npy = await apis.rest.post("/encode?model=moons", content=npy_bytes(x), headers=NPY)
    as_json = await apis.rest.post("/encode", json={"model": "moons", "x": X.tolist()})
    assert as_npy.status_code == 200, as_npy.text
    assert as_npy.json()["z"] == as_json.json()["z"]


async def test_an_npy_body_takes_the_other_fields_from_the_query(apis: Apis) -> None:
    query = "model=moons&steps=3&path=linear"
    walk = await apis.rest.post(f"/interpolate?{query}", content=npy_bytes(X), headers=NPY)
    assert np.array(walk.json()["x"]).shape == (3, 2)
    scored = await apis.rest.post('/likelihood?model=moons&options={"k":2}&seed=5', content=npy_bytes(X), headers=NPY)
    body = {"model": "moons", "x": X.tolist(), "options": {"k": 2}, "seed": 5}
    assert scored.json()["log_prob"] == (await apis.rest.post("/likelihood", json=body)).json()["log_prob"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"deadline_ms": "5000"}, "deadline_ms"),
        ({"deadline_ms": True}, "deadline_ms"),
        ({"model": "labeled", "condition": [True, 0]}, "condition"),
        ({"model": "labeled", "condition": True}, "condition"),
    ],
)
async def test_text_and_booleans_are_no_numbers(apis: Apis, fields: dict[str, Any], field: str) -> None:
    refused = await apis.rest.post("/sample", json={"model": "moons", "n": 2} | fields)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_numbers_of_a_query_are_read_as_numbers(apis: Apis) -> None:
    query = 'model=moons&deadline_ms=60000&seed=5&options={"k":2}'
    scored = await apis.rest.post(f"/likelihood?{query}", content=npy_bytes(X), headers=NPY)
    assert scored.status_code == 200, scored.text


class TestBadNpy:
    """4xx, never 500."""

    GOOD = npy_bytes(X)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"garbage",
            GOOD[:6],
            GOOD[:40],
            GOOD[:-1],
            GOOD + b"x",
            npy_bytes(np.array([{"a": 1}, None], dtype=object)),
            npy_bytes(np.array(["a", "b"])),
            npy_bytes(X.astype(complex)),
            npy_bytes(np.zeros(2, dtype=[("a", "f4")])),
            GOOD.replace(b"(2, 2)", b"(9, 2)"),
            GOOD.replace(b"(2, 2)", b"(-1,2)"),
            GOOD.replace(b"(2, 2)", b"(2,'')"),
            GOOD.replace(b"'<f4'", b"'<f9'"),
            npy_bytes(X, (3, 0)),
            npy.header((1,) * 65, np.dtype("f4")) + bytes(4),
            npy.header((0, 2**62, 2**62), np.dtype("f4")),
        ],
        ids=range(17),
    )
    async def test_is_refused(self, apis: Apis, body: bytes) -> None:
        refused = await apis.rest.post("/encode?model=moons", content=body, headers=NPY)
        assert refused.status_code == 400, refused.text
        assert refused.json()["type"] == "/problems/malformed"

    async def test_of_one_number_or_of_three_ends_is_refused(self, apis: Apis) -> None:
        scalar = await apis.rest.post("/encode?model=moons", content=npy_bytes(np.float32(1)), headers=NPY)
        ends = await apis.rest.post("/interpolate?model=moons", content=npy_bytes(np.zeros((3, 2))), headers=NPY)
        assert (scalar.status_code, ends.status_code) == (422, 422)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    async def test_with_values_that_are_not_finite_is_refused(self, apis: Apis, value: float) -> None:
        refused = await apis.rest.post("/encode?model=moons", content=npy_bytes(X * value), headers=NPY)
        assert refused.json()["errors"][0]["field"] == "x"
        assert refused.status_code == 422

    async def test_beside_the_same_field_in_the_query_is_refused(self, apis: Apis) -> None:
        refused = await apis.rest.post("/encode?model=moons&x=[[9,9]]", content=self.GOOD, headers=NPY)
        assert refused.status_code == 422
        [error] = refused.json()["errors"]
        assert (error["field"], error["message"][:14]) == ("x", "is given twice")

    @pytest.mark.parametrize("query", ["model=moons&seeed=1", "model=moons&model=digits", "", "model=moons&options=x"])
    async def test_query_is_refused(self, apis: Apis, query: str) -> None:
        refused = await apis.rest.post(f"/likelihood?{query}", content=self.GOOD, headers=NPY)
        assert refused.status_code == 422
        assert refused.json()["errors"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b'{"model": NaN}', 400),
        (b"\xff", 400),
        (b"[" * 5000, 400),
        (b"[]", 422),
        (b'{"model": "moons", "n": "3"}', 422),
        (b'{"model": "moons", "n": 1.5}', 422),
        (b'{"model": "moons", "n": true}', 422),
        (b'{"model": "moons", "n": 1e30}', 422),
        (b'{"model": "moons", "m": 1}', 422),
        (b'{"model": "moons", "seed": 18446744073709551616}', 422),
        (b'{"model": "moons", "seed": -1}', 422),
    ],
)
async def test_bad_json_is_refused(apis: Apis, body: bytes, status: int) -> None:
    refused = await apis.rest.post("/sample", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == status, refused.text
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("x", ["[[1, 2], [3]]", '[["a", "b"]]', "[[null, 1]]", "5", "{}", "[[1e39, 0]]", "[]", '"x"'])
async def test_bad_rows_are_refused(apis: Apis, x: str) -> None:
    body = f'{{"model": "moons", "x": {x}}}'
    refused = await apis.rest.post("/encode", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"] == "x"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/csv"}, 415),
        ({}, 415),
        ({"Content-Type": "application/x-npy"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "application/json", "Accept": "text/html"}, 406),
        ({"Content-Type": "application/json", "Accept": "text/html, */*;q=0.1"}, 200),
    ],
)
async def test_media_types_are_negotiated(apis: Apis, headers: dict[str, str], status: int) -> None:
    answer = await apis.rest.post("/sample", content=b'{"model": "moons"}', headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, media_types.JSON),
        ("*/*", media_types.JSON),
        ("application/*", media_types.JSON),
        ("image/*", "image/png"),
        ("image/png, application/json;q=0.9", "image/png"),
        ("application/json;q=0.2, application/x-npy;q=0.5", "application/x-npy"),
        ("*/*, application/x-npy", "application/x-npy"),
    ],
)
def test_the_most_wanted_media_type_is_chosen(accept: str | None, chosen: str) -> None:
    assert media_types.choose(accept) == chosen


@pytest.mark.parametrize("accept", ["text/html", "", "application/json;q=0", "application/json;q=x"])
def test_no_media_type_is_chosen_where_none_is_wanted(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        media_types.choose(accept)


async def test_samples_come_as_json_npy_and_png(apis: Apis) -> None:
    body = {"model": "digits", "n": 5, "seed": 3}
    json = (await apis.rest.post("/sample", json=body)).json()
    as_npy = await apis.rest.post("/sample", json=body, headers={"Accept": "application/x-npy"})
    as_png = await apis.rest.post("/sample", json=body, headers={"Accept": "image/png"})
    np.testing.assert_array_equal(np.load(BytesIO(as_npy.content)), np.array(json["samples"], np.float32))
    assert as_npy.headers["pushforward-seed"] == "3"
    assert as_npy.headers["pushforward-model"] == "digits@1"
    picture = np.asarray(Image.open(BytesIO(as_png.content)))
    factor = pictures.TILE_PX // 8
    cell = 8 * factor + pictures.GAP_PX
    assert picture.shape == (2 * cell - pictures.GAP_PX, 3 * cell - pictures.GAP_PX)
    first = np.array(json["samples"])[0, 0]
    np.testing.assert_array_equal(picture[: 8 * factor : factor, : 8 * factor : factor], np.round(first / 16 * 255))


async def test_points_of_the_plane_come_as_a_picture_and_other_vectors_do_not(apis: Apis) -> None:
    png = {"Accept": "image/png"}
    drawn = await apis.rest.post("/sample", json={"model": "moons", "n": 50, "seed": 1}, headers=png)
    assert Image.open(BytesIO(drawn.content)).size == (pictures.SCATTER_PX, pictures.SCATTER_PX)
    for path, body in (("/sample", {"model": "solid"}), ("/encode", {"model": "moons", "x": X.tolist()})):
        assert (await apis.rest.post(path, json=body, headers=png)).status_code == 406


def test_a_scatter_shows_a_point_where_it_lies() -> None:
    picture = pictures.scatter(np.array([[0.0, 0.0], [1.0, 1.0], [np.nan, 0.0]]))[..., 0]
    half = pictures.SCATTER_PX // 2
    assert picture[:half, :half].min() == 255  # nothing in the upper left
    assert picture[:half, half:].min() < 255
    assert picture[half:, :half].min() < 255


def test_a_color_grid_keeps_its_channels() -> None:
    spec = DataSpec(shape=(3, 2, 2), low=0, high=255, levels=256)
    x = np.zeros((1, 3, 2, 2), np.float32)
    x[0, 1] = 255
    pixels = np.asarray(Image.open(BytesIO(pictures.png(x, spec))))
    assert (pixels.reshape(-1, 3) == [0, 255, 0]).all()


def test_a_grid_of_images_with_opacity_keeps_it_and_its_gaps_are_opaque() -> None:
    spec = DataSpec(shape=(4, 24, 40), low=0, high=255, levels=256)
    x = np.random.default_rng(0).integers(0, 256, (2, *spec.shape)).astype(np.float32)
    picture = Image.open(BytesIO(pictures.png(x, spec)))
    pixels = np.moveaxis(np.asarray(picture), -1, 0)
    assert picture.mode == "RGBA"
    np.testing.assert_array_equal(pixels[:, :24, :40], x[0])
    np.testing.assert_array_equal(pixels[:, :24, -40:], x[1])
    assert (pixels[:3, :24, 40:-40] == pictures.GAP_SHADE).all()
    assert (pixels[3, :24, 40:-40] == 255).all()


def test_gray_images_of_16_bits_are_drawn_with_16_bits() -> None:
    spec = DataSpec(shape=(1, 64, 64), low=0, high=65535)
    x = np.random.default_rng(0).integers(0, 65536, (1, *spec.shape)).astype(np.float32)
    picture = Image.open(BytesIO(pictures.png(x, spec)))
    assert picture.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(picture), x[0, 0])


def test_series_are_drawn_as_lines_that_rise_to_the_right() -> None:
    rising, flat = np.linspace(0, 1, 20), np.full(20, 7.0)
    [[picture]] = pictures.lines(np.array([[rising]]))
    height, width = pictures.LINES_PX
    assert picture.shape == (height, width)
    top = [int(np.flatnonzero(column == 0)[0]) for column in picture.T]
    assert top == sorted(top, reverse=True)
    assert (top[0], top[-1]) == (height - 1 - pictures.GAP_PX, pictures.GAP_PX)
    [[both]] = pictures.lines(np.array([[rising, flat]]))  # each in its own range, the second lighter
    assert (both[height - 1 - pictures.GAP_PX] == pictures.LIGHTEST).all()
    assert both[pictures.GAP_PX, -1] == 0


def test_series_come_as_one_grid() -> None:
    x = np.random.default_rng(0).normal(size=(5, 2, 30)).astype(np.float32)
    x[0, 0, 3] = np.nan
    height, width = pictures.LINES_PX
    picture = Image.open(BytesIO(pictures.png(x, DataSpec(shape=(2, 30)))))
    assert picture.size == (3 * width + 2 * pictures.GAP_PX, 2 * height + pictures.GAP_PX)


def test_colored_digits_are_drawn_in_red() -> None:
    source = StyledDigits(styles=("plain", "colored"), condition="label")
    rows = source.rows(Path())
    (red,) = source.counterparts(rows, np.ones((len(rows.x), 1)))
    pixels = np.asarray(Image.open(BytesIO(pictures.png(red[:4].astype(np.float32), source.outline(Path())))))
    factor = pictures.TILE_PX // 8
    first = pixels[: 8 * factor : factor, : 8 * factor : factor]
    np.testing.assert_array_equal(first[..., 0], np.round(red[0, 0] / 16 * 255))
    assert not first[..., 1:].any()


async def test_a_likelihood_that_is_not_finite_is_a_text_in_json_and_itself_in_npy_and_over_grpc(
    apis: Apis, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer: Any = InProcessAsks._answer

    def impossible(self: InProcessAsks, model: Any, request: Any) -> Any:
        _, info = answer(self, model, request)
        log_prob = np.array([-np.inf, -1.5])
        return {"log_prob": log_prob, "std_error": -log_prob, "terms.gap_nats": np.array([np.inf, 0.0])}, info

    monkeypatch.setattr(InProcessAsks, "_answer", impossible)
    body = {"model": "moons", "x": X.tolist()}
    answer_body = (await apis.rest.post("/likelihood", json=body)).json()
    assert answer_body["log_prob"] == ["-Infinity", -1.5]
    assert answer_body["std_error"] == ["Infinity", 1.5]
    assert answer_body["terms"] == {"gap_nats": ["Infinity", 0.0]}
    assert [float(value) for value in answer_body["log_prob"]] == [-np.inf, -1.5]
    as_npy = await apis.rest.post("/likelihood", json=body, headers={"Accept": "application/x-npy"})
    assert np.load(BytesIO(as_npy.content)).tolist() == [-np.inf, -1.5]
    request = pb.LikelihoodRequest(model="moons", x=pb.Tensor(dtype="float32", shape=X.shape, data=X.tobytes()))
    over_grpc = await apis.stub.Likelihood(request)
    assert list(over_grpc.log_prob) == [-np.inf, -1.5]
    assert list(over_grpc.std_error) == [np.inf, 1.5]


async def chunks(total_bytes: int) -> AsyncIterator[bytes]:
    for _ in range(total_bytes // 1000):
        yield b" " * 1000


async def test_a_body_too_large_is_refused_whether_it_says_so_or_not(apis: Apis) -> None:
    json = {"Content-Type": "application/json"}
    announced = await apis.rest.post("/sample", content=b" " * 100_001, headers=json)
    chunked = await apis.rest.post("/sample", content=chunks(200_000), headers=json)
    for refused in (announced, chunked):
        assert (refused.status_code, refused.json()["type"]) == (413, "/problems/too-large")
        assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/jobs/", 404),
        ("POST", "/models", 405),
        ("GET", "/sample", 405),
        ("PUT", "/train", 405),
        ("GET", "/jobs?limit=0", 422),
        ("GET", "/jobs?limit=x", 422),
        ("GET", "/jobs?state=asleep", 422),
    ],
)
async def test_what_the_router_refuses_is_a_problem_document_too(
    apis: Apis, method: str, path: str, status: int
) -> None:
    refused = await apis.rest.request(method, path)
    problem = refused.json()
    assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
    assert {"type", "title", "status", "detail", "instance"} <= problem.keys()
    assert status != 405 or "allow" in refused.headers
    assert status != 422 or problem["errors"][0]["field"] in ("limit", "state")


async def test_a_compressed_body_is_refused_as_such(apis: Apis) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    refused = await apis.rest.post("/sample", content=compress(b'{"model": "moons"}'), headers=headers)
    assert refused.status_code == 415
    assert "gzip" in refused.json()["detail"]


async def test_json_nested_without_end_is_refused(apis: Apis) -> None:
    body = b'{"model": "moons", "x": ' + b"[" * 40_000 + b"]" * 40_000 + b"}"
    refused = await apis.rest.post("/encode", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 400
    deep = b'{"model": "moons", "x": ' + b"[" * 900 + b"]" * 900 + b"}"
    refused = await apis.rest.post("/encode", content=deep, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422


@pytest.mark.parametrize("seen", ["yesterday", "-1", "99999999999999999999", "1-"])
async def test_an_event_id_that_is_none_is_refused_before_the_stream_begins(apis: Apis, seen: str) -> None:
    job = (await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits"})).json()
    refused = await apis.rest.get(f"/jobs/{job['id']}/events", headers={"Last-Event-ID": seen})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "Last-Event-ID")


@pytest.mark.parametrize("seed", [2**64 - 1, 2**53 + 1])
async def test_a_large_seed_is_kept_to_the_last_digit(apis: Apis, seed: int) -> None:
    as_json = (await apis.rest.post("/sample", json={"model": "moons", "seed": seed})).json()
    assert as_json["seed"] == seed
    query = f"/likelihood?model=moons&seed={seed}"
    assert (await apis.rest.post(query, content=npy_bytes(X), headers=NPY)).status_code == 200


async def test_a_seed_too_large_is_refused(apis: Apis) -> None:
    for seed in ("18446744073709551616", "-1", "1.0", "1e3", "true"):
        body = b'{"model": "moons", "seed": ' + seed.encode() + b"}"
        refused = await apis.rest.post("/sample", content=body, headers={"Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "seed")


@pytest.mark.parametrize("number", [1e30, 2**64 - 1])
@pytest.mark.parametrize("field", ["family.latent", "family.width", "budget.steps", "optimizer.batch_size", "seed"])
async def test_a_number_beyond_all_measure_is_refused(apis: Apis, field: str, number: float) -> None:
    run: dict[str, Any] = {"family": {"family": "vae"}, "data": {"source": "two_moons"}}
    place, _, name = field.rpartition(".")
    (run.setdefault(place, {}) if place else run)[name] = number
    refused = await apis.rest.post("/train", json={"model": "m", "run": run})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == f"run.{field}"


async def test_a_defect_is_a_problem_document_that_tells_nothing(apis: Apis, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: InProcessAsks, model: Any, request: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(InProcessAsks, "_answer", broken)
    failed = await apis.rest.post("/sample", json={"model": "moons"})
    assert (failed.status_code, failed.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in failed.text


async def test_readiness_waits_for_a_worker(apis: Apis) -> None:
    assert (await apis.rest.get("/livez")).status_code == 200
    assert (await apis.rest.get("/readyz")).status_code == 200
    apis.workers.alive = False
    waiting = await apis.rest.get("/readyz")
    assert (waiting.status_code, waiting.json()["type"]) == (503, "/problems/unavailable")
    assert int(waiting.headers["retry-after"]) >= 1


async def test_a_client_that_leaves_gives_its_ask_up(apis: Apis) -> None:
    asks = apis.asks
    asks.delay_s = 60
    sent = asyncio.ensure_future(asgi_post_then_leave(apis, b'{"model": "moons"}'))
    while not asks.begun:
        await asyncio.sleep(0.001)
    await asyncio.wait_for(sent, 5)
    assert asks.cancelled == 1


async def asgi_post_then_leave(apis: Apis, body: bytes) -> None:
    """What a server tells the app of a client that sends a request and hangs up."""
    messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/sample",
        "raw_path": b"/sample",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "scheme": "http",
        "server": ("rest", 80),
        "client": ("client", 1),
        "root_path": "",
    }

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        return

    transport: Any = apis.rest._transport
    await transport.app(scope, receive, send)


async def test_metrics_count_requests_by_route_and_asks_by_model(apis: Apis) -> None:
    await apis.rest.post("/sample", json={"model": "moons"})
    await apis.rest.get("/models/digits")
    await apis.rest.get("/models/nobody")
    await apis.rest.get("/nothing")
    text = (await apis.rest.get("/metrics")).text
    assert 'pushforward_requests_total{door="rest",route="/sample",status="200"} 1.0' in text
    assert 'pushforward_requests_total{door="rest",route="/models/{reference}",status="200"} 1.0' in text
    assert 'pushforward_requests_total{door="rest",route="/models/{reference}",status="404"} 1.0' in text
    assert 'pushforward_requests_total{door="rest",route="unmatched",status="404"} 1.0' in text
    assert 'pushforward_ask_batch_rows_count{model="moons@1",op="sample"} 1.0' in text


async def test_openapi_documents_bodies_answers_and_problems(apis: Apis) -> None:
    document = (await apis.rest.get("/openapi.json")).json()
    sample = document["paths"]["/sample"]["post"]
    assert sample["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Sample")
    assert set(sample["responses"]["200"]["content"]) == set(media_types.SAMPLE_OFFERS)
    assert sample["responses"]["4XX"]["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
    assert npy.MEDIA_TYPE in document["paths"]["/encode"]["post"]["requestBody"]["content"]
    family = document["components"]["schemas"]["Run"]["properties"]["family"]
    assert "vae" in family["discriminator"]["mapping"]
    references = str(document).split("'#/components/schemas/")[1:]
    assert {reference.partition("'")[0] for reference in references} <= document["components"]["schemas"].keys()
