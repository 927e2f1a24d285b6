"""What data are, and what a training would do, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pushforward.service.cli.terminal import err, print_record, print_table
from pushforward.service.domain.pace import duration_text

Json = Mapping[str, Any]


def print_outline(head: Mapping[str, str], told: Json) -> None:
    """The outline of data: rows, shape and range; of a table the kind of each column, and why."""
    spec = told["spec"]
    rows = "drawn afresh at each step" if told["rows"] is None else str(told["rows"])
    print_record({**head, "rows": rows, "shape": _shape(spec), "range": _range(spec), "condition": _condition(spec)})
    columns = (spec["table"] or {"columns": []})["columns"]
    if columns:
        lines = [(each["name"], each["kind"], each["arrow_type"], told["reasons"][each["name"]]) for each in columns]
        print_table(("column", "kind", "type", "why"), lines)


def print_plan(plan: Json) -> None:
    """What a training would do."""
    run = plan["run"]
    head = {
        "model": plan["model"],
        "preset": plan["preset"] or "",
        "family": f"{run['family']['family']}: {plan['form']}",
        "answers": ", ".join(plan["capabilities"]),
        "budget": " ".join(f"{value} {name}" for name, value in run["budget"].items() if value is not None),
        "source": run["data"]["source"],
    }
    print_outline(head | _forecast(plan["forecast"]), plan["data"])
    if plan["trials"]:
        err.print(f"a search of {plan['trials']} trainings; what is foreseen is of one")
    if plan["no_forecast"]:
        err.print(f"no forecast: {plan['no_forecast']}")
    for note in plan["notes"]:
        err.print(f"note: {note}")
    err.print("nothing was started; leave out --dry-run to train, or add --json for the whole run")


def _forecast(forecast: Json | None) -> dict[str, str]:
    if forecast is None:
        return {}
    memory, free = (f"{forecast[name] / 2**30:,.1f} GiB" for name in ("memory_bytes", "free_bytes"))
    steps = f"{forecast['total_steps']:,} steps of {forecast['step_ms']:.3g} ms on {forecast['device']}"
    return {
        "parameters": f"{forecast['n_parameters']:,}",
        "takes": f"{duration_text(forecast['seconds'])}: {steps}",
        "memory": f"{memory} of {free} that are free",
    }


def _shape(spec: Json) -> str:
    return "x".join(map(str, spec["shape"]))


def _range(spec: Json) -> str:
    if spec["low"] is None:
        return ""
    levels = "" if spec["levels"] is None else f", {spec['levels']} levels"
    return f"{spec['low']:g} to {spec['high']:g}{levels}"


def _condition(spec: Json) -> str:
    return "" if spec["condition"] is None else str(spec["condition"]["kind"])
