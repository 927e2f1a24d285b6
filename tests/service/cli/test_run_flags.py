"""`service.cli.run_flags`: every flag that is listed is taken, and arrives where it belongs."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
import typer
from pydantic import BaseModel, ValidationError

from pushforward.models.families import FAMILIES
from pushforward.models.family import Translates
from pushforward.models.run import Run
from pushforward.service.cli.run_flags import flags, run_of
from pushforward.service.cli.schemas import FieldLine, example_of, lines, lists, run_lines

OPTIONS = ("--follow", "--preset", "--run", "--key", "--json", "--url", "--help")
BESIDE = {"--family.objective.estimator reinforce": ("--family.objective.draws", "2")}  # the others are a baseline
OWN = {  # what a family needs beside a flag, where not every choice goes with its defaults
    ("stargan", "--family.regularizers"): ("--family.game", "least_squares"),
    ("text_to_image", "--family.game"): ("--family.conditioned_by", "concatenation"),
}
REFUSED = {  # a critic that classifies, or projects, sees rows in a way of its own
    ("stargan", "--family.regularizers", "packing"),
}
ADVICE = re.compile(r"give (--\S+) (\S+) too")


def parsed(*words: str, preset: dict[str, Any] | None = None) -> dict[str, Any]:
    return run_of(flags(words, OPTIONS), preset=preset or {})


def refusal(capsys: pytest.CaptureFixture[str], *words: str, preset: dict[str, Any] | None = None) -> str:
    with pytest.raises(typer.Exit):
        parsed(*words, preset=preset)
    return " ".join(capsys.readouterr().err.split())


def values(line: FieldLine) -> list[str]:
    """What a listed flag says that it takes: each choice, else its default, else a number within its bounds."""
    choices = [choice for choice in line.type.removeprefix("list of ").split(" | ") if re.fullmatch(r"[a-z_]+", choice)]
    if line.type.startswith("list of ") and len(choices) > 1:
        return [",".join(choices[:2]), *choices[2:]]
    if line.type.startswith(("integer", "number", "boolean", "list")) and "|" not in line.type:
        return [line.default or {"boolean": "true"}.get(line.type, "8")]
    return choices if "|" in line.type else [line.default or "file.npy" if line.type == "string" else line.type]


def given(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The run of flags; where a refusal names a flag that has to be beside them, with that one."""
    try:
        return parsed(*words)
    except typer.Exit:
        flag, value = ADVICE.findall(capsys.readouterr().err)[0]
        return given(capsys, *words, flag, value)


def at(tree: Any, path: list[str]) -> Any:
    for step in path:
        tree = getattr(tree, step) if isinstance(tree, BaseModel) else tree[step]
    return tree


def chosen(found: Any, text: str) -> bool:
    """Whether a value is what was typed: itself, its list, or an object of that kind."""
    if isinstance(found, BaseModel):
        found = found.model_dump(mode="json")
    if isinstance(found, dict):
        return text in found.values()
    if isinstance(found, list | tuple) and found and isinstance(found[0], dict | BaseModel):
        return all(chosen(each, kind) for each, kind in zip(found, text.split(","), strict=True))
    if isinstance(found, list | tuple):
        return list(found) == orjson.loads(f"[{text}]")
    return bool(found == text or found == type(found)(orjson.loads(text)))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_listed_flag_of_a_family_is_taken(capsys: pytest.CaptureFixture[str], name: str) -> None:
    listed = list(lines(FAMILIES[name].model_json_schema(), prefix="--family."))
    assert listed
    for line in listed:
        for text in values(line):
            beside = BESIDE.get(f"{line.name} {text}", OWN.get((name, ".".join(line.name.split(".")[:2])), ()))
            if issubclass(FAMILIES[name], Translates):
                beside = (*beside, "--data.condition", "label")
            tree = given(capsys, "--family.family", name, line.name, text, "--data.source", "digits", *beside)
            path = line.name.removeprefix("--").split(".")
            assert chosen(at(tree, path), text), line
            if (name, line.name, text) in REFUSED:
                with pytest.raises(ValidationError, match=r"leave out packing|by concatenation alone"):
                    Run.model_validate(tree)
                continue
            run = Run.model_validate(tree)
            assert chosen(at(run, path), text), line


def test_every_flag_in_the_help_of_train_is_taken() -> None:
    for line in run_lines():
        owners = re.findall(r"; of ([a-z_, ]+)$", line.meaning) if line.name.startswith("--data.") else []
        default = line.default if line.default != "the family's own" else ""
        for text in values(line._replace(default=default)):
            for source in owners[0].split(", ") if owners else ("digits",):
                run = ("--data", source) if line.name != "--data.source" else ()
                path = line.name.removeprefix("--").split(".")
                assert chosen(at(parsed(*run, line.name, text), path), text), line


def test_the_kind_of_a_field_is_enough() -> None:
    assert parsed("--family", "vae", "--family.likelihood", "bernoulli", "--data", "two_moons") == {
        "family": {"family": "vae", "likelihood": {"likelihood": "bernoulli"}},
        "data": {"source": "two_moons"},
    }


def test_the_short_and_the_long_flag_of_a_kind_say_the_same() -> None:
    spline = {"family": {"family": "flow", "transform": {"transform": "spline", "bins": 4}}}
    bins = ("--family.transform.bins", "4")
    assert parsed("--family.family", "flow", "--family.transform", "spline", *bins) == spline
    assert parsed("--family.family", "flow", *bins, "--family.transform.transform", "spline") == spline
    assert parsed("--family", "flow", *bins) == spline  # the default kind
    assert parsed("--family", orjson.dumps(spline["family"]).decode()) == spline
    assert parsed("--family", '{"family": "flow", "transform": "spline"}', *bins) == spline


def test_kinds_within_kinds_are_chosen() -> None:
    inner = parsed("--family", "wae", "--family.penalty.kernel", "rbf", "--family.penalty.kernel.length", "2.5")
    assert inner["family"]["penalty"] == {"penalty": "mmd", "kernel": {"kernel": "rbf", "length": 2.5}}
    game = parsed("--family", "wae", "--family.penalty", "adversarial", "--family.penalty.game", "wasserstein")
    assert game["family"]["penalty"] == {"penalty": "adversarial", "game": {"game": "wasserstein"}}


def test_beside_a_preset_its_own_kind_stays() -> None:
    preset = {"family": {"family": "flow", "transform": {"transform": "affine"}}, "data": {"source": "digits"}}
    assert parsed("--family.transform", "spline", preset=preset) == {"family": {"transform": {"transform": "spline"}}}
    assert parsed("--family.width", "8", preset=preset) == {"family": {"width": 8}}
    assert parsed("--data", "two_moons", preset=preset) == {"data": {"source": "two_moons"}}
    assert parsed("--data.condition", "label", preset=preset) == {"data": {"condition": "label"}}


def test_a_field_of_another_kind_says_which_flag_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    refused = refusal(capsys, "--family", "vae", "--family.objective.k", "5")
    assert refused == "error --family.objective.k is a field of iwae, not of elbo: give --family.objective iwae too"
    preset = {"family": {"family": "flow", "transform": {"transform": "affine"}}}
    refused = refusal(capsys, "--family.transform.bins", "4", preset=preset)
    assert refused.endswith("is a field of spline, not of affine: give --family.transform spline too")


def test_values_are_of_the_type_of_their_field() -> None:
    run = parsed("--data", "idx", "--data.path", "2024", "--optimizer.betas", "0.5,0.9", "--optimizer.ema", "null")
    assert run == {"data": {"source": "idx", "path": "2024"}, "optimizer": {"betas": [0.5, 0.9], "ema": None}}
    assert parsed("--optimizer.betas", "[0.5,0.9]") == {"optimizer": {"betas": [0.5, 0.9]}}
    scales = parsed("--family", "wae", "--family.penalty.kernel.scales", "1")["family"]["penalty"]["kernel"]
    assert scales == {"kernel": "imq", "scales": [1]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--follw"], "there is no flag --follw; did you mean --follow?"),
        (["--presset", "vae-digits"], "there is no flag --presset; did you mean --preset?"),
        (["--famly.latent", "4"], "there is no flag --famly.latent; did you mean --family.latent?"),
        (["--optimiser.lr=0.1"], "there is no flag --optimiser.lr; did you mean --optimizer.lr?"),
        (["--epochs", "3"], "there is no flag --epochs; did you mean --budget.epochs?"),
        (["--latent", "3"], "there is no flag --latent; did you mean --family.latent?"),
        (["--path", "x.npy"], "there is no flag --path; did you mean --data.path or --family.path?"),
        (
            ["--family", "vae", "--family.latnet", "3"],
            "run.family.latnet: is not a known field; did you mean --family.latent?",
        ),
        (
            ["--family", "vae", "--family.objective.bta", "3"],
            "run.family.objective.bta: is not a known field; did you mean --family.objective.beta?",
        ),
        (["--budget.step", "3"], "run.budget.step: is not a known field; did you mean --budget.steps?"),
        (["--zzz", "3"], "there is no flag --zzz; `pushforward train --help` lists those there are"),
        (["--family.latent", "--follw"], "--family.latent needs a value"),
        (["--seed", "1", "--seed.x", "2"], "--seed.x is within a field that another flag gave a value: --seed"),
        (["--data", "idx", "--data.source", "npy"], "--data idx and --data.source npy differ; give one of them"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_flag_that_cannot_be_says_what_to_type(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert refusal(capsys, *words) == f"error {says}"


def test_a_kind_that_there_is_not_is_left_to_the_service() -> None:
    assert parsed("--family", "vea") == {"family": {"family": "vea"}}
    tree = parsed("--family", "vae", "--family.likelihood", "bernouli")
    assert tree["family"]["likelihood"] == {"likelihood": "bernouli"}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_example_of_a_list_is_taken_as_names_and_as_json(capsys: pytest.CaptureFixture[str], name: str) -> None:
    for flag, members in lists(FAMILIES[name].model_json_schema(), prefix="--family."):
        names, json = example_of(members).split(" or ")
        path = flag.removeprefix("--").split(".")
        found = at(given(capsys, "--family", name, flag, names), path)
        assert found == [{members.tag: kind} for kind in names.split(",")]
        assert at(given(capsys, "--family", name, flag, json), path) == orjson.loads(json)


def test_the_default_kind_has_the_default_values() -> None:
    """So a field of it that is given alone leaves the others as they were."""
    for family in FAMILIES.values():
        for name, field in family.model_fields.items():
            default = field.get_default(call_default_factory=True)
            if isinstance(default, BaseModel):
                assert type(default)() == default, f"{family.__name__}.{name}"
