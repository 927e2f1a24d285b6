"""`service.validation`: the field at fault, as the client wrote it."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from service.errors import Invalid
from service.validation import parse


class Cat(BaseModel, extra="forbid"):
    kind: Literal["cat"]
    lives: int
    name: str = ""


class Dog(BaseModel, extra="forbid"):
    kind: Literal["dog"]


class Home(BaseModel, extra="forbid"):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"pet": {"kind": "cat"}}, "pet.lives"),
        ({"pet": {"kind": "cat", "lives": "x"}}, "pet.lives"),
        ({"pet": {"kind": "cat", "name": "lives"}}, "pet.lives"),
        ({"pet": {"kind": "cat", "name": "lives", "lives": "x"}}, "pet.lives"),
        ({"pet": {"kind": "cat", "lives": 9, "cat": 1}}, "pet.cat"),
        ({"pet": {"kind": "cow"}}, "pet"),
        ({"pet": {}}, "pet"),
        ({"pets": [{"kind": "dog"}, {"kind": "cat", "lives": "x"}]}, "pets.1.lives"),
        ({"home": 1}, "home"),
    ],
)
def test_the_field_is_named_without_the_tags_of_unions(fields: object, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(Home, fields)
    assert [error.field for error in refused.value.errors] == [field]


@pytest.mark.parametrize(
    ("pet", "message"),
    [
        ({"kind": "cow"}, "there is no 'cow'; choose one of 'cat', 'dog'"),
        ({}, "lacks the field 'kind', which says what it is"),
    ],
)
def test_a_kind_there_is_not_is_refused_with_those_there_are(pet: object, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(Home, {"pet": pet})
    assert refused.value.detail == f"pet: {message}"


def test_the_field_that_holds_the_fields_comes_first() -> None:
    with pytest.raises(Invalid) as refused:
        parse(Dog, {"kind": "dog", "size": 3}, within="options")
    assert refused.value.detail == "options.size: is not a known field; remove it"


def test_what_is_no_object_is_refused_without_a_field() -> None:
    with pytest.raises(Invalid) as refused:
        parse(Dog, [1])
    assert (refused.value.detail, refused.value.errors) == ("must be an object of named fields", ())


def test_many_faults_are_all_told() -> None:
    with pytest.raises(Invalid) as refused:
        parse(Cat, {"kind": "cow", "lives": "x"})
    assert [error.field for error in refused.value.errors] == ["kind", "lives"]
    assert refused.value.detail.endswith("(and 1 more)")
