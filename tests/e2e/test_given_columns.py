"""Conditions on the columns of a table through every API: of models that were trained with them, and of others."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from pushforward.service.cli.app import app
from pushforward.service.client import Client, Refused
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.pb import pushforward_pb2_grpc as pb_grpc
from pushforward.service.rpc.tensors import array, tensor
from tests.e2e.running import Up
from tests.e2e.test_every_family import stub

__all__ = ["stub"]  # a fixture

COLUMNS = ["id", "kind", "height", "leaves", "planted"]
ASH = {"planted": "2024-02-01", "kind": "ash", "height": None}
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"


@pytest.fixture(scope="module")
def trees(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, file = np.random.default_rng(0), tmp_path_factory.mktemp("trees") / "trees.csv"
    kind, days = rng.choice(["oak", "ash"], 200), rng.integers(0, 60, 200)
    height = np.where(rng.random(200) < 0.2, "", np.char.mod("%.6f", rng.normal(3, 1, 200)))
    planted = np.datetime64("2024-01-01") + days
    leaves = rng.integers(0, 400, 200)
    rows = zip(kind, height, leaves, planted, strict=True)
    file.write_text("\n".join([",".join(COLUMNS), *(f"T{i},{','.join(map(str, row))}" for i, row in enumerate(rows))]))
    client.put_dataset("trees", file, CSV)
    return file


def trained(client: Client, model: str, family: dict[str, Any], given: list[str] | None = None) -> dict[str, Any]:
    data = {"source": "table", "dataset": "trees"} | ({} if given is None else {"condition": {"columns": given}})
    job = client.train(model, run={"family": family, "data": data, "budget": {"steps": 4}})
    ended = [data for kind, data in client.watch(job["id"]) if kind == "state"][-1]
    assert (ended["state"], ended["error"]) == ("succeeded", None)
    card: dict[str, Any] = client.get(f"/models/{model}")
    return card


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_rows_under_a_trained_condition_have_all_columns_in_their_order(
    up: Up, client: Client, trees: Path, family: str
) -> None:
    model = f"given-{family.replace('_', '-')}"
    card = trained(client, model, {"family": family}, ["planted", "kind", "height"])
    assert [column["name"] for column in card["spec"]["table"]["columns"]] == ["id", "leaves"]
    ask = {"model": model, "n": 3, "seed": 1, "condition": ASH}
    records = client.ask("sample", ask).json()["records"]
    assert [list(record) for record in records] == [COLUMNS] * 3
    assert all(record | ASH == record for record in records)
    one_each = client.ask("sample", ask | {"condition": [ASH, ASH | {"kind": "oak"}, ASH]}).json()["records"]
    assert [record["kind"] for record in one_each] == ["ash", "oak", "ash"]
    assert one_each[2] == records[2]
    csv = client.ask("sample", ask, accept=CSV).content
    assert pd.read_csv(io.BytesIO(csv))["leaves"].tolist() == [record["leaves"] for record in records]
    table = parquet.read_table(io.BytesIO(client.ask("sample", ask, accept=PARQUET).content))
    assert [str(day) for day in table["planted"].to_pylist()] == ["2024-02-01"] * 3
    wanted = [{"column": "leaves", "op": ">=", "value": 0}]
    kept = client.ask("sample", ask | {"where": wanted}).json()
    assert (kept["records"], kept["accepted_fraction"]) == (records, 1.0)
    with pytest.raises(Refused, match=r"column 'kind' holds 'elm' .* needs an object of the columns 'kind' \('"):
        client.ask("sample", ask | {"condition": ASH | {"kind": "elm"}})

    for op in {"likelihood", "encode", "reconstruct"} & {*card["capabilities"]}:
        field = {"likelihood": "log_prob", "encode": "z", "reconstruct": "records"}[op]
        read = client.ask(op, {"model": model, "records": records}).json()[field]
        content = {"params": {"model": model}, "content": csv, "headers": {"Content-Type": CSV}}
        answer = httpx.post(f"{up.place.url}/{op}", **content)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        assert answer.json()[field] == read
    if "likelihood" in card["capabilities"]:
        oaks = [record | {"kind": "oak"} for record in records]
        of = [client.ask("likelihood", {"model": model, "records": each}).json() for each in (records, oaks)]
        assert of[0]["log_prob"] != of[1]["log_prob"]
        cells = [[record["leaves"]] for record in records]
        beside = client.ask("likelihood", {"model": model, "x": cells, "condition": ASH}).json()
        assert beside["log_prob"] == of[0]["log_prob"]
        scored = client.ask("score", {"model": model, "records": records}).json()
        assert len(scored["p_value"]) == 3
        with pytest.raises(Refused, match="condition: is read from the columns of the records; leave it out"):
            client.ask("likelihood", {"model": model, "records": records, "condition": ASH})
        with pytest.raises(Refused, match="column 'kind' had no missing cells in training, and is missing in row 0"):
            client.ask("likelihood", {"model": model, "records": [{"leaves": 3, "planted": "2024-01-02"}]})


@pytest.fixture(scope="module")
def given_kind(client: Client, trees: Path) -> str:
    trained(client, "by-kind", {"family": "autoregressive", "any_order": True}, ["kind", "height"])
    return "by-kind"


def test_a_completion_is_under_the_columns_of_its_record(client: Client, given_kind: str) -> None:
    record = {"kind": "oak", "planted": "2024-01-05", "height": None}
    done = client.ask("complete", {"model": given_kind, "records": [record], "given": ["height"], "n": 2}).json()
    assert done["kind"] == "exact"
    assert [each | record for each in done["records"]] == done["records"]
    with pytest.raises(Refused, match="column 'height' is empty in row 0, and the model is given it"):
        client.ask("complete", {"model": given_kind, "records": [record]})


def test_the_command_line_and_grpc_take_records(
    up: Up, client: Client, stub: pb_grpc.PushforwardStub, given_kind: str, tmp_path: Path
) -> None:
    told = {"kind": "oak", "height": 2.5}
    rest = client.ask("sample", {"model": given_kind, "n": 2, "seed": 3, "condition": told}).json()["records"]
    arguments = ["sample", given_kind, "-n", "2", "--seed", "3", "--condition", json.dumps(told), "--url", up.place.url]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.output)["records"] == rest
    told_twice = tensor(np.array([told, told], object))
    reply = stub.Sample(pb.SampleRequest(model=given_kind, n=2, seed=3, condition=told_twice))
    x = array(reply.samples, "samples")
    assert x[:, 0].tolist() == [record["leaves"] for record in rest]

    file = tmp_path / "rows.npy"
    assert CliRunner().invoke(app, [*arguments, "--out", str(file)]).exit_code == 0
    np.testing.assert_array_equal(np.load(file), x)
    assert client.get("/jobs")["jobs"][0]["ask"]["condition"] == told
    assert array(stub.GetJob(pb.GetJobRequest(id=client.get("/jobs")["jobs"][0]["id"])).ask.condition, "c") == told


def test_a_condition_that_a_model_was_not_trained_with_is_completed(client: Client, trees: Path) -> None:
    trained(client, "any-order", {"family": "autoregressive", "any_order": True})
    trained(client, "gan", {"family": "gan", "width": 8})
    trained(client, "diffusion", {"family": "diffusion", "steps": 20})
    told = {"kind": "oak", "height": None}
    ask = {"model": "any-order", "n": 70, "seed": 1, "condition": told}
    exact = client.ask("sample", ask).json()
    assert exact["kind"] == "exact"
    assert len(exact["records"]) == 70
    assert all(list(record) == COLUMNS and record | told == record for record in exact["records"])
    same = {"model": "any-order", "seed": 1, "n": 70, "records": [told], "given": ["height"]}
    assert client.ask("complete", same).json()["records"] == exact["records"]
    assert len(np.load(io.BytesIO(client.ask("sample", ask, accept="application/x-npy").content))) == 70
    assert client.ask("sample", ask, accept=CSV).headers["Pushforward-Kind"] == "exact"

    native = client.ask("sample", ask | {"model": "gan", "n": 4, "options": {"candidates": 50}}).json()
    assert native["kind"] == "approximate"
    assert all(1 <= effective <= 50 for effective in native["effective_candidates"])
    assert all(record | told == record for record in native["records"])

    for model, changed, says in (
        ("gan", {"condition": {"kind": "oak", "leaves": 3}}, "column 'leaves' is given as a number, and gan completes"),
        ("diffusion", {}, "was trained without; diffusion cannot complete one: draw rows and keep those that have it"),
        ("any-order", {"condition": {"id": "T1"}}, "names 'id', which is no column that is modelled; name some of 'ki"),
        ("any-order", {"condition": {}}, "names no column"),
        (
            "any-order",
            {"condition": {"kind": "elm"}},
            "column 'kind' holds 'elm' in row 0, which training has not seen",
        ),
        ("any-order", {"condition": [told] * 2}, "has 2 rows where the answer has 70"),
        ("any-order", {"condition": 3}, "takes none; leave it out"),
        ("any-order", {"where": [{"column": "leaves", "op": ">", "value": 5}]}, "give the condition in where, too"),
    ):
        with pytest.raises(Refused, match=says) as refused:
            client.ask("sample", ask | {"model": model} | changed)
        assert refused.value.status == 422
    with pytest.raises(Refused, match="a job draws no rows under it: ask for fewer rows at once"):
        client.sample_to_file("any-order", n=5, condition=told)


def test_a_given_model_is_compared_with_a_whole_table(client: Client, given_kind: str) -> None:
    job = client.evaluate(given_kind, against={"source": "table", "dataset": "trees"}, n=100)
    ended = [data for kind, data in client.watch(job["id"]) if kind == "state"][-1]
    assert (ended["state"], ended["error"]) == ("succeeded", None)
    with pytest.raises(Refused, match=r"run.data.condition.columns: there is no column 'kin' in the table"):
        trained(client, "refused", {"family": "vae"}, ["kin"])
