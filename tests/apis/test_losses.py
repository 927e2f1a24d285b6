"""The losses of jobs as curves, through both APIs."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from pushforward.service.domain.ports import Update
from pushforward.service.jobs.memory_record import MemoryJobs
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis

HELD_OUT = {"name": "held_out_nats", "rows": 9, "steps": [10, 20], "values": [2.0, 1.0], "best_step": 20}


async def trained(apis: Apis, n: int = 3) -> str:
    """A job that reported `n` steps."""
    job: str = (await apis.rest.post("/train", json={"model": "m", "preset": "flow-two-moons"})).json()["id"]
    record = apis.application.jobs.record
    assert isinstance(record, MemoryJobs)
    record.claim("train", "w")
    reports = [{"step": k, "total_steps": n, "losses": {"nll_nats": 1 / k, "other": -k}} for k in range(1, n + 1)]
    record.beat(job, 1, [Update("progress", report) for report in reports])
    record.beat(job, 1, [Update("progress", reports[-1] | {"curve": HELD_OUT})])
    return job


async def test_both_give_the_same_curves(apis: Apis) -> None:
    job = await trained(apis)
    by_rest = (await apis.rest.get(f"/jobs/{job}/losses")).json()
    by_rpc = await apis.stub.GetLosses(pb.GetLossesRequest(id=job))
    assert by_rest == {
        "job": job,
        "state": "running",
        "step": 3,
        "total_steps": 3,
        "curves": [
            curve("nll_nats", [1, 2, 3], [1, 1 / 2, 1 / 3]),
            curve("other", [1, 2, 3], [-1, -2, -3]),
            curve("held_out_nats", [10, 20], [2, 1], held_out=True, best_step=20),
        ],
    }
    assert (by_rpc.job, by_rpc.state, by_rpc.step, by_rpc.total_steps) == (job, pb.JOB_STATE_RUNNING, 3, 3)
    assert [
        curve(each.name, [*each.steps], [*each.values], held_out=each.held_out, best_step=each.best_step or None)
        for each in by_rpc.curves
    ] == by_rest["curves"]


def curve(
    name: str, steps: list[int], values: list[float], *, held_out: bool = False, best_step: int | None = None
) -> dict[str, Any]:
    return {"name": name, "steps": steps, "values": values, "held_out": held_out, "best_step": best_step}


async def test_both_thin_to_as_many_points(apis: Apis) -> None:
    job = await trained(apis, 3000)
    whole = (await apis.rest.get(f"/jobs/{job}/losses")).json()
    assert [len(each["steps"]) for each in whole["curves"]] == [500, 500, 2]
    some = (await apis.rest.get(f"/jobs/{job}/losses?points=10")).json()["curves"][0]
    over_grpc = (await apis.stub.GetLosses(pb.GetLossesRequest(id=job, points=10))).curves[0]
    assert ([*over_grpc.steps], [*over_grpc.values]) == (some["steps"], some["values"])
    assert (some["steps"][0], some["steps"][-1], len(some["steps"])) == (1, 3000, 10)


@pytest.mark.parametrize("points", [0, 1, 2001, -5])
async def test_both_refuse_other_numbers_of_points(apis: Apis, points: int) -> None:
    job = await trained(apis)
    refused = await apis.rest.get(f"/jobs/{job}/losses?points={points}")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "points")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await apis.stub.GetLosses(pb.GetLossesRequest(id=job, points=points))
    assert error.value.details() == refused.json()["detail"] == "points: must lie in [2, 2000]"


async def test_a_number_of_points_that_is_none_is_refused(apis: Apis) -> None:
    refused = await apis.rest.get(f"/jobs/{await trained(apis)}/losses?points=many")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "points")


async def test_the_losses_of_a_job_that_is_not_there_are_not_found(apis: Apis) -> None:
    refused = await apis.rest.get("/jobs/0123/losses")
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/not-found")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await apis.stub.GetLosses(pb.GetLossesRequest(id="0123"))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


async def test_other_jobs_have_no_curves(apis: Apis) -> None:
    sampling = (
        await apis.rest.post("/sample", json={"model": "moons", "n": 9}, headers={"Prefer": "respond-async"})
    ).json()["id"]
    evaluation = (await apis.rest.post("/evaluate", json={"model": "moons"})).json()["id"]
    sweep = {"method": "grid", "fields": {"seed": [1, 2]}}
    body = {"model": "m", "preset": "flow-two-moons", "sweep": sweep}
    search = (await apis.rest.post("/train", json=body)).json()["id"]
    for job in (sampling, evaluation, search):
        assert (await apis.rest.get(f"/jobs/{job}/losses")).json()["curves"] == []
        assert "curves" not in MessageToDict(await apis.stub.GetLosses(pb.GetLossesRequest(id=job)))


PNG, SVG = "image/png", "image/svg+xml"


@pytest.mark.parametrize("media_type", [PNG, SVG])
async def test_curves_are_drawn_where_that_is_asked_for_and_at_an_address_of_their_own(
    apis: Apis, media_type: str
) -> None:
    job = await trained(apis)
    negotiated = await apis.rest.get(f"/jobs/{job}/losses", headers={"Accept": media_type})
    linked = await apis.rest.get(f"/jobs/{job}/losses.{'png' if media_type == PNG else 'svg'}")
    assert (negotiated.status_code, negotiated.headers["content-type"]) == (200, media_type)
    assert (linked.headers["content-type"], linked.content) == (media_type, negotiated.content)
    assert linked.content.startswith(b"\x89PNG" if media_type == PNG else b"<svg ")


async def test_a_drawing_tells_the_job_and_its_losses(apis: Apis) -> None:
    job = await trained(apis)
    drawn = (await apis.rest.get(f"/jobs/{job}/losses.svg?points=2")).text
    assert f"<title>Losses of job {job} (running, step 3 of 3)</title>" in drawn
    for text in ("nll_nats", "other", "held_out_nats, held out", "best, step 20", "step"):
        assert f">{text}</text>" in drawn


async def test_a_job_without_losses_is_drawn_and_says_so(apis: Apis) -> None:
    job = (await apis.rest.post("/train", json={"model": "m", "preset": "flow-two-moons"})).json()["id"]
    assert "no losses were reported" in (await apis.rest.get(f"/jobs/{job}/losses.svg")).text


async def test_other_media_types_are_refused_with_those_that_there_are(apis: Apis) -> None:
    job = await trained(apis)
    refused = await apis.rest.get(f"/jobs/{job}/losses", headers={"Accept": "text/csv"})
    assert refused.status_code == 406
    assert "the answer can be application/json, image/png, image/svg+xml; accept one" in refused.json()["detail"]


@pytest.mark.parametrize("ending", ["", ".png", ".svg"])
async def test_drawings_are_refused_as_the_curves_are(apis: Apis, ending: str) -> None:
    job = await trained(apis)
    assert (await apis.rest.get(f"/jobs/{job}/losses{ending}?points=1")).status_code == 422
    assert (await apis.rest.get(f"/jobs/0123/losses{ending}")).status_code == 404
