"""Requests to models, which one function answers in front of the layers of the other routes."""

from __future__ import annotations

from tests.apis.conftest import Apis

ASK = {"model": "moons", "n": 1, "seed": 1}


async def test_a_defect_is_a_problem_document_without_its_trace_and_counts_as_an_error(apis: Apis) -> None:
    del apis.asks.kept["moons"]  # listed, and not there: a KeyError that nothing expects
    answer = await apis.rest.post("/sample", json=ASK)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/internal",
        "title": "The service failed",
        "status": 500,
        "detail": "an unexpected error; the service's log tells more",
        "instance": "/sample",
    }
    metrics = (await apis.rest.get("/metrics")).text
    assert 'pushforward_requests_total{door="rest",route="/sample",status="500"} 1.0' in metrics


async def test_another_method_on_the_path_of_a_model_is_refused_with_the_one_that_is_answered(apis: Apis) -> None:
    answer = await apis.rest.get("/sample")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


async def test_list_headers_may_be_sent_in_several_lines(apis: Apis) -> None:
    lines = [("Accept", "text/html"), ("Accept", "application/x-npy")]
    answer = await apis.rest.post("/sample", json=ASK, headers=lines)
    assert answer.headers["content-type"] == "application/x-npy"
