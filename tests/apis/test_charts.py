"""What is there to be drawn of models, through both APIs: density maps and histograms."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest

from pushforward.service.application.charts.grids import Grid
from pushforward.service.formats import npy
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.fakes import HELD_OUT
from tests.apis.test_scores import keep
from tests.apis.test_tables import post

WITHIN = ((-2.0, 3.0), (-1.5, 2.0))
MAP: dict[str, Any] = {"model": "moons", "grid": 9, "within": WITHIN, "options": {"k": 4}, "seed": 3}


async def test_the_cells_of_a_grid_are_scored_as_rows_are(apis: Apis) -> None:
    answer = await post(apis, "/likelihood", MAP)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    rows = Grid(9, WITHIN).cells.tolist()
    same = (await post(apis, "/likelihood", {"model": "moons", "x": rows, "options": {"k": 4}, "seed": 3})).json()
    assert found["log_prob"] == same["log_prob"]
    assert (found["grid"], found["within"]) == (9, [[-2, 3], [-1.5, 2]])
    assert "grid" not in same


async def test_both_give_the_same_map(apis: Apis) -> None:
    found = (await post(apis, "/likelihood", MAP)).json()
    request = pb.LikelihoodRequest(model="moons", grid=9, within=[-2, 3, -1.5, 2], seed=3)
    request.options.update({"k": 4})
    by_rpc = await apis.stub.Likelihood(request)
    assert [*by_rpc.log_prob] == found["log_prob"]
    assert (by_rpc.grid, [*by_rpc.within]) == (9, [-2, 3, -1.5, 2])
    assert (await apis.stub.Likelihood(pb.LikelihoodRequest(model="moons", grid=4))).grid == 4


async def test_without_a_rectangle_the_map_tells_where_it_lies(apis: Apis) -> None:
    found = (await post(apis, "/likelihood", {"model": "moons", "grid": 4})).json()
    (left, right), (bottom, top) = found["within"]
    assert left < -1 < 2 < right
    assert bottom < -0.5 < 1 < top


async def test_a_map_under_a_condition_is_of_that_condition(apis: Apis) -> None:
    maps = [
        (await post(apis, "/likelihood", {"model": "labeled", "grid": 4, "condition": c})).json()["log_prob"]
        for c in (0, 1)
    ]
    assert maps[0] != maps[1]


async def test_npy_has_the_cells_in_the_same_order(apis: Apis) -> None:
    answer = await post(apis, "/likelihood", MAP, Accept=npy.MEDIA_TYPE)
    np.testing.assert_array_equal(npy.loads(answer.content), (await post(apis, "/likelihood", MAP)).json()["log_prob"])


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"model": "moons", "grid": 1}, "grid", "greater than or equal to 2"),
        ({"model": "moons", "grid": 4.5}, "grid", "integer"),
        ({"model": "moons", "grid": 23}, "grid", "asks for 529 cells; at most 22 along each axis"),
        ({"model": "moons", "grid": 4, "x": [[0, 0]]}, "grid", "is given beside rows; give one of the two"),
        ({"model": "moons", "x": [[0, 0]], "within": WITHIN}, "within", "is of a grid, and there is none"),
        ({"model": "moons", "grid": 4, "within": [[0, 1], [2, 2]]}, "within", "must be two intervals"),
        ({"model": "moons", "grid": 4, "within": [[0, 1]]}, "within.1", "is missing"),
        ({"model": "digits", "grid": 4}, "grid", "is for points of the plane, and digits models other rows; give x"),
        ({"model": "rows", "grid": 4}, "grid", "is for points of the plane"),
        ({"model": "moons", "grid": 4, "within": [[-1e308, 1e308], [0, 1]]}, "within", "must be two intervals"),
        ({"model": "moons", "grid": 4, "within": [[1e308, 1.5e308], [0, 1]]}, "within", ""),
    ],
)
async def test_other_grids_are_refused(apis: Apis, body: dict[str, Any], field: str, says: str) -> None:
    refused = await post(apis, "/likelihood", body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), refused.text
    assert says in refused.json()["detail"]


async def test_a_model_without_likelihood_has_no_map(apis: Apis) -> None:
    refused = await post(apis, "/likelihood", {"model": "sampler", "grid": 4})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/unsupported")


async def test_both_give_the_same_histogram(apis: Apis) -> None:
    found = (await apis.rest.get("/models/moons/histogram")).json()
    by_rpc = await apis.stub.GetHistogram(pb.GetHistogramRequest(model="moons@1"))
    assert (found["model"], found["unit"], found["n"]) == ("moons@1", "nats", len(HELD_OUT))
    assert (sum(found["counts"]), found["below"], found["above"]) == (199, 0, 0)
    np.testing.assert_allclose([found["edges"][0], found["edges"][-1]], [HELD_OUT[0], HELD_OUT[-1]])
    assert {
        "model": by_rpc.model,
        "kind": by_rpc.kind or None,
        "unit": by_rpc.unit,
        "n": by_rpc.n,
        "edges": [*by_rpc.edges],
        "counts": [*by_rpc.counts],
        "below": by_rpc.below,
        "above": by_rpc.above,
    } == found


@pytest.mark.parametrize(
    ("reference", "status", "code", "says"),
    [
        ("nobody", 404, grpc.StatusCode.NOT_FOUND, "nobody"),
        ("../etc", 404, grpc.StatusCode.NOT_FOUND, ""),
        ("sampler", 409, grpc.StatusCode.FAILED_PRECONDITION, "does not answer likelihood; it answers: sample, decode"),
        ("digits", 409, grpc.StatusCode.FAILED_PRECONDITION, "kept no scores of held-out rows; train it again"),
    ],
)
async def test_a_model_without_a_histogram_is_refused_by_both(
    apis: Apis, reference: str, status: int, code: grpc.StatusCode, says: str
) -> None:
    keep(apis, "digits@1", None)
    refused = await apis.rest.get(f"/models/{reference.replace('/', '%2F')}/histogram")
    assert refused.status_code == status
    assert says in refused.json()["detail"]
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await apis.stub.GetHistogram(pb.GetHistogramRequest(model=reference))
    assert error.value.code() is code


PNG, SVG = "image/png", "image/svg+xml"
ROWS = [[0.5, 0.25], [1.0, -0.5], [9.0, 9.0]]


@pytest.mark.parametrize(
    ("path", "body", "title"),
    [
        ("/likelihood", MAP, "moons@1: density"),
        ("/likelihood", {"model": "moons", "x": ROWS}, "moons@1: log p(x) of rows"),
        ("/score", {"model": "moons", "x": ROWS}, "moons@1: log p(x) of rows, and of held-out rows"),
        ("/sample", {"model": "moons", "n": 30, "seed": 1}, "moons@1: 30 points"),
        ("/sample", {"model": "digits", "n": 3, "seed": 1}, "digits@1: 3 images"),
        ("/reconstruct", {"model": "moons", "x": ROWS}, "moons@1: 3 points"),
    ],
)
async def test_answers_are_drawn_as_svg_and_png(apis: Apis, path: str, body: dict[str, Any], title: str) -> None:
    drawn = await post(apis, path, body, Accept=SVG)
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, SVG), drawn.text
    assert f"<title>{title}</title>" in drawn.text
    assert drawn.headers["pushforward-model"] == f"{body['model']}@1"
    as_png = await post(apis, path, body, Accept=PNG)
    assert as_png.content.startswith(b"\x89PNG")


async def test_a_histogram_is_drawn_too(apis: Apis) -> None:
    for media_type, begins in ((PNG, b"\x89PNG"), (SVG, b"<svg ")):
        drawn = await apis.rest.get("/models/moons/histogram", headers={"Accept": media_type})
        assert (drawn.headers["content-type"], drawn.content[:4]) == (media_type, begins[:4])
    refused = await apis.rest.get("/models/moons/histogram", headers={"Accept": npy.MEDIA_TYPE})
    assert refused.status_code == 406


async def test_flagged_rows_are_named_beside_the_histogram(apis: Apis) -> None:
    low, *_, high = sorted((await post(apis, "/likelihood", {"model": "moons", "x": ROWS})).json()["log_prob"])
    keep(apis, "moons@1", np.linspace(low + 0.1, high, 199).tolist())
    drawn = (await post(apis, "/score", {"model": "moons", "x": ROWS}, Accept=SVG)).text
    assert ">1 flagged row</text>" in drawn
    assert ">2 rows</text>" in drawn
    assert ">199 held-out rows</text>" in drawn


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sample", {"model": "solid"}),
        ("/sample", {"model": "rows"}),
        ("/encode", {"model": "moons", "x": ROWS}),
    ],
)
@pytest.mark.parametrize("media_type", [PNG, SVG])
async def test_what_cannot_be_drawn_is_refused_with_what_can_be_accepted(
    apis: Apis, path: str, body: dict[str, Any], media_type: str
) -> None:
    refused = await post(apis, path, body, Accept=media_type)
    assert (refused.status_code, refused.json()["type"]) == (406, "/problems/not-acceptable")
    assert "points of the plane are drawn; accept application/json" in refused.json()["detail"]
