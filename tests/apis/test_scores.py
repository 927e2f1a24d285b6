"""Anomaly scores through REST and gRPC: calibrated by the held-out rows of the model."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest

from pushforward.models.data.tables.media_types import ARROW_STREAM as ARROW
from pushforward.models.data.tables.media_types import CSV, PARQUET
from pushforward.service.formats import npy
from tests.apis.conftest import Apis
from tests.apis.fakes import HELD_OUT, MemoryModels
from tests.apis.test_both_apis import X, call
from tests.apis.test_tables import RECORD, post

ROWS = X.tolist()


def keep(apis: Apis, reference: str, scores: list[float] | None) -> None:
    """Other scores of held-out rows, or none."""
    models = apis.application.catalog.published
    assert isinstance(models, MemoryModels)
    if scores is None:
        del models.held_out[reference]
    else:
        models.held_out[reference] = scores


async def scored(apis: Apis, **body: Any) -> dict[str, Any]:
    answer = await post(apis, "/score", {"model": "moons", "x": ROWS} | body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_rows_are_placed_among_held_out_rows_by_their_likelihood(apis: Apis) -> None:
    answer = await scored(apis, seed=3)
    likelihood = (await post(apis, "/likelihood", {"model": "moons", "x": ROWS, "seed": 3})).json()
    assert (answer["log_prob"], answer["kind"]) == (likelihood["log_prob"], likelihood["kind"])
    at_most = [sum(held_out <= row for held_out in HELD_OUT) for row in answer["log_prob"]]
    assert answer["percentile"] == [count / 199 for count in at_most]
    assert answer["p_value"] == [(1 + count) / 200 for count in at_most]
    assert answer["threshold"] == HELD_OUT[1]
    assert (answer["held_out_rows"], answer["false_alarm_rate"]) == (199, 0.01)
    assert answer["note"].startswith("A high likelihood is not normality: ")


async def test_rows_below_the_threshold_are_flagged(apis: Apis) -> None:
    low, high = sorted((await scored(apis))["log_prob"])
    keep(apis, "moons@1", sorted([(low + high) / 2, *range(100, 300)]))
    answer = await scored(apis)
    assert answer["flagged"] == [True, True]
    keep(apis, "moons@1", sorted([low - 1, (low + high) / 2, *range(100, 300)]))
    answer = await scored(apis)
    assert answer["threshold"] == (low + high) / 2
    assert answer["flagged"] == [row == low for row in answer["log_prob"]]


async def test_too_few_held_out_rows_flag_nothing_and_say_so(apis: Apis) -> None:
    keep(apis, "moons@1", [100.0] * 98)
    answer = await scored(apis)
    assert (answer["threshold"], answer["flagged"]) == (None, [False, False])
    too_few = "Too few held-out rows: 98 allow no false_alarm_rate below 0.01, so at 0.01 no row is flagged"
    assert too_few in answer["note"]
    keep(apis, "moons@1", [100.0] * 99)
    assert (await scored(apis))["flagged"] == [True, True]


async def test_a_threshold_that_is_not_finite_is_a_text(apis: Apis) -> None:
    keep(apis, "moons@1", [float("-inf")] * 199)
    answer = await scored(apis)
    assert (answer["threshold"], answer["flagged"]) == ("-Infinity", [False, False])


async def test_npy_has_the_p_values(apis: Apis) -> None:
    query = "/score?model=moons&false_alarm_rate=0.1"
    answer = await post(apis, query, npy.dumps(X), Content_Type=npy.MEDIA_TYPE, Accept=npy.MEDIA_TYPE)
    assert answer.headers["pushforward-kind"] == "lower_bound"
    np.testing.assert_array_equal(npy.loads(answer.content), (await scored(apis))["p_value"])


@pytest.mark.parametrize("media_type", [CSV, PARQUET, ARROW])
async def test_files_of_tables_are_scored_as_their_records_are(apis: Apis, media_type: str) -> None:
    drawn = {"model": "rows", "n": 20, "seed": 3}
    file = await post(apis, "/sample", drawn, Accept=media_type)
    records = (await post(apis, "/sample", drawn)).json()["records"]
    query = "/score?model=rows&seed=5&false_alarm_rate=0.25"
    by_file = (await post(apis, query, file.content, Content_Type=media_type)).json()
    body = {"model": "rows", "seed": 5, "false_alarm_rate": 0.25, "records": records}
    by_records = (await post(apis, "/score", body)).json()
    assert by_file | {"timing": None} == by_records | {"timing": None}
    assert len(by_file["p_value"]) == 20


async def test_options_are_refused_because_held_out_rows_were_scored_with_the_defaults(apis: Apis) -> None:
    refused = await post(apis, "/score", {"model": "moons", "x": ROWS, "options": {"k": 4}})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "options")
    assert "are not taken, because held-out rows were scored with the defaults" in refused.json()["detail"]


@pytest.mark.parametrize("body", [{"x": [[0, 1]]}, {"records": [RECORD | {"kind": "elm"}]}])
async def test_rows_that_are_none_of_the_table_are_refused(apis: Apis, body: dict[str, Any]) -> None:
    refused = await post(apis, "/score", {"model": "rows", **body})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == next(iter(body))


async def test_a_model_without_scores_of_held_out_rows_is_refused_unasked(apis: Apis) -> None:
    keep(apis, "moons@1", None)
    refused = await post(apis, "/score", {"model": "moons", "x": ROWS})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/conflict")
    assert "train it again, or ask for the likelihood" in refused.json()["detail"]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call(apis, "score", {"model": "moons", "x": X})
    assert failed.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert failed.value.details() == refused.json()["detail"]
    assert apis.asks.begun == 0


async def test_lists_of_models_have_no_scores_of_held_out_rows(apis: Apis) -> None:
    for path in ("/models", "/models?model=moons", "/models/moons"):
        assert "held_out_log_prob" not in (await apis.rest.get(path)).text
