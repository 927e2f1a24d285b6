"""What HTTP expects of every route: HEAD, methods, header lines, query parameters, the end of an event stream."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from pushforward.service.rest.routes import catalog, inference, jobs
from tests.apis.conftest import Apis

ROUTERS = (jobs.router, inference.router, catalog.router)
ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
GETS = [route.path for route in ROUTES if "GET" in route.methods]
OTHERS = [(method, route.path) for route in ROUTES for method in route.methods]


async def address(apis: Apis, path: str) -> str:
    """A path of a route, of things there are."""
    job = (await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits"})).json()
    return path.replace("{job_id}", job["id"]).replace("{reference}", "moons")


@pytest.mark.parametrize("path", [*GETS, "/docs", "/openapi.json", "/models/nobody", "/nothing"])
async def test_head_is_get_without_the_body(apis: Apis, path: str) -> None:
    at = await address(apis, path)
    head = await apis.rest.head(at)
    assert head.content == b""
    if path.endswith("/events"):
        assert (head.status_code, head.headers["content-type"][:17]) == (200, "text/event-stream")
        return
    whole = await apis.rest.get(at)
    assert head.status_code == whole.status_code
    assert head.headers["content-type"] == whole.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == whole.headers["content-length"]


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "TRACE"])
@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
async def test_a_method_that_is_not_there_is_refused_with_those_that_are(apis: Apis, method: str, path: str) -> None:
    refused = await apis.rest.request(method, await address(apis, path))
    there = {method for route in ROUTES if route.path == path for method in route.methods}
    assert (refused.status_code, refused.json()["type"]) == (405, "/problems/method-not-allowed")
    assert set(refused.headers["allow"].split(", ")) == there | ({"HEAD"} if "GET" in there else set())


@pytest.mark.parametrize(("method", "path"), OTHERS)
async def test_a_query_parameter_that_is_not_known_is_refused(apis: Apis, method: str, path: str) -> None:
    at = await address(apis, path)
    body = {"json": {"model": "moons"}} if method == "POST" and "{" not in path else {}
    refused = await apis.rest.request(method, f"{at}?limitt=1&limitt=2&models=x", **body)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["limitt", "models"]


async def test_a_query_parameter_that_is_given_twice_is_refused(apis: Apis) -> None:
    refused = await apis.rest.get("/jobs?limit=1&limit=2")
    assert (refused.status_code, refused.json()["detail"]) == (422, "limit: is given twice")


async def test_of_very_many_query_parameters_the_first_are_told(apis: Apis) -> None:
    refused = await apis.rest.get("/jobs?" + "&".join(f"p{i}=1" for i in range(5000)))
    assert (refused.status_code, len(refused.json()["errors"])) == (422, 20)
    assert refused.json()["detail"].endswith("(and 4999 more)")


async def test_lines_of_a_list_header_are_one_list(apis: Apis) -> None:
    lines = [("Accept", "text/html"), ("Accept", "application/x-npy"), ("Accept", "application/json;q=0.5")]
    answer = await apis.rest.post("/sample", json={"model": "moons"}, headers=lines)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-npy")
    lines = [("Prefer", "wait=1"), ("Prefer", "respond-async")]
    assert (await apis.rest.post("/sample", json={"model": "moons"}, headers=lines)).status_code == 202


@pytest.mark.parametrize("name", ["Host", "Content-Type", "Origin", "Idempotency-Key", "Last-Event-ID", "Range"])
async def test_a_header_of_one_value_that_is_sent_twice_is_refused(apis: Apis, name: str) -> None:
    refused = await apis.rest.get("/livez", headers=[("Host", "localhost"), (name, "a"), (name, "a")])
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/malformed")
    assert name.lower() in refused.json()["detail"]


async def test_a_watch_past_the_end_of_a_job_has_no_content(apis: Apis) -> None:
    path = await address(apis, "/jobs/{job_id}/events")
    await apis.rest.post(path.replace("events", "cancel"))
    events = (await apis.rest.get(path)).text
    last = [line.removeprefix("id: ") for line in events.splitlines() if line.startswith("id: ")][-1]
    over = await apis.rest.get(path, headers={"Last-Event-ID": last})
    again = await apis.rest.get(path, headers={"Last-Event-ID": "0"})
    assert (over.status_code, over.content) == (204, b"")
    assert (again.status_code, again.text) == (200, events)
