"""`service.application.commands.known_fields`: the fields there are where one was sent that is not."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from pushforward.service.application.commands.known_fields import known_fields
from pushforward.service.application.commands.spelling import MAX_LISTED, meant


class Bark(BaseModel):
    volume_db: float = Field(0.0, alias="volume")


class Cat(BaseModel):
    kind: Literal["cat"]
    dog: int = 0  # named as the tag of the other


class Dog(BaseModel):
    kind: Literal["dog"]
    bark: Bark | None = None


class Home(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


@pytest.mark.parametrize(
    ("location", "known"),
    [
        (("x",), ["pets", "pet"]),
        (("pet", "cat", "x"), ["kind", "dog"]),
        (("pet", "dog", "x"), ["kind", "bark"]),
        (("pets", 3, "dog", "x"), ["kind", "bark"]),
        (("pet", "dog", "bark", "x"), ["volume"]),
    ],
)
def test_the_fields_are_those_at_the_place(location: tuple[int | str, ...], known: list[str]) -> None:
    assert known_fields(Home, location) == known


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("step", ["steps", "epochs"], "did you mean `steps`?"),
        ("q", ["k"], "remove it, or give one of: k"),
        ("q", [], ""),
        ("q", [f"field_{i}" for i in range(MAX_LISTED + 1)], ""),
        ("x" * 1_000_000, ["k"], "remove it, or give one of: k"),
    ],
)
def test_the_nearest_is_asked_for_and_few_are_listed(name: str, known: list[str], text: str) -> None:
    assert meant(name, known) == text
