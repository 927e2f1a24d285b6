"""Searches from the command line to the workers and back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pushforward.service.cli.app import app
from pushforward.service.client import Client
from tests.e2e.running import Up

FLOW = ("--preset", "flow-two-moons", "--budget.steps", "40", "--family.width", "8")
SWEEP: dict[str, Any] = {"method": "grid", "fields": {"optimizer.lr": [1e-6, 1e-2, 1e-4]}}


def shell(up: Up, *words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"PUSHFORWARD_URL": up.place.url})


def ok(up: Up, *words: str) -> Result:
    result = shell(up, *words)
    assert result.exit_code == 0, result.output
    return result


def test_the_best_of_three_trials_has_the_least_loss_on_held_out_rows(up: Up, client: Client) -> None:
    followed = ok(up, "train", "searched", *FLOW, "--sweep", json.dumps(SWEEP), "--follow")
    told = re.search(r"job (\w+) trains searched 3 times", followed.stderr)
    assert told is not None
    assert "trial 3/3" in followed.stderr
    job = client.get(f"/jobs/{told[1]}")
    assert (job["state"], job["progress"]) == ("succeeded", {"step": 3, "total_steps": 3})
    trials = job["sweep"]["trials"]
    scores: dict[str, float] = {}
    for trial in trials:
        child = client.get(f"/jobs/{trial['job']}")
        curve = child["curve"]
        assert (child["part_of"], child["version"]) == (job["id"], trial["version"])
        assert child["run"]["optimizer"]["lr"] == trial["values"]["optimizer.lr"]
        assert curve["name"] == job["sweep"]["score_name"]
        assert trial["score"] == curve["values"][curve["steps"].index(curve["best_step"])]
        scores[trial["job"]] = trial["score"]
    assert job["sweep"]["best"] == min(scores, key=lambda each: scores[each])
    [best] = [trial for trial in trials if trial["job"] == job["sweep"]["best"]]
    assert best["values"] == {"optimizer.lr": 1e-2}  # the other two rates hardly leave the start
    assert client.get(f"/models/searched@{best['version']}")["job"] == best["job"]
    assert f"best: searched@{best['version']}" in followed.stderr

    shown = ok(up, "jobs", told[1][:8]).stdout
    assert re.search(rf"^best +searched@{best['version']} .*with optimizer.lr 0.01$", shown, re.MULTILINE)
    table = [line.split() for line in shown.splitlines() if line.split()[0] in scores]
    assert [line[0] for line in table] == [best["job"], *(each["job"] for each in trials if each is not best)]
    assert {line[1] for line in table} == {"succeeded"}
    of_trial = ok(up, "jobs", best["job"]).stdout
    assert re.search(rf"^part of +{job['id']}$", of_trial, re.MULTILINE)
    assert re.search(rf"{job['id']}\s+sweep\s+searched\s+succeeded\s+3/3", ok(up, "jobs").stdout)


def test_a_search_in_a_file_is_foreseen_and_cancelled(up: Up, client: Client, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps(SWEEP))
    search = ("train", "long", "--preset", "flow-two-moons", "--sweep", str(tmp_path / "sweep.json"))
    plan = ok(up, *search, "--dry-run")
    assert "a search of 3 trainings" in plan.stderr
    started = ok(up, *search, "--budget.steps", "10000000")
    told = re.search(r"job (\w+) trains long 3 times", started.stdout)
    assert told is not None
    assert client.get("/jobs", model="long")["jobs"][-1]["sweep"]["trials"] == []
    ok(up, "jobs", told[1], "--cancel")
    events = [data for _, data in client.watch(told[1])]
    assert events[-1]["state"] == "cancelled"
    assert {each["state"] for each in client.get(f"/jobs/{told[1]}")["sweep"]["trials"]} == {"cancelled"}


@pytest.mark.parametrize(
    ("sweep", "says"),
    [("{", "--sweep is not JSON"), ("none.json", "give --sweep JSON"), ('{"fields": {}}', "sweep.fields")],
)
def test_a_search_that_cannot_be_is_refused(up: Up, sweep: str, says: str) -> None:
    refused = shell(up, "train", "m", "--preset", "flow-two-moons", "--sweep", sweep)
    assert refused.exit_code == 1
    assert says in refused.stderr
