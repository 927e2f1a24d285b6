"""A csv as it is becomes models of every family that models tables, and their rows are read back by other programs."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from pushforward.models.families import FAMILIES
from pushforward.models.tabular.models_tables import ModelsTables
from pushforward.service.cli.app import app
from pushforward.service.client import Client, Refused
from tests.e2e.running import Up
from tests.models.data.tables.real_tables import DROPPED, put

ALL = sorted(name for name, family in FAMILIES.items() if issubclass(family, ModelsTables))
NAME = "penguins-raw.csv"


@pytest.fixture(scope="module")
def penguins(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("penguins")
    file = folder / put(NAME, folder)
    client.put_dataset("penguins", file, "text/csv")
    return file


def trained(client: Client, model: str, family: str) -> dict[str, Any]:
    data = {"source": "table", "dataset": "penguins", "columns": DROPPED}
    run = {"family": {"family": family}, "data": data, "budget": {"steps": 4}, "optimizer": {"batch_size": 64}}
    job = client.train(model, run=run)
    ended = [data for kind, data in client.watch(job["id"]) if kind == "state"][-1]
    assert (ended["state"], ended["error"]) == ("succeeded", None)
    card: dict[str, Any] = client.get(f"/models/{model}")
    return card


@pytest.mark.parametrize("family", ALL)
def test_a_csv_is_trained_on_and_its_rows_come_back_as_they_were(
    up: Up, client: Client, penguins: Path, family: str
) -> None:
    model = f"penguins-{family.replace('_', '-')}"
    card = trained(client, model, family)
    ask = {"model": model, "n": 60, "seed": 1}
    rows = pd.read_csv(io.BytesIO(client.ask("sample", ask, accept="text/csv").content))
    real = pd.read_csv(penguins).drop(columns="Comments")
    assert list(rows) == list(real)
    assert set(rows["Species"]) <= set(real["Species"])
    assert set(rows["Sex"].dropna()) <= set(real["Sex"].dropna())
    assert rows["Body Mass (g)"].dropna().between(real["Body Mass (g)"].min(), real["Body Mass (g)"].max()).all()
    assert ((rows["Body Mass (g)"].dropna() % 25) == 0).all()
    assert pd.to_datetime(rows["Date Egg"]).between("2007-11-09", "2009-12-01").all()

    table = parquet.read_table(io.BytesIO(client.ask("sample", ask, accept="application/vnd.apache.parquet").content))
    assert table.schema.field("Date Egg").type == pa.date32()
    assert table.schema.field("Body Mass (g)").type == pa.int64()
    if "likelihood" in card["capabilities"]:
        csv = client.ask("sample", ask, accept="text/csv").content
        scored = httpx.post(
            f"{up.place.url}/likelihood", params={"model": model}, content=csv, headers={"Content-Type": "text/csv"}
        )
        assert scored.status_code == 200, scored.text
        assert len(scored.json()["log_prob"]) == 60
        records = client.ask("sample", ask).json()["records"]
        assert len(client.ask("likelihood", {"model": model, "records": records}).json()["log_prob"]) == 60
    if "encode" in card["capabilities"]:
        records = client.ask("sample", ask).json()["records"]
        z = client.ask("encode", {"model": model, "records": records[:3]}).json()["z"]
        assert list(client.ask("decode", {"model": model, "z": z}).json()["records"][0]) == list(real)


def test_a_table_is_outlined_before_it_is_trained_on(client: Client, penguins: Path) -> None:
    with pytest.raises(Refused, match="'Individual ID' holds 190 distinct texts"):
        client.outline_dataset("penguins")
    told = client.outline_dataset("penguins", {"columns": DROPPED})
    assert told["rows"] == 344
    assert told["data"] == {"source": "table", "dataset": "penguins", "columns": DROPPED}
    kinds = {column["name"]: column["kind"] for column in told["spec"]["table"]["columns"]}
    assert kinds["Date Egg"] == "time"
    assert kinds["Region"] == "constant"
    assert told["reasons"].keys() == kinds.keys()


def test_a_dry_run_shows_the_columns_and_starts_nothing(up: Up, penguins: Path) -> None:
    run = {"family": {"family": "vae"}, "data": {"source": "table", "dataset": "penguins", "columns": DROPPED}}
    words = ["train", "never-trained", "--run", "-", "--dry-run", "--url", up.place.url]
    told = CliRunner().invoke(app, words, input=json.dumps(run))
    assert told.exit_code == 0, told.output
    assert re.search(r"^Date Egg +time ", told.output, re.MULTILINE)
    assert "note: Columns that were left out: Comments." in told.output
    assert "nothing was started" in told.output
    with Client(up.place.url) as client:
        assert client.get("/jobs", model="never-trained")["jobs"] == []


def test_a_model_of_a_table_is_compared_with_held_out_rows_and_with_another_table(
    client: Client, penguins: Path
) -> None:
    trained(client, "compared", "vae")
    for against in ("held_out", {"source": "table", "dataset": "penguins", "columns": DROPPED}):
        job = client.evaluate("compared", against=against, n=200)
        ended = [data for kind, data in client.watch(job["id"]) if kind == "state"][-1]
        assert (ended["state"], ended["error"]) == ("succeeded", None)
        report = {each["name"]: each for each in client.get("/models/compared")["evaluation"]["metrics"]}
        assert {"column_shapes", "column_pairs", "missing_similarity", "mmd2"} <= report.keys()
        assert report["column_shapes"]["floor"]["value"] > 0.7
    with pytest.raises(Refused, match="holds arrays, and compared models a table"):
        client.evaluate("compared", against={"source": "two_moons"})
