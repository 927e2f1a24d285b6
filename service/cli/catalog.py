"""The verbs of the catalog: families, presets, models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from json import dumps
from textwrap import shorten
from typing import Annotated, Any

import typer

from pushforward.service.application.commands.spelling import did_you_mean, near
from pushforward.service.cli.completion import complete_families, complete_models, complete_presets
from pushforward.service.cli.inference import Model, Seed
from pushforward.service.cli.jobs import follow_job
from pushforward.service.cli.progress import headline
from pushforward.service.cli.schemas import example_of, lines, lines_of_members, lists
from pushforward.service.cli.terminal import (
    LOCAL,
    Json,
    Url,
    client_at,
    err,
    fail,
    out,
    print_json,
    print_record,
    print_table,
)
from pushforward.service.cli.values import source_of

MEMBERS = ("kind", "type", "default", "meaning")
MAX_NAMES = 40  # characters of the names of labels

Family = Annotated[
    str | None, typer.Argument(help="Show one family's fields and options.", autocompletion=complete_families)
]
PresetName = Annotated[str | None, typer.Argument(help="Show one preset's run.", autocompletion=complete_presets)]
ModelName = Annotated[
    str | None, typer.Argument(help="Show one model: NAME or NAME@3.", autocompletion=complete_models)
]


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


def models(
    model: ModelName = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it: NAME all versions, NAME@3 one.")] = False,
    json: Json = False,
    url: Url = LOCAL,
) -> None:
    """List models; show or delete one."""
    if model is None and delete:
        fail("which model? see `pushforward models`")
    with client_at(url) as client:
        if model is None:
            answer = client.get("/models")
            print_json(answer) if json else _models_table(answer["models"])
        elif delete:
            client.delete(f"/models/{model}")
            err.print(f"deleted {model}")
        else:
            card = client.get(f"/models/{model}")
            print_json(card) if json else _show_model(card)


def _models_table(cards: list[dict[str, Any]]) -> None:
    rows = [
        (
            reference_of(card),
            card["family"],
            shape_of(card),
            condition_in_words(card["spec"]["condition"]),
            headline(card["metrics"]),
        )
        for card in cards
    ]
    print_table(("model", "family", "shape", "condition", "metrics"), rows, whole=3, cut=True)


def _show_model(card: dict[str, Any]) -> None:
    """The card of a model: family, capabilities, metrics, notes."""
    print_record(
        {
            "model": reference_of(card),
            "family": card["family"],
            "shape": shape_of(card),
            "condition": condition_in_words(card["spec"]["condition"]),
            "can be asked to": " ".join(card["capabilities"]),
            "parameters": str(card["n_parameters"]),
            "job": card["job"],
            **_curve_of(card["curve"]),
            **{name: f"{float(value):.6g}" for name, value in card["metrics"].items()},
        }
    )
    for note in card["notes"]:
        out.print(f"note: {note}")
    if card["evaluation"] is not None:
        show_evaluation(card["evaluation"])


def show_evaluation(report: Mapping[str, Any]) -> None:
    """The report of an evaluation: a line for each metric, beside its floor and a Gaussian."""
    against = "held-out rows" if report["against"] == "held_out" else f"rows of {report['against']['source']}"
    out.print(f"{report['n']} samples against {report['n_reference']} {against}, seed {report['seed']}:")
    headers = ("metric", "samples", "training rows", "a Gaussian", "ideal", "better", "p-value")
    print_table(headers, [*map(metric_row, report["metrics"])])
    if report["labels"] is not None:
        rows = zip(*(map(str, report["labels"][side]) for side in ("samples", "reference")), strict=True)
        print_table(("label", "samples", "rows"), [(str(label), *row) for label, row in enumerate(rows)])


def metric_row(metric: Mapping[str, Any]) -> tuple[str, ...]:
    """Name, values with their standard errors, the ideal value, which values are better, and the p-value."""
    values = [value_in_words(metric[side]) for side in ("model", "floor", "gaussian")]
    p = metric["model"]["p_value"]
    p_value = "" if p is None else f"{float(p):.2g}"
    return metric["name"], *values, f"{float(metric['ideal']):.4g}", metric["better"], p_value


def value_in_words(measured: Mapping[str, Any] | None) -> str:
    """`0.0123 ± 0.004`; empty where it was not measured."""
    if measured is None:
        return ""
    error = measured["std_error"]
    return f"{float(measured['value']):.4g}" + ("" if error is None else f" ± {float(error):.2g}")


def _curve_of(curve: dict[str, Any] | None) -> dict[str, str]:
    """The held-out loss at its first and last step, and the step whose weights are served."""
    if curve is None or not curve["values"]:
        return {}
    first, last = (float(curve["values"][i]) for i in (0, -1))
    best = f", served as of step {curve['best_step']}" if curve["best_step"] is not None else ""
    return {f"held-out {curve['name']}": f"{first:.4g} at step {curve['steps'][0]}, {last:.4g} at the last{best}"}


def reference_of(card: Mapping[str, Any]) -> str:
    """`digits-vae@3`."""
    return f"{card['model']}@{card['version']}"


def shape_of(card: Mapping[str, Any]) -> str:
    """`1x8x8`."""
    return "x".join(map(str, card["spec"]["shape"]))


def condition_in_words(condition: dict[str, Any] | None) -> str:
    """The kind of condition that a model takes."""
    if condition is None:
        return ""
    names = condition.get("names") or [each["name"] for each in condition.get("table", {}).get("columns", ())]
    named = shorten(", ".join(names), MAX_NAMES, placeholder=" ...")
    match condition["kind"]:
        case "labels":
            return f"label 0..{condition['n_classes'] - 1}" + (f": {named}" if named else "")
        case "text":
            return f"text of {condition['max_length']}"
    return f"columns {named}" if condition["kind"] == "columns" else f"vector of {len(condition['shift'])}"


def evaluate(
    model: Model,
    metrics: Annotated[str | None, typer.Option(help="Metrics, with commas between; left out: all that apply.")] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Compare with held_out (the default), or a source of data: JSON, here, in a file or on -."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column that train_on_synthetic predicts.")] = None,
    n: Annotated[int | None, typer.Option("-n", "--n", help="How many samples.")] = None,
    seed: Seed = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key starts one job.")] = None,
    json: Json = False,
    url: Url = LOCAL,
) -> None:
    """Compare samples of a model with held-out rows, and show the report."""
    wanted = {
        "against": source_of(against),
        "metrics": None if metrics is None else metrics.replace(" ", "").split(","),
    }
    with client_at(url) as client:
        job = client.evaluate(model, **wanted, target=target, n=n, seed=seed, idempotency_key=key)
        reference = job["evaluation"]["model"]
        err.print(f"job {job['id']} evaluates {reference}")
        follow_job(client, job["id"])
        report = client.get(f"/models/{reference}")["evaluation"]
        print_json(report) if json else show_evaluation(report)
