"""The verbs `families` and `presets`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from typing import Annotated, Any

import typer

from pushforward.service.application.commands.spelling import did_you_mean, near
from pushforward.service.cli.completion import complete_families, complete_presets
from pushforward.service.cli.schemas import example_of, lines, lines_of_members, lists
from pushforward.service.cli.terminal import (
    LOCAL,
    Json,
    Url,
    client_at,
    fail,
    out,
    print_json,
    print_table,
)

MEMBERS = ("kind", "type", "default", "meaning")

Family = Annotated[
    str | None, typer.Argument(help="Show one family's fields and options.", autocompletion=complete_families)
]
PresetName = Annotated[str | None, typer.Argument(help="Show one preset's run.", autocompletion=complete_presets)]


def families(name: Family = None, json: Json = False, url: Url = LOCAL) -> None:
    """List the families that can be trained, or show one."""
    with client_at(url) as client:
        answer = client.get("/families")
    known = answer["families"]
    if name is not None:
        chosen = [family for family in known if family["family"] == name]
        if not chosen:
            fail(f"there is no family {name!r}; there are: {', '.join(family['family'] for family in known)}")
        print_json(chosen[0]) if json else show_family(chosen[0])
    elif json:
        print_json(answer)
    else:
        print_table(("family", "what it is", "can be asked to", "condition"), list(family_rows(known)))


def family_rows(known: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Name, summary and capabilities of each family, and whether it takes a condition."""
    for each in known:
        condition = "yes" if each["takes_condition"] else ""
        yield each["family"], each["summary"], " ".join(each["capabilities"]), condition


def show_family(family: Mapping[str, Any]) -> None:
    """Its fields as flags of `train`, and the options of its capabilities."""
    out.print(family["summary"])
    out.print(f"\nfields, as flags of `pushforward train NAME --family.family {family['family']}`:")
    print_table(("flag", "type", "default", "meaning"), list(lines(family["schema"], prefix="--family.")))
    for flag, members in lists(family["schema"], prefix="--family."):
        out.print(f"\n{flag} is a list of these, such as {example_of(members)}:")
        print_table(MEMBERS, list(lines_of_members(members, family["schema"]["$defs"])))
    for op, schema in family["options"].items():
        if schema.get("properties"):
            out.print(f"\noptions of `pushforward {op}`, as -o KEY=VALUE:")
            print_table(("option", "type", "default", "meaning"), list(lines(schema)))


def presets(name: PresetName = None, json: Json = False, url: Url = LOCAL) -> None:
    """List the presets, named runs that are ready to train, or show one."""
    with client_at(url) as client:
        answer = client.get("/presets")
    known = answer["presets"]
    if name is not None:
        chosen = [preset for preset in known if preset["name"] == name]
        if not chosen:
            hint = did_you_mean(near(name, [preset["name"] for preset in known]))
            fail(" ".join(filter(None, (f"there is no preset {name!r};", hint, "see `pushforward presets`"))))
        if json:
            print_json(chosen[0]["run"])
            return
        out.print(chosen[0]["summary"])
        out.print(f"\nits run, as flags that change it beside `pushforward train NAME --preset {name}`:")
        print_table(("flag", "value"), list(flags_of(chosen[0]["run"])))
    elif json:
        print_json(answer)
    else:
        print_table(("preset", "what it is"), [(preset["name"], preset["summary"]) for preset in known])


def flags_of(tree: Mapping[str, Any], prefix: str = "--") -> Iterator[tuple[str, str]]:
    """A run as flags and values: `--family.latent`, `8`."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flags_of(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value if isinstance(value, str) else dumps(value)  # its spaces let lines break
