"""The verb `models`."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import shorten
from typing import Annotated, Any

import typer

from pushforward.service.cli.catalog.evaluation import show_evaluation
from pushforward.service.cli.completion import complete_models
from pushforward.service.cli.progress import headline
from pushforward.service.cli.terminal import (
    LOCAL,
    Json,
    Url,
    client_at,
    err,
    fail,
    out,
    print_json,
    print_record,
    print_table,
)

MAX_NAMES = 40  # characters of the names of labels

ModelName = Annotated[
    str | None, typer.Argument(help="Show one model: NAME or NAME@3.", autocompletion=complete_models)
]


def models(
    model: ModelName = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it: NAME all versions, NAME@3 one.")] = False,
    json: Json = False,
    url: Url = LOCAL,
) -> None:
    """List models; show or delete one."""
    if model is None and delete:
        fail("which model? see `pushforward models`")
    with client_at(url) as client:
        if model is None:
            answer = client.get("/models")
            print_json(answer) if json else _models_table(answer["models"])
        elif delete:
            client.delete(f"/models/{model}")
            err.print(f"deleted {model}")
        else:
            card = client.get(f"/models/{model}")
            print_json(card) if json else _show_model(card)


def _models_table(cards: list[dict[str, Any]]) -> None:
    rows = [
        (
            reference_of(card),
            card["family"],
            shape_of(card),
            condition_in_words(card["spec"]["condition"]),
            headline(card["metrics"]),
        )
        for card in cards
    ]
    print_table(("model", "family", "shape", "condition", "metrics"), rows, whole=3, cut=True)


def _show_model(card: dict[str, Any]) -> None:
    """The card of a model: family, capabilities, metrics, notes."""
    print_record(
        {
            "model": reference_of(card),
            "family": card["family"],
            "shape": shape_of(card),
            "condition": condition_in_words(card["spec"]["condition"]),
            "can be asked to": " ".join(card["capabilities"]),
            "parameters": str(card["n_parameters"]),
            "steps": "" if card["steps"] is None else str(card["steps"]),
            "start": _start_of(card),
            "job": card["job"],
            **_curve_of(card["curve"]),
            **{name: f"{float(value):.6g}" for name, value in card["metrics"].items()},
        }
    )
    for note in card["notes"]:
        out.print(f"note: {note}")
    if card["evaluation"] is not None:
        show_evaluation(card["evaluation"])


def _start_of(card: Mapping[str, Any]) -> str:
    """`digits-vae@2 at step 500`; empty for fresh weights."""
    return "" if card["start_from"] is None else f"{card['start_from']} at step {card['started_at_step']}"


def _curve_of(curve: dict[str, Any] | None) -> dict[str, str]:
    """The held-out loss at its first and last step, and the step whose weights are served."""
    if curve is None or not curve["values"]:
        return {}
    first, last = (float(curve["values"][i]) for i in (0, -1))
    best = f", served as of step {curve['best_step']}" if curve["best_step"] is not None else ""
    return {f"held-out {curve['name']}": f"{first:.4g} at step {curve['steps'][0]}, {last:.4g} at the last{best}"}


def reference_of(card: Mapping[str, Any]) -> str:
    """`digits-vae@3`."""
    return f"{card['model']}@{card['version']}"


def shape_of(card: Mapping[str, Any]) -> str:
    """`1x8x8`."""
    return "x".join(map(str, card["spec"]["shape"]))


def condition_in_words(condition: dict[str, Any] | None) -> str:
    """The kind of condition that a model takes."""
    if condition is None:
        return ""
    names = condition.get("names") or [each["name"] for each in condition.get("table", {}).get("columns", ())]
    named = shorten(", ".join(names), MAX_NAMES, placeholder=" ...")
    match condition["kind"]:
        case "labels":
            return f"label 0..{condition['n_classes'] - 1}" + (f": {named}" if named else "")
        case "text":
            return f"text of {condition['max_length']}"
    return f"columns {named}" if condition["kind"] == "columns" else f"vector of {len(condition['shift'])}"
