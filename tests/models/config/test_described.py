"""Fields are described by the strings below them."""

import inspect

import pytest
from pydantic import Field

from pushforward.models.config.described import Described, descriptions
from pushforward.models.families import FAMILIES
from pushforward.models.family import Family


class Shape(Described):
    """Not of a field."""

    edges: int = 3
    """How many edges
    it has."""
    name: str = Field("", alias="title")
    """What it is called."""
    hidden: int = 0


class Square(Shape):
    edges: int = 4
    side: float = 1.0
    """Length of an edge."""


class Drawing(Described):
    shape: Square = Square()
    """What is drawn."""


def test_the_schema_describes_each_field() -> None:
    fields = Shape.model_json_schema()["properties"]
    assert {name: field.get("description") for name, field in fields.items()} == {
        "edges": "How many edges\nit has.",
        "title": "What it is called.",
        "hidden": None,
    }


def test_a_child_says_what_its_parent_says_and_more() -> None:
    assert descriptions(Square) == {**descriptions(Shape), "side": "Length of an edge."}


def test_fields_of_fields_are_described() -> None:
    schema = Drawing.model_json_schema()
    assert schema["properties"]["shape"]["description"] == "What is drawn."
    assert schema["$defs"]["Square"]["properties"]["side"]["description"] == "Length of an edge."


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_field_of_a_family_is_described(family: type[Family]) -> None:
    own = set(family.model_fields) - {"family"}
    assert own - set(descriptions(family)) == set(), inspect.getsourcefile(family)
