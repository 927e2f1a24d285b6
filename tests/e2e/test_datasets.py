"""One's own data, uploaded: from the command line to a trained model, whose card names the bytes."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pushforward.service.cli.app import app
from pushforward.service.client import Client, Refused
from tests.e2e.running import Up

FLOW = ["--family.family", "flow", "--data.source", "npy", "--budget.steps", "5"]
RNG = np.random.default_rng(0)


@pytest.fixture
def run(up: Up) -> Any:
    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], env={"PUSHFORWARD_URL": up.place.url})

    return run


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.npy"
    np.save(file, RNG.normal(size=(200, 2)))
    return file


def complete_datasets_at(up: Up, start: str) -> list[str]:
    asked = {"COMP_WORDS": f"pushforward data show {start}", "COMP_CWORD": "3"}
    environment = {"PUSHFORWARD_URL": up.place.url, **asked, "_PUSHFORWARD_COMPLETE": "complete_bash"}
    return CliRunner().invoke(app, [], prog_name="pushforward", env=environment).stdout.split()


def digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def test_a_model_is_trained_on_an_upload(run: Any, client: Client, rows: Path) -> None:
    put = run("data", "put", "normal", rows, "--json")
    assert put.exit_code == 0, put.output
    assert json.loads(put.stdout)["sha256"] == digest(rows)
    trained = run("train", "of-normal", *FLOW, "--data.dataset", "normal", "--follow")
    assert trained.exit_code == 0, trained.output
    reference = f"normal@{digest(rows)}"
    assert client.get("/models/of-normal")["run"]["data"]["dataset"] == reference
    assert len(client.ask("sample", {"model": "of-normal", "n": 3}).json()["samples"]) == 3
    evaluated = run(
        "evaluate", "of-normal", "-n", 50, "--metrics", "mmd2", "--against",
        json.dumps({"source": "npy", "dataset": "normal"}),
    )  # fmt: skip
    assert evaluated.exit_code == 0, evaluated.output
    assert client.get("/models/of-normal")["evaluation"]["against"]["dataset"] == reference
    assert run("data", "delete", "normal").exit_code == 0
    refused = run("train", "again", *FLOW, "--data.dataset", reference)
    assert (refused.exit_code, "upload them again" in refused.output) == (1, True)


def test_a_training_goes_on_with_the_bytes_that_it_was_accepted_with(client: Client, tmp_path: Path) -> None:
    files = [tmp_path / f"{scale}.npy" for scale in (1, 100)]
    for file in files:
        np.save(file, RNG.normal(size=(100, 2)) * float(file.stem))
    before = client.put_dataset("scaled", files[0], "application/x-npy")
    run = {
        "family": {"family": "flow"},
        "data": {"source": "npy", "dataset": "scaled"},
        "budget": {"steps": 10_000_000},
    }
    blocker = client.train("blocker", run={**run, "family": {"family": "ae"}})
    short = client.train("accepted", run={**run, "budget": {"steps": 1}})
    after = client.put_dataset("scaled", files[1], "application/x-npy", replaces=before["sha256"])
    with pytest.raises(Refused, match="another file"):
        client.put_dataset("scaled", files[0], "application/x-npy")
    client.cancel(blocker["id"])
    assert [data["state"] for kind, data in client.watch(short["id"]) if kind == "state"][-1] == "succeeded"
    card = client.get("/models/accepted")
    assert card["run"]["data"]["dataset"] == f"scaled@{before['sha256']}"
    assert max(card["spec"]["scale"]) < 10
    assert client.get("/datasets/scaled")["sha256"] == after["sha256"]
    client.delete("/datasets/scaled")


def test_datasets_are_listed_shown_and_replaced(up: Up, run: Any, rows: Path, tmp_path: Path) -> None:
    assert run("data", "put", "shown", rows).exit_code == 0
    listed = run("data", "list")
    assert ["shown", "application/x-npy", "3.25", "KiB"] in [line.split() for line in listed.stdout.splitlines()]
    assert "shown" in complete_datasets_at(up, "sho")
    assert run("--json", "data", "list").stdout == run("data", "list", "--json").stdout
    assert digest(rows) in run("data", "show", "shown").stdout
    np.save(tmp_path / "other.npy", np.zeros((20, 2)))
    refused = run("data", "put", "shown", tmp_path / "other.npy")
    assert refused.exit_code == 1
    assert "give --replace to replace it" in " ".join(refused.output.split())
    assert run("data", "put", "shown", tmp_path / "other.npy", "--replace").exit_code == 0
    assert digest(tmp_path / "other.npy") in run("data", "show", "shown").stdout
    assert run("data", "delete", "shown").exit_code == 0
    missing = run("data", "show", "shown")
    assert (missing.exit_code, "`pushforward data list`" in missing.output) == (1, True)
    assert run("data", "put", "shown", rows, "--replace").exit_code == 0
    assert run("data", "delete", "shown").exit_code == 0


def test_a_file_whose_name_does_not_tell_its_format_needs_a_type(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_text("a,b\n1,2\n")
    refused = run("data", "put", "table", file)
    assert (refused.exit_code, "or give --type" in refused.output) == (1, True)
    assert run("data", "put", "table", tmp_path / "missing.csv").exit_code == 1
    assert run("data", "put", "table", file, "--type", "text/csv").exit_code == 0
    assert run("data", "delete", "table").exit_code == 0
