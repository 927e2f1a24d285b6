"""docs/families.md tells every choice within a family: each kind, and each of its fields, wherever they are held."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pushforward.models.families import FAMILIES
from pushforward.service.cli.schemas import meaning
from tests.e2e.running import ROOT
from tools.family_parts import Parts

PAGE = (ROOT / "docs/families.md").read_text()
SCHEMAS = [family.model_json_schema() for family in FAMILIES.values()]
KINDS = {name: schema for family in SCHEMAS for name, schema in family.get("$defs", {}).items()}


def tag_of(schema: dict[str, Any]) -> str:
    return next(name for name, field in schema["properties"].items() if "const" in field)


def told(kind: str, summary: str) -> list[list[str]]:
    """The lines of a kind's fields, of each place that describes it."""
    lines, found = PAGE.splitlines(), list[list[str]]()
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.lstrip() == f"- `{kind}`: {summary}":
            below = range(number + 1, len(lines))
            end = next((i for i in below if not lines[i].startswith(" " * (indent + 2))), len(lines))
            found.append([each.strip() for each in lines[number + 1 : end]])
    return found


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_within_a_family_is_told_with_each_of_its_fields(name: str) -> None:
    tag = tag_of(KINDS[name])
    kind = KINDS[name]["properties"][tag]["const"]
    places = told(kind, " ".join(KINDS[name]["description"].split()))
    own = {field: schema for field, schema in KINDS[name]["properties"].items() if field != tag}
    assert any(
        all(any(line.startswith(f"- `{field}`: {meaning(schema)}") for line in place) for field, schema in own.items())
        for place in places
    ), f"{tag} {kind}"


@pytest.mark.parametrize("tag", ["game", "regularizer", "kernel", "divergence"])
def test_what_many_places_choose_from_is_told_once_and_linked_to(tag: str) -> None:
    assert PAGE.count(f"\n### {tag}\n") == 1
    assert PAGE.count(f"([{tag}](#{tag}))") > 1


def test_every_link_within_the_page_has_its_heading() -> None:
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= set(headings)
    assert len(headings) == len(set(headings))


def test_lists_of_kinds_and_kinds_within_kinds_have_fields_bounds_and_defaults() -> None:
    for line in (
        "  - `gamma`: Twice the weight of the mean squared slope. Number, > 0; `0.1` unless chosen otherwise.",
        "  - `alpha`: Its order a, neither 0 nor 1. Number; `0.5` unless chosen otherwise.",
        "  - `pi`: Weight of the data. Number, > 0, < 1; `0.3` unless chosen otherwise.",
    ):
        assert f"\n{line}\n" in PAGE
    assert re.search(r"\| `regularizers` \| `null` \| list of at most 8, each one of `drift`, .* or null \|", PAGE)


def test_a_choice_that_one_place_has_is_told_there_with_the_choices_within_it() -> None:
    inner = {"properties": {"leaf": {"const": "oak"}, "age": {"type": "integer", "minimum": 1}}, "description": "Old."}
    outer = {"properties": {"tree": {"const": "real"}, "leaves": {"items": one_of("leaf", oak="Oak"), "minItems": 2}}}
    schema = {"properties": {"plant": one_of("tree", real="Real")}, "$defs": {"Oak": inner, "Real": outer}}
    parts = Parts([schema])
    assert list(parts.sections()) == []
    assert list(parts.below(schema)) == [
        "",
        "`plant` is one of:",
        "",
        "- `real`: ",
        "  - `leaves`: List of at least 2, each one of `oak`.",
        "    - `oak`: Old.",
        "      - `age`: Integer, >= 1.",
    ]


def one_of(tag: str, **kinds: str) -> dict[str, Any]:
    references = {kind: f"#/$defs/{definition}" for kind, definition in kinds.items()}
    return {"discriminator": {"propertyName": tag, "mapping": references}}
