"""Rows of tables through REST: records, csv, parquet and Arrow, in and out."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import grpc
import httpx
import numpy as np
import psutil
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from pushforward.models.data.tables.media_types import ARROW_STREAM as ARROW
from pushforward.models.data.tables.media_types import CSV, MEDIA_TYPES, PARQUET
from pushforward.models.tables.arrow import from_cells
from pushforward.service.formats import npy
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.in_process import TABLE

COLUMNS = ["kind", "site", "height", "planted", "id"]
TYPES = [pa.string(), pa.string(), pa.int64(), pa.date32(), pa.string()]
RECORD = {"kind": "oak", "height": 12, "planted": "1998-02-03"}


async def post(apis: Apis, path: str, body: Any = None, **headers: str) -> httpx.Response:
    if isinstance(body, bytes):
        return await apis.rest.post(path, content=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    return await apis.rest.post(path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def opened(media_type: str, content: bytes) -> pa.Table:
    match media_type:
        case "text/csv":
            return csv.read_csv(io.BytesIO(content), convert_options=csv.ConvertOptions(strings_can_be_null=True))
        case "application/vnd.apache.parquet":
            return parquet.read_table(io.BytesIO(content))
        case "application/vnd.apache.arrow.file":
            return pa.ipc.open_file(content).read_all()
    return pa.ipc.open_stream(content).read_all()


@pytest.mark.parametrize("model", ["rows", "coded-rows"])
async def test_samples_are_records_with_the_columns_of_the_file(apis: Apis, model: str):
    answer = (await post(apis, "/sample", {"model": model, "n": 40, "seed": 1})).json()
    assert answer.keys() == {"model", "seed", "records", "timing"}
    assert len(answer["records"]) == 40
    for record in answer["records"]:
        assert list(record) == COLUMNS
        assert record["kind"] in ("oak", "ash")
        assert record["site"] == "north"
        assert record["height"] is None or 0 <= record["height"] <= 60
        assert date(1997, 5, 19) <= date.fromisoformat(record["planted"]) <= date(1999, 11, 5)
    assert [record["id"] for record in answer["records"][:2]] == ["T1", "T2"]
    assert {type(record["height"]) for record in answer["records"]} == {int, type(None)}


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
async def test_samples_are_files_that_are_scored_as_their_records_are(apis: Apis, media_type: str):
    ask = {"model": "rows", "n": 30, "seed": 3}
    sent = await post(apis, "/sample", ask, Accept=media_type)
    assert sent.headers["content-type"] == media_type
    assert sent.headers["pushforward-seed"] == "3"
    table = opened(media_type, sent.content)
    records = (await post(apis, "/sample", ask)).json()["records"]
    assert table.column_names == COLUMNS
    if media_type != CSV:
        assert table.schema.types == TYPES
    assert [{**row, "planted": row["planted"].isoformat()} for row in table.to_pylist()] == records

    by_file = await post(apis, "/likelihood?model=rows&seed=5", sent.content, Content_Type=media_type)
    by_records = await post(apis, "/likelihood", {"model": "rows", "seed": 5, "records": records})
    assert by_file.status_code == 200
    assert by_file.json()["log_prob"] == by_records.json()["log_prob"]
    assert by_file.json()["kind"] == "lower_bound"


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
async def test_a_long_sample_is_one_file_that_comes_in_parts(apis: Apis, media_type: str):
    ask = {"model": "rows", "n": 1200, "seed": 3}
    begun = apis.asks.begun
    sent = await post(apis, "/sample", ask, Accept=media_type)
    assert sent.headers["pushforward-seed"] == "3"
    assert apis.asks.begun - begun > 1
    cells = npy.loads((await post(apis, "/sample", ask, Accept=npy.MEDIA_TYPE)).content)
    assert TABLE.table is not None
    table, drawn = opened(media_type, sent.content), from_cells(TABLE.table, cells)
    assert table.column("id").to_pylist()[-1] == "T1200"
    assert table.to_pylist() == drawn.to_pylist()


async def test_a_long_sample_of_no_table_is_no_file_of_one(apis: Apis):
    refused = await post(apis, "/sample", {"model": "moons", "n": 1200}, Accept=CSV)
    assert refused.status_code == 406


async def test_cells_are_numbers_in_npy(apis: Apis):
    ask = {"model": "rows", "n": 30, "seed": 3}
    cells = npy.loads((await post(apis, "/sample", ask, Accept=npy.MEDIA_TYPE)).content)
    assert cells.shape == (30, 3)
    scored = await post(apis, "/likelihood?model=rows&seed=5", npy.dumps(cells), Content_Type=npy.MEDIA_TYPE)
    records = (await post(apis, "/sample", ask)).json()["records"]
    assert (
        scored.json()["log_prob"]
        == (await post(apis, "/likelihood", {"model": "rows", "seed": 5, "records": records})).json()["log_prob"]
    )
    heights = [np.nan if record["height"] is None else record["height"] for record in records]
    np.testing.assert_array_equal(cells[:, 1], heights)


async def test_records_are_encoded_decoded_and_reconstructed(apis: Apis):
    z = (await post(apis, "/encode", {"model": "coded-rows", "records": [RECORD]})).json()["z"]
    decoded = (await post(apis, "/decode", {"model": "coded-rows", "z": z})).json()["records"]
    again = (await post(apis, "/reconstruct", {"model": "coded-rows", "records": [RECORD]})).json()["records"]
    assert decoded == again
    assert list(decoded[0]) == COLUMNS


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"records": [{**RECORD, "kind": "elm"}]}, "records", "column 'kind' holds 'elm' in row 0, which training has"),
        ({"records": [RECORD, {**RECORD, "height": "tall"}]}, "records", "'height' holds values of different types"),
        ({"records": [{**RECORD, "height": 1.5}]}, "records", "column 'height' is not on the grid of 1"),
        ({"records": [{**RECORD, "planted": "soon"}]}, "records", "column 'planted' does not hold values of type date"),
        ({"records": [{**RECORD, "planted": None}]}, "records", "column 'planted' had no missing cells"),
        ({"records": [{**RECORD, "hight": 3}]}, "records", "has a column 'hight', which this model's table lacks"),
        ({"records": [{**RECORD, "height": [1]}]}, "records", "column 'height' holds no text, number, boolean or null"),
        ({"records": []}, "records", "a list of objects"),
        ({"records": [RECORD], "x": [[0, 1, 2]]}, "records", "beside x"),
        ({}, "x", "is missing"),
        ({"x": [[0, 1]]}, "x", "3 cells"),
    ],
)
async def test_rows_that_are_none_of_the_table_are_refused_by_column(
    apis: Apis, body: dict[str, Any], field: str, message: str
):
    refused = await post(apis, "/likelihood", {"model": "rows", **body})
    assert refused.status_code == 422
    assert field in [error["field"] for error in refused.json()["errors"]]
    assert message in refused.json()["detail"]


@pytest.mark.parametrize("media_type", [CSV, PARQUET, ARROW])
async def test_files_that_are_none_are_refused(apis: Apis, media_type: str):
    refused = await post(apis, "/likelihood?model=rows", b"\x00garbage" * 30, Content_Type=media_type)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "records"


@pytest.mark.parametrize("path", ["/likelihood", "/complete"])
async def test_kilobytes_that_hold_many_rows_are_refused_in_little_memory(apis: Apis, path: str):
    rows, sink = pa.table({"height": pa.nulls(20_000_000, pa.int64())}), io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(rows)
    del rows
    before = psutil.Process().memory_info().rss
    refused = await post(apis, f"{path}?model=rows", sink.getvalue(), content_type=ARROW)
    assert refused.status_code == 422
    assert "it holds 20000000 rows; send at most" in refused.json()["detail"]
    assert psutil.Process().memory_info().rss - before < 2**25


async def test_records_are_for_models_of_tables_and_tables_for_rows(apis: Apis):
    refused = await post(apis, "/likelihood", {"model": "moons", "records": [RECORD]})
    assert refused.status_code == 422
    assert "models none; give x" in refused.json()["detail"]
    refused = await post(apis, "/sample", {"model": "moons"}, Accept=CSV)
    assert refused.status_code == 406


@pytest.mark.parametrize(
    ("model", "kind"), [("any-order", "exact"), ("rows", "approximate"), ("coded-rows", "approximate")]
)
async def test_missing_cells_are_completed_and_known_ones_kept(apis: Apis, model: str, kind: str):
    known = [{"kind": "ash", "planted": "1998-02-03"}, {"height": 12}]
    answer = (await post(apis, "/complete", {"model": model, "records": known, "n": 5, "seed": 2})).json()
    assert answer["kind"] == kind
    assert len(answer["records"]) == 10
    for record in answer["records"][:5]:
        assert (record["kind"], record["planted"]) == ("ash", "1998-02-03")
    assert {record["height"] for record in answer["records"][5:]} == {12}
    assert (answer["effective_candidates"] is None) == (kind == "exact")
    again = (await post(apis, "/complete", {"model": model, "records": known, "n": 5, "seed": 2})).json()
    assert again["records"] == answer["records"]


async def test_a_null_is_drawn_unless_its_column_is_given(apis: Apis):
    known = [{"kind": "oak", "height": None, "planted": "1998-02-03"}]
    ask = {"model": "any-order", "records": known, "n": 20}
    drawn = (await post(apis, "/complete", ask)).json()["records"]
    assert any(record["height"] is not None for record in drawn)
    kept = (await post(apis, "/complete", {**ask, "given": ["height"]})).json()["records"]
    assert {record["height"] for record in kept} == {None}


async def test_a_csv_with_holes_is_completed_to_a_csv(apis: Apis):
    body = b"kind,height,planted\noak,,1998-02-03\n,7,\n"
    answer = await post(apis, "/complete?model=any-order&seed=1", body, Content_Type=CSV, Accept=CSV)
    assert answer.status_code == 200
    rows = opened(CSV, answer.content).to_pylist()
    assert [rows[0]["kind"], rows[0]["planted"], rows[1]["height"]] == ["oak", date(1998, 2, 3), 7]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"records": [{"kind": "elm"}]}, "records", "training has not seen"),
        ({"records": [{"planted": None}], "given": ["planted"]}, "records", "had no missing cells"),
        ({"records": [{"kind": "oak"}], "given": ["site"]}, "given", "no column that is modelled"),
        ({"records": [{"kind": "oak"}], "patches": [[1]]}, "records", "beside patches"),
        ({"patches": [[1]], "n": 2}, "n", "is for records"),
        ({"records": [{"kind": "oak"}], "n": 100_000}, "n", "1000"),
    ],
)
async def test_completions_that_cannot_be_are_refused(apis: Apis, body: dict[str, Any], field: str, message: str):
    refused = await post(apis, "/complete", {"model": "any-order", **body})
    assert refused.status_code == 422, refused.text
    assert field in [error["field"] for error in refused.json()["errors"]]
    assert message in refused.json()["detail"]


async def test_a_model_of_other_data_completes_no_records(apis: Apis):
    refused = await post(apis, "/complete", {"model": "puzzle", "records": [RECORD]})
    assert "completes none; give patches" in refused.json()["detail"]


async def test_rows_that_fulfil_something_are_the_first_that_do(apis: Apis):
    where = [{"column": "kind", "op": "==", "value": "ash"}, {"column": "planted", "op": "<", "value": "1998-06-01"}]
    answer = (await post(apis, "/sample", {"model": "rows", "n": 70, "seed": 4, "where": where})).json()
    drawn = (await post(apis, "/sample", {"model": "rows", "n": 500, "seed": 4})).json()["records"]
    kept = [row for row in drawn if row["kind"] == "ash" and row["planted"] < "1998-06-01"]
    assert len(answer["records"]) == 70

    def told(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [(row["kind"], row["height"], row["planted"]) for row in rows]

    shared = min(70, len(kept))
    assert told(answer["records"])[:shared] == told(kept)[:shared]
    assert 0 < answer["accepted_fraction"] < 1
    again = (await post(apis, "/sample", {"model": "rows", "n": 70, "seed": 4, "where": where})).json()
    assert again["records"] == answer["records"]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"where": [{"column": "kind", "op": "<", "value": "oak"}]}, "where.0.op", "has none; use =="),
        ({"where": [{"column": "kind", "op": "==", "value": "elm"}]}, "where.0.value", "training has not seen"),
        ({"where": [{"column": "knd", "op": "==", "value": "oak"}]}, "where.0.column", "modelled; name some of 'kind'"),
        ({"where": [{"column": "height", "op": "==", "value": None}]}, "where.0.value", "a missing cell fulfils no"),
        ({"where": [{"column": "kind", "op": "in", "value": "oak"}]}, "where.0.value", "a list for `in`"),
        ({"where": [{"column": "height", "op": "==", "value": 7}], "max_tries": 1, "n": 50}, "where", "want less"),
    ],
)
async def test_what_rows_cannot_fulfil_is_refused(apis: Apis, body: dict[str, Any], field: str, message: str):
    refused = await post(apis, "/sample", {"model": "rows", **body})
    assert refused.status_code == 422, refused.text
    assert field in [error["field"] for error in refused.json()["errors"]]
    assert message in refused.json()["detail"]


async def test_only_rows_of_tables_fulfil_something_and_only_in_one_reply(apis: Apis):
    where = [{"column": "kind", "op": "in", "value": ["oak", "ash"]}]
    refused = await post(apis, "/sample", {"model": "moons", "where": where})
    assert "is for rows of tables" in refused.json()["detail"]
    refused = await post(apis, "/sample", {"model": "rows", "where": where, "n": 20_000}, Accept=CSV)
    assert refused.json()["errors"] == [
        {"field": "n", "message": "asks for 20000 rows; at most 500 of this model at once, so ask in parts"}
    ]
    refused = await post(apis, "/sample", {"model": "rows", "where": where}, Accept="text/event-stream")
    assert "is for one reply" in refused.json()["detail"]


async def test_the_card_says_what_likelihoods_are_with_respect_to(apis: Apis):
    measure = {"numbers": [], "counted": ["kind", "height", "planted"]}
    assert (await apis.rest.get("/models/rows")).json()["measure"] == measure
    assert (await apis.rest.get("/models/moons")).json()["measure"] is None
    assert (await apis.rest.get("/models/drawn-rows")).json()["measure"] is None
    card = await apis.stub.GetModel(pb.GetModelRequest(model="rows"))
    assert list(card.measure.counted) == measure["counted"]
    assert not (await apis.stub.GetModel(pb.GetModelRequest(model="moons"))).HasField("measure")


async def test_rows_whose_columns_are_all_counted_have_bits_for_each_column(apis: Apis):
    scored = (await post(apis, "/likelihood", {"model": "rows", "records": [RECORD]})).json()
    np.testing.assert_allclose(scored["bits_per_dim"], -np.array(scored["log_prob"]) / (3 * np.log(2)))


async def test_rows_with_numbers_that_have_a_density_have_no_bits(apis: Apis):
    scored = (await post(apis, "/likelihood", {"model": "dense-rows", "records": [{"height": 12.5}]})).json()
    assert scored["bits_per_dim"] is None


async def test_rows_go_and_come_over_grpc_as_files(apis: Apis):
    drawn = await apis.stub.Sample(pb.SampleRequest(model="rows", n=30, seed=3, accept=ARROW))
    assert (drawn.table.media_type, drawn.HasField("samples")) == (ARROW, False)
    assert (
        drawn.table.content
        == (await post(apis, "/sample", {"model": "rows", "n": 30, "seed": 3}, Accept=ARROW)).content
    )
    records = pb.Table(content=drawn.table.content)  # Arrow where nothing is said
    scored = await apis.stub.Likelihood(pb.LikelihoodRequest(model="rows", records=records, seed=5))
    by_rest = await post(apis, "/likelihood?model=rows&seed=5", drawn.table.content, Content_Type=ARROW)
    assert list(scored.log_prob) == by_rest.json()["log_prob"]
    ranked = await apis.stub.Score(pb.ScoreRequest(model="rows", records=records, seed=5))
    assert list(ranked.log_prob) == list(scored.log_prob)
    codes = await apis.stub.Encode(pb.EncodeRequest(model="coded-rows", records=records))
    assert list(codes.z.shape) == [30, 2]
    cells = await apis.stub.Sample(pb.SampleRequest(model="rows", n=30, seed=3))
    assert (list(cells.samples.shape), cells.HasField("table")) == ([30, 3], False)


async def test_a_stream_over_grpc_is_files_whose_rows_are_numbered_on(apis: Apis):
    ask = pb.SampleRequest(model="rows", n=1200, seed=3, accept=CSV)
    parts = [opened(CSV, message.table.content) async for message in apis.stub.SampleStream(ask)]
    assert len(parts) > 1
    assert pa.concat_tables(parts).column("id").to_pylist() == [f"T{i}" for i in range(1, 1201)]


async def test_cells_are_completed_over_grpc_as_over_rest(apis: Apis):
    csv_of_one = b"kind,height,planted\noak,12,\n"
    request = pb.CompleteRequest(
        model="any-order", records=pb.Table(media_type=CSV, content=csv_of_one), n=2, given=["height"], accept=CSV
    )
    completed = await apis.stub.Complete(request)
    query = "/complete?model=any-order&n=2&given=%5B%22height%22%5D"
    by_rest = await post(apis, query, csv_of_one, Content_Type=CSV, Accept=CSV)
    assert completed.table.content == by_rest.content
    assert completed.kind == "exact"


@pytest.mark.parametrize(
    ("model", "accept", "says"), [("rows", "text/html", "no file of a table is text/html"), ("moons", CSV, "are none")]
)
async def test_what_is_no_file_of_a_table_is_refused_over_grpc(apis: Apis, model: str, accept: str, says: str):
    with pytest.raises(grpc.aio.AioRpcError, match=says):
        await apis.stub.Sample(pb.SampleRequest(model=model, n=3, accept=accept))
    rows = pb.Table(media_type="text/html", content=b"")
    with pytest.raises(grpc.aio.AioRpcError, match=r"records\.media_type"):
        await apis.stub.Likelihood(pb.LikelihoodRequest(model="rows", records=rows))
