"""What can be trained, and what was: families, presets, models."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from service.cli.following import numbers
from service.cli.terminal import LOCAL, Url, client_at, err, fail, out


def families(
    name: Annotated[str | None, typer.Argument(help="Show one family's fields and options.")] = None, url: Url = LOCAL
) -> None:
    """What can be trained, and what each can be asked."""
    with client_at(url) as client:
        known = client.get("/families")["families"]
    if name is not None:
        chosen = [family for family in known if family["family"] == name]
        if not chosen:
            fail(f"there is no family {name!r}; there are: {', '.join(family['family'] for family in known)}")
        out.print_json(data=chosen[0])
        return
    table = Table("family", "can be asked to", "condition", "what it is")
    for family in known:
        condition = "yes" if family["takes_condition"] else ""
        table.add_row(family["family"], " ".join(family["capabilities"]), condition, family["summary"])
    out.print(table)


def presets(
    name: Annotated[str | None, typer.Argument(help="Show one preset's run.")] = None, url: Url = LOCAL
) -> None:
    """Runs with a name, ready to train."""
    with client_at(url) as client:
        known = client.get("/presets")["presets"]
    if name is not None:
        chosen = [preset for preset in known if preset["name"] == name]
        if not chosen:
            fail(f"there is no preset {name!r}; see `pushforward presets`")
        out.print_json(data=chosen[0]["run"])
        return
    table = Table("preset", "what it is")
    for preset in known:
        table.add_row(preset["name"], preset["summary"])
    out.print(table)


def models(
    model: Annotated[str | None, typer.Argument(help="Show one model's card.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it: NAME all versions, NAME@3 one.")] = False,
    url: Url = LOCAL,
) -> None:
    """List models; show or delete one."""
    if model is None and delete:
        fail("which model? see `pushforward models`")
    with client_at(url) as client:
        if model is None:
            _models_table(client.get("/models")["models"])
        elif delete:
            client.delete(f"/models/{model}")
            err.print(f"deleted {model}")
        else:
            out.print_json(data=client.get(f"/models/{model}"))


def _models_table(rows: list[dict[str, Any]]) -> None:
    table = Table("model", "family", "shape", "condition", "can be asked to", "metrics")
    for card in rows:
        reference, shape = f"{card['model']}@{card['version']}", "x".join(map(str, card["spec"]["shape"]))
        able, metrics = " ".join(card["capabilities"]), numbers(card["metrics"])
        table.add_row(reference, card["family"], shape, _kind(card["spec"]["condition"]), able, metrics)
    out.print(table)


def _kind(condition: dict[str, Any] | None) -> str:
    """What a model is to be told, in a word."""
    if condition is None:
        return ""
    labels = condition["kind"] == "labels"
    return f"label 0..{condition['n_classes'] - 1}" if labels else f"vector of {len(condition['shift'])}"
