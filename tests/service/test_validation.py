"""`service.validation`: the field at fault, as the client wrote it."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from service.commands import Encode, Sample, Train
from service.errors import Invalid
from service.validation import MAX_FAULTS, MAX_FIELD_CHARS, MAX_MESSAGE_CHARS, MAX_SETTINGS, invalid, parse


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


MANY = {f"field_{i}": "cat" for i in range(20_000)}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (Sample, {"model": "m"} | MANY),
        (Home, {"pet": {"kind": "cat", "lives": 9} | MANY}),
        (Home, {"pets": [{"kind": "cow"}] * 20_000}),
        (Train, {"model": "m", "run": {"family": {"family": "vae"} | MANY, "data": {"source": "two_moons"}}}),
    ],
    ids=["of a command", "of one kind", "of a list of kinds", "deep within"],
)
def test_of_very_many_faults_the_first_are_told_and_the_others_counted(model: type[BaseModel], fields: object) -> None:
    with pytest.raises(Invalid) as refused:
        parse(model, fields)
    assert len(refused.value.errors) == MAX_FAULTS
    assert refused.value.detail.endswith("(and 19999 more)")


def test_the_texts_beside_a_fault_are_gathered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered: list[int] = []

    class Counted(dict[str, str]):
        def values(self) -> Any:
            gathered.append(len(self))
            return super().values()

    complaints = [{"type": "extra_forbidden", "loc": (name, name), "ctx": {}} for name in MANY]
    invalid(complaints, Counted(MANY))
    assert gathered == [len(MANY)]


@pytest.mark.parametrize("fields", [{"x" * 100_000: 1}, {"pet": {"kind": "y" * 100_000}}], ids=["name", "kind"])
def test_a_long_fault_is_told_in_short(fields: object) -> None:
    with pytest.raises(Invalid) as refused:
        parse(Home, fields)
    [error] = refused.value.errors
    assert len(error.field) <= MAX_FIELD_CHARS
    assert len(error.message) <= MAX_MESSAGE_CHARS


@pytest.mark.parametrize("surplus", [0, 1])
def test_values_outside_of_arrays_are_counted_to_the_last(surplus: int) -> None:
    fields = {"model": "m", "x": [[0.0] * 10] * 10_000, "options": {"k": [[1] * 9] * 5_000}}  # 3 fields, 1 + 50,000
    most = [*fields["options"]["k"][:4_999], [1] * (5 + surplus)]
    asked = fields | {"options": {"k": most}}
    assert MAX_SETTINGS == 3 + 1 + 5_000 + 9 * 4_999 + 5
    if surplus == 0:
        assert len(parse(Encode, asked).x) == 10_000
        return
    with pytest.raises(Invalid, match=f"options: the request holds more than {MAX_SETTINGS} values"):
        parse(Encode, asked)
