"""`service.application.commands.validation`: the field at fault, as the client wrote it."""

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from pushforward.models.data.domains.styles import STYLES
from pushforward.service.application.commands.commands import ASKS, Encode, Interpolate, Sample, TrainModel, Translate
from pushforward.service.application.commands.validation import (
    FORMS,
    MAX_FAULTS,
    MAX_FIELD_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_SETTINGS,
    invalid,
    parse,
)
from pushforward.service.domain.errors import Invalid


class Cat(BaseModel, extra="forbid"):
    kind: Literal["cat"]
    lives: int
    name: str = ""


class Dog(BaseModel, extra="forbid"):
    kind: Literal["dog"]


class Home(BaseModel, extra="forbid"):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


class Litter(BaseModel, extra="forbid"):
    pets: list[Dog] = Field(min_length=1, max_length=2)


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


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ({"family": "stargan", "game": {"game": "began"}},
         "run.family.game: stargan does not take 'began'; choose one of 'minimax', 'non_saturating', "),
        ({"family": "avb", "game": {"game": "hinge"}},
         "run.family.game: avb does not take 'hinge'; choose one of 'minimax', 'non_saturating', 'f_divergence'"),
        ({"family": "avb", "game": {"game": "f_divergence", "divergence": {"divergence": "alpha"}}},
         "run.family.game.divergence: f_divergence of avb does not take 'alpha'; choose one of 'kl', "),
        ({"family": "gan", "game": {"game": "chess"}}, "run.family.game: there is no 'chess'; choose one of "),
        ({"family": "gans"}, "run.family: there is no 'gans'; choose one of "),
    ],
)  # fmt: skip
def test_a_kind_that_there_is_elsewhere_is_refused_by_what_does_not_take_it(
    family: dict[str, Any], message: str
) -> None:
    run = {"family": family, "data": {"source": "digits"}}
    with pytest.raises(Invalid) as refused:
        parse(TrainModel, {"model": "m", "run": run})
    assert refused.value.detail.startswith(message)


def test_a_kind_that_a_preset_s_family_does_not_take_is_refused_by_it() -> None:
    with pytest.raises(Invalid) as refused:
        parse(TrainModel, {"model": "m", "preset": "avb-digits", "run": {"family": {"game": {"game": "began"}}}})
    assert refused.value.detail.startswith("run.family.game: avb does not take 'began'; choose one of ")


@pytest.mark.parametrize(
    ("command", "field"), [(Translate, "to"), (Translate, "x"), (Encode, "x"), (ASKS["decode"], "z")]
)
def test_a_value_that_is_null_is_missing(command: type[BaseModel], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(command, {"model": "m", "x": [[0.0]], "to": 1, field: None} if command is Translate else
              {"model": "m", field: None})  # fmt: skip
    assert refused.value.detail.startswith(f"{field}: is missing")


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


FLOW = {"family": {"family": "vae"}, "data": {"source": "two_moons"}}


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"run": FLOW | {"budget": {"step": 3}}}, "run.budget.step: is not a known field; did you mean `steps`?"),
        ({"run": FLOW | {"budgt": {}}}, "run.budgt: is not a known field; did you mean `budget`?"),
        ({"run": FLOW, "presets": "p"}, "presets: is not a known field; did you mean `preset`?"),
        ({"run": FLOW | {"family": {"family": "vae", "latnt": 3}}},
         "run.family.latnt: is not a known field; did you mean `latent`?"),
        ({"run": FLOW | {"family": {"family": "vae", "likelihood": {"likelihood": "gaussian", "q": 1}}}},
         "run.family.likelihood.q: is not a known field; remove it, or give one of: scale"),
        ({"run": FLOW | {"optimizer": {"rate": 1}}},
         "run.optimizer.rate: is not a known field; remove it, or give one of: lr, "),
        ({"preset": "vae-digits", "run": {"data": {"nois": 1}}},
         "run.data.nois: is not a known field; remove it, or give one of: "),
    ],
)  # fmt: skip
def test_an_unknown_field_is_refused_with_the_one_that_was_meant_or_those_there_are(
    fields: dict[str, Any], detail: str
) -> None:
    with pytest.raises(Invalid) as refused:
        parse(TrainModel, {"model": "m"} | fields)
    assert refused.value.detail.startswith(detail)


@pytest.mark.parametrize("command", [TrainModel, *ASKS.values()])
def test_every_pattern_of_a_request_has_words(command: type[BaseModel]) -> None:
    schema = str(command.model_json_schema())
    patterns = {text.replace("\\\\", "\\") for text in re.findall(r"'pattern': '(.*?)'", schema)}
    assert patterns
    assert patterns <= FORMS.keys()
    assert all(re.search(r"[\[\]{}^$\\]", words) is None for words in FORMS.values())


@pytest.mark.parametrize("name", ["MOONS!", "m" * 64, "-moons", "moons\n", "möön", " "])
@pytest.mark.parametrize("command", [TrainModel, Sample])
def test_a_name_that_cannot_be_is_refused_by_what_a_name_is(command: type[BaseModel], name: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(command, {"model": name, "preset": "vae-digits"} if command is TrainModel else {"model": name})
    what = "model: must be lowercase letters, digits, - and _, at most 63, the first a letter or a digit"
    assert refused.value.detail == what + ("; `@3` after it for version 3" if command is Sample else "")


@pytest.mark.parametrize(
    ("path", "message"),
    [("", "is missing"), ("odd.csv", "must end in .npy or .npz; to convert a csv: numpy.save(")],
)
def test_a_path_of_another_format_is_refused_with_how_to_convert_it(path: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(TrainModel, {"model": "m", "run": FLOW | {"data": {"source": "npy", "path": path}}})
    assert refused.value.detail.startswith(f"run.data.path: {message}")


CHOICES = f"{', '.join(map(repr, STYLES[:-1]))} or {STYLES[-1]!r}"


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ({"styles": "plain"}, "styles: must be a list"),
        ({"styles": {"plain": 1}}, "styles: must be a list"),
        ({"styles": ["plain"]}, "styles: must have at least 2 items; it has 1"),
        ({"styles": ["plain", "blue"]}, f"styles.1: input should be {CHOICES}"),
        ({"styles": [*STYLES, "plain"]}, "styles: must have at most 5 items; it has 6"),
    ],
)
def test_a_list_is_asked_for_in_plain_words(data: dict[str, Any], detail: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(TrainModel, {"model": "m", "run": FLOW | {"data": {"source": "styled_digits"} | data}})
    assert refused.value.detail == f"run.data.{detail}"


@pytest.mark.parametrize(
    ("pets", "detail"),
    [
        ("cat", "pets: must be a list"),
        ([], "pets: must have at least 1 item; it has 0"),
        ([{"kind": "dog"}] * 3, "pets: must have at most 2 items; it has 3"),
    ],
)
def test_a_list_of_objects_is_asked_for_in_the_same_words(pets: object, detail: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(Litter, {"pets": pets})
    assert refused.value.detail == detail


def test_a_name_that_is_empty_is_missing() -> None:
    with pytest.raises(Invalid) as refused:
        parse(Sample, {"model": ""})
    assert refused.value.detail == "model: is missing"


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"start_seed": 1}, ["end_seed"]),
        ({"end": [1.0]}, ["start"]),
        ({}, ["start", "end"]),
        ({"start": [1.0], "end": [2.0], "end_seed": 3}, ["start", "end", "end_seed"]),
    ],
)
def test_ends_that_do_not_go_together_are_named(fields: dict[str, Any], faulty: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        parse(Interpolate, {"model": "m"} | fields)
    assert [error.field for error in refused.value.errors] == faulty


@pytest.mark.parametrize(("seed", "most"), [(2.0**64, 2**64 - 1), (-(2.0**53), 2**64 - 1)])
def test_a_seed_that_json_reads_as_a_double_is_refused_with_the_range_of_seeds(seed: float, most: int) -> None:
    with pytest.raises(Invalid, match=f"seed: must be a whole number from 0 to .*{most}"):
        parse(Sample, {"model": "m", "seed": seed})


MANY = {f"field_{i}": "cat" for i in range(20_000)}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (Sample, {"model": "m"} | MANY),
        (Home, {"pet": {"kind": "cat", "lives": 9} | MANY}),
        (Home, {"pets": [{"kind": "cow"}] * 20_000}),
        (TrainModel, {"model": "m", "run": {"family": {"family": "vae"} | MANY, "data": {"source": "two_moons"}}}),
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
