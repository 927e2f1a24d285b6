"""docs/families.md: every family, its presets, its fields, what each of them may be, and the papers, from the code."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from inspect import isclass
from typing import Any, get_args

from pydantic import BaseModel

from pushforward.models.config.config import Config
from pushforward.models.errors import InvalidData
from pushforward.models.families import FAMILIES
from pushforward.models.family import Family
from pushforward.models.presets import PRESETS
from pushforward.models.spec.data_spec import DataSpec
from tools.family_parts import Parts, default, described

MOST_SIDE = 80  # of the images that a family is asked about
MOST_STEPS = 1_100  # of series


def page(application: Any) -> Iterator[str]:
    """The lines of the page."""
    yield "# Families"
    yield ""
    yield "What can be trained. Generated from the classes in `models/families/` by `python -m tools.generated`."
    yield "Which to take: [which family](which-family.md). What each preset reaches: [results.md](results.md)."
    cards = application.catalog.families()
    parts = Parts(schema for card in cards for schema in (card.schema, *card.options.values()))
    for card in cards:
        cls = FAMILIES[card.family]
        yield from ("", f"## {card.family}", "", card.summary, "")
        told = " Takes a condition." if card.takes_condition else ""
        yield f"Operations: {', '.join(card.capabilities)}.{told}"
        yield from ("", f"Images, by default: {images(cls)}. Series: {series(cls)}.")
        yield ""
        yield f"Picture, results, mathematics: [{card.family}](families/{card.family}.md)."
        yield from presets(card.family)
        yield from fields("", card.schema, parts)
        yield from parts.below(card.schema)
        for capability, schema in card.options.items():
            yield from fields(f"Options of `{capability}`:", schema, parts)
        yield from papers(cls)
    yield from parts.sections()


def images(cls: type[Family]) -> str:
    """Which gray images its default takes, with levels or without, by what it refuses."""
    levels = {"low": 0, "high": 255, "levels": 256, "shift": (127.5,), "scale": (127.5,)}
    sides = [
        side
        for side in range(1, MOST_SIDE + 1)
        if any(takes(cls, DataSpec(shape=(1, side, side), n_rows=1_000, **kind)) for kind in ({}, levels))
    ]
    if not sides:
        return "none"
    which = "of any sides" if sides[-1] == MOST_SIDE else f"with sides from {sides[0]} to {sides[-1]}"
    return f"{which}, as vectors" if sides[0] == 1 else which


def series(cls: type[Family]) -> str:
    """Which series of one channel its default takes, by what it refuses."""
    lengths = [length for length in range(1, MOST_STEPS + 1) if takes(cls, DataSpec(shape=(1, length), n_rows=1_000))]
    if not lengths:
        return "none"
    which = "of any length" if lengths[-1] == MOST_STEPS else f"of {lengths[0]} to {lengths[-1]:,} steps"
    return f"{which}, as vectors" if lengths[0] == 1 else which


def takes(cls: type[Family], spec: DataSpec) -> bool:
    """Whether its default can be trained on such rows."""
    try:
        cls.model_validate({}).check(spec)
    except InvalidData:
        return False
    return True


def presets(family: str) -> Iterator[str]:
    """The family's presets, a line each."""
    rows = [preset for preset in PRESETS.values() if preset.run.family.family == family]
    if rows:
        yield from ("", "Presets:", "")
    for preset in rows:
        yield f"- `{preset.name}`: {preset.summary}"


def fields(title: str, schema: dict[str, Any], parts: Parts, *, tag: str = "family") -> Iterator[str]:
    """A table of an object's fields; nothing where there are none."""
    properties = {name: field for name, field in schema.get("properties", {}).items() if name != tag}
    if not properties:
        return
    if title:
        yield from ("", title)
    yield from ("", "| field | default | what it may be | what it is |", "|---|---|---|---|")
    for name, field in properties.items():
        yield f"| `{name}` | {default(field)} | {parts.kind(field)} | {described(field)} |"


def papers(family: type[Family]) -> Iterator[str]:
    """What the modules of a family and its parts cite, each once."""
    cited = list(dict.fromkeys(line for cls in (family, *members(family)) for line in references(cls)))
    if cited:
        yield from ("", "Papers:", "")
    for line in cited:
        yield f"- {line}"


def references(cls: type[BaseModel]) -> Iterator[str]:
    """The entries below `References:` of a class's module, each in one line."""
    _, _, below = (sys.modules[cls.__module__].__doc__ or "").partition("References:")
    yield from (" ".join(entry.split()) for entry in below.split("| ")[1:])


def members(cls: type[BaseModel]) -> Iterator[type[Config]]:
    """The configs that a config's fields may hold, and theirs."""
    for field in cls.model_fields.values():
        for member in configs((field.annotation, *field.metadata)):
            yield member
            yield from members(member)


def configs(annotations: Iterable[Any]) -> Iterator[type[Config]]:
    """Those among the members of unions."""
    for annotation in annotations:
        if isclass(annotation) and issubclass(annotation, Config):
            yield annotation
        yield from configs(get_args(annotation))
