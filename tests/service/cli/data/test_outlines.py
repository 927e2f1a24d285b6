"""`service.cli.data.outlines`: what data are, in words."""

from __future__ import annotations

from typing import Any

import pytest

from pushforward.models.data import TwoMoons
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.cli.data.outlines import print_outline, print_plan
from tests.apis.in_process import TABLE


def told(spec: DataSpec, rows: int | None, **reasons: str) -> dict[str, Any]:
    return {"rows": rows, "spec": spec.model_dump(mode="json"), "reasons": reasons}


def test_pictures_are_their_rows_shape_range_and_condition(capsys: pytest.CaptureFixture[str]) -> None:
    condition = Labels(n_classes=10)
    spec = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, condition=condition)
    print_outline({"source": "digits"}, told(spec, 1797))
    assert [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()] == [
        ["source", "digits"],
        ["rows", "1797"],
        ["shape", "1x8x8"],
        ["range", "0 to 16, 17 levels"],
        ["condition", "labels"],
    ]


def test_a_table_is_its_columns_their_kinds_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert TABLE.table is not None
    reasons = {column.name: f"why {column.name}" for column in TABLE.table.columns}
    print_outline({}, told(TABLE, 60, **reasons))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[2:5] == [
        ["COLUMN", "KIND", "TYPE", "WHY"],
        ["kind", "category", "string", "why", "kind"],
        ["site", "constant", "string", "why", "site"],
    ]


FORECAST = {
    "n_parameters": 77714,
    "total_steps": 780,
    "step_ms": 39.5,
    "seconds": 31.4,
    "memory_bytes": 2**29,
    "free_bytes": 2**33,
    "device": "cpu",
}


def test_a_plan_is_told_with_its_notes_and_that_nothing_was_started(capsys: pytest.CaptureFixture[str]) -> None:
    run = {
        "family": {"family": "vae"},
        "data": {"source": "two_moons"},
        "budget": {"steps": 300, "epochs": None},
    }
    plan = {
        "model": "m",
        "preset": None,
        "run": run,
        "form": "A VAE.",
        "capabilities": ["sample", "encode"],
        "data": told(TwoMoons().spec, None),
        "notes": ["Beware."],
        "forecast": FORECAST,
        "no_forecast": None,
        "trials": None,
    }
    print_plan(plan)
    printed = capsys.readouterr()
    assert [line.split(maxsplit=1) for line in printed.out.splitlines()] == [
        ["model", "m"],
        ["family", "vae: A VAE."],
        ["answers", "sample, encode"],
        ["budget", "300 steps"],
        ["source", "two_moons"],
        ["parameters", "77,714"],
        ["takes", "31 seconds: 780 steps of 39.5 ms on cpu"],
        ["memory", "0.5 GiB of 8.0 GiB that are free"],
        ["rows", "drawn afresh at each step"],
        ["shape", "2"],
    ]
    assert printed.err.startswith("note: Beware.\nnothing was started")


def test_a_plan_without_a_forecast_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    run = {"family": {"family": "vae"}, "data": {"source": "two_moons"}, "budget": {"steps": 300}}
    told_of = {"model": "m", "preset": None, "form": "A VAE.", "capabilities": [], "notes": [], "trials": 4}
    print_plan(
        {**told_of, "run": run, "data": told(TwoMoons().spec, None), "forecast": None, "no_forecast": "no worker"}
    )
    assert "no forecast: no worker" in capsys.readouterr().err
