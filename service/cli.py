"""The command line: `pushforward up` runs the service, every other verb asks it, the same commands as the doors."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.client import Client, Refused, Torn, Unreachable
from service.following import follow as show_progress
from service.following import numbers

app = typer.Typer(
    name="pushforward",
    help="Train generative models on your own data and serve them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
PIPE_COLUMNS = 240  # a table that is piped is not folded to the 80 columns of no terminal
out = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
err = Console(markup=False, highlight=False, soft_wrap=True, stderr=True)

Url = Annotated[str, typer.Option("--url", envvar="PUSHFORWARD_URL", help="Address of the REST door.")]
Model = Annotated[str, typer.Argument(help="NAME is the newest version; NAME@3 is version 3.")]
Rows = Annotated[str, typer.Option("--x", help="Rows: an .npy file, or JSON in a file or on standard input (-).")]
Seed = Annotated[int | None, typer.Option(min=0, help="The same seed gives the same answer.")]
Choice = Annotated[list[str] | None, typer.Option("--option", "-o", help="KEY=VALUE of the family, see `families`.")]
Condition = Annotated[
    str | None,
    typer.Option(
        "--condition", help="A label (3) or a vector (0.1,0.2) for all rows; for each row JSON, or an .npy file."
    ),
]
Png = Annotated[Path | None, typer.Option("--png", help="Write a picture.")]
Npy = Annotated[Path | None, typer.Option("--npy", help="Write an array.")]

LOCAL = "http://127.0.0.1:8000"


@app.command()
def up(
    http_port: Annotated[int, typer.Option(help="REST; 0 takes a free one.", min=0, max=65535)] = 8000,
    grpc_port: Annotated[int, typer.Option(help="gRPC; 0 takes a free one.", min=0, max=65535)] = 8001,
    store: Annotated[Path, typer.Option(help="Models and jobs are kept here.")] = Path("store"),
    data_root: Annotated[Path, typer.Option(help="The only folder a run may read files from.")] = Path("data"),
    gateways: Annotated[
        int, typer.Option(help="Processes that share the ports.", min=1, envvar="PUSHFORWARD_GATEWAYS")
    ] = 1,
) -> None:
    """Run the service on this machine: Redis, a worker and both doors, until Ctrl-C."""
    from service import local
    from service.logs import TIME
    from service.supervision import CannotStart

    def say(line: str) -> None:
        err.print(Text.assemble(time.strftime(TIME), " ", ("pushforward", "bold"), " ", line))

    free = local.free_ports(2)
    ports = http_port or free[0], grpc_port or free[1]
    place = local.Place(store, data_root, *ports, gateways)
    try:
        local.up(place, say)
    except CannotStart as error:
        _fail(str(error))
    except ValidationError as error:
        _fail("\n".join(f"PUSHFORWARD_{str(wrong['loc'][0]).upper()}: {wrong['msg']}" for wrong in error.errors()))


@app.command()
def families(
    name: Annotated[str | None, typer.Argument(help="Show one family's fields and options.")] = None, url: Url = LOCAL
) -> None:
    """What can be trained, and what each can be asked."""
    with _client(url) as client:
        known = client.get("/families")["families"]
    if name is not None:
        chosen = [family for family in known if family["family"] == name]
        if not chosen:
            _fail(f"there is no family {name!r}; there are: {', '.join(family['family'] for family in known)}")
        out.print_json(data=chosen[0])
        return
    table = Table("family", "can be asked to", "condition", "what it is")
    for family in known:
        condition = "yes" if family["takes_condition"] else ""
        table.add_row(family["family"], " ".join(family["capabilities"]), condition, family["summary"])
    out.print(table)


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="Show one preset's run.")] = None, url: Url = LOCAL
) -> None:
    """Runs with a name, ready to train."""
    with _client(url) as client:
        known = client.get("/presets")["presets"]
    if name is not None:
        chosen = [preset for preset in known if preset["name"] == name]
        if not chosen:
            _fail(f"there is no preset {name!r}; see `pushforward presets`")
        out.print_json(data=chosen[0]["run"])
        return
    table = Table("preset", "what it is")
    for preset in known:
        table.add_row(preset["name"], preset["summary"])
    out.print(table)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="What the trained model is to be called.")],
    preset: Annotated[str | None, typer.Option(help="A named run, see `presets`.")] = None,
    run: Annotated[Path | None, typer.Option(help="A run as JSON, see `GET /families`; - is standard input.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show progress to the end.")] = False,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key starts one job.")] = None,
    url: Url = LOCAL,
) -> None:
    """Train a model from a preset, a run file, or a run in flags: `--family.family flow --data.source two_moons`."""
    flags = _flags(context.args)
    if (preset is not None) + (run is not None) + bool(flags) != 1:
        _fail("give --preset, --run or a run in flags (--family.family vae --data.source digits), one of them")
    tree = _json(str(run)) if run is not None else flags or None
    with _client(url) as client:
        job = client.train(model, preset=preset, run=tree, idempotency_key=key)
        if not follow:
            out.print_json(data=job)
            return
        err.print(f"job {job['id']} trains {model}")
        _follow(client, job["id"])


@app.command()
def jobs(
    job: Annotated[str | None, typer.Argument(help="Show one job.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Ask for its end.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show its progress to the end.")] = False,
    state: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = None,
    model: Annotated[str | None, typer.Option(help="Only jobs of this model.")] = None,
    output: Annotated[Path | None, typer.Option("--out", help="Follow a sampling, and write its array.")] = None,
    url: Url = LOCAL,
) -> None:
    """List jobs; show, follow or cancel one, or fetch its file."""
    if job is None and (cancel or follow or output):
        _fail("which job? see `pushforward jobs`")
    if cancel and (follow or output):
        _fail("give --cancel, or --follow or --out")
    with _client(url) as client:
        if job is None:
            wanted = {name: value for name, value in (("state", state), ("model", model)) if value}
            _jobs_table(client.get("/jobs", **wanted)["jobs"])
        elif cancel:
            out.print_json(data=client.cancel(job))
        elif output is not None:
            _fetch(client, job, output)
        elif follow:
            _follow(client, job)
        else:
            out.print_json(data=client.get(f"/jobs/{job}"))


@app.command()
def models(
    model: Annotated[str | None, typer.Argument(help="Show one model's card.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it: NAME all versions, NAME@3 one.")] = False,
    url: Url = LOCAL,
) -> None:
    """List models; show or delete one."""
    if model is None and delete:
        _fail("which model? see `pushforward models`")
    with _client(url) as client:
        if model is None:
            _models_table(client.get("/models")["models"])
        elif delete:
            client.delete(f"/models/{model}")
            err.print(f"deleted {model}")
        else:
            out.print_json(data=client.get(f"/models/{model}"))


@app.command()
def sample(
    model: Model,
    n: Annotated[int, typer.Option("-n", "--n", help="How many rows.")] = 16,
    seed: Seed = None,
    condition: Condition = None,
    option: Choice = None,
    png: Png = None,
    npy: Npy = None,
    output: Annotated[
        Path | None, typer.Option("--out", help="Draw in a job and write its array: more rows than one answer holds.")
    ] = None,
    url: Url = LOCAL,
) -> None:
    """Draw new rows."""
    if output is not None:
        if png is not None or npy is not None:
            _fail("give --png, --npy or --out, one of them")
        if not output.parent.is_dir():
            _fail(f"{output} cannot be written: there is no folder {output.parent}")
        with _client(url) as client:
            job = client.sample_to_file(
                model, n=n, seed=seed, condition=_condition(condition), options=_options(option)
            )
            err.print(f"job {job['id']} draws {n} rows of {job['ask']['model']}")
            _fetch(client, job["id"], output)
        return
    body = {"model": model, "n": n} | ({} if seed is None else {"seed": seed})
    _ask(url, "sample", body | _chosen(condition, option), png, npy)


@app.command()
def likelihood(
    model: Model,
    x: Rows,
    seed: Seed = 0,
    condition: Condition = None,
    option: Choice = None,
    npy: Npy = None,
    url: Url = LOCAL,
) -> None:
    """log p(x) of each row, in nats."""
    body = {"model": model, "x": _array(x), "seed": seed}
    _ask(url, "likelihood", body | _chosen(condition, option), None, npy)


@app.command()
def encode(
    model: Model, x: Rows, condition: Condition = None, option: Choice = None, npy: Npy = None, url: Url = LOCAL
) -> None:
    """The latent code of each row."""
    _ask(url, "encode", {"model": model, "x": _array(x)} | _chosen(condition, option), None, npy)


@app.command()
def decode(
    model: Model,
    z: Annotated[str, typer.Option("--z", help="Codes: an .npy file, or JSON in a file or on standard input (-).")],
    condition: Condition = None,
    option: Choice = None,
    png: Png = None,
    npy: Npy = None,
    url: Url = LOCAL,
) -> None:
    """The data of each latent code."""
    _ask(url, "decode", {"model": model, "z": _array(z)} | _chosen(condition, option), png, npy)


@app.command()
def reconstruct(
    model: Model, x: Rows, condition: Condition = None, png: Png = None, npy: Npy = None, url: Url = LOCAL
) -> None:
    """Encode and decode each row."""
    _ask(url, "reconstruct", {"model": model, "x": _array(x)} | _chosen(condition, None), png, npy)


@app.command()
def interpolate(
    model: Model,
    ends: Annotated[
        str | None, typer.Option("--ends", help="Two rows, [2, *shape]: .npy, or JSON in a file or on input (-).")
    ] = None,
    start_seed: Seed = None,
    end_seed: Seed = None,
    steps: Annotated[int, typer.Option(min=2, help="Rows of the walk, both ends included.")] = 8,
    path: Annotated[str, typer.Option(help="slerp or linear.")] = "slerp",
    condition: Condition = None,
    png: Png = None,
    npy: Npy = None,
    url: Url = LOCAL,
) -> None:
    """Walk from one data point to another (--ends), or from one sample to another (--start-seed, --end-seed)."""
    body: dict[str, Any] = {"model": model, "steps": steps, "path": path}
    if ends is not None:
        rows = _array(ends)
        if not isinstance(rows, list | np.ndarray) or len(rows) != 2:
            _fail("--ends holds two rows, the start and the end: [2, *shape]")
        body |= {"start": rows[0], "end": rows[1]}
    body |= {name: seed for name, seed in (("start_seed", start_seed), ("end_seed", end_seed)) if seed is not None}
    _ask(url, "interpolate", body | _chosen(condition, None), png, npy)


def main() -> None:
    """The console script."""
    app()


@contextlib.contextmanager
def _client(url: str) -> Iterator[Client]:
    """A client whose refusals end the program with a message, not a trace."""
    try:
        with Client(url) as client:
            yield client
    except (Refused, Unreachable, Torn) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    err.print(Text.assemble(("error", "red"), " ", message))
    raise typer.Exit(1)


def _ask(url: str, op: str, body: dict[str, Any], png: Path | None, npy: Path | None) -> None:
    """Ask, and write the answer where it was wanted: a picture, an array, or JSON on standard output."""
    if png is not None and npy is not None:
        _fail("give --png or --npy, one of them")
    file = png or npy
    with _client(url) as client:
        if file is None:
            answer = client.ask(op, body)
            sys.stdout.write(answer.text + "\n")
            if answer.status_code == HTTPStatus.ACCEPTED:
                _started(client, answer.json(), None)
            return
        try:
            job = client.save(op, body, file, accept="image/png" if png is not None else "application/x-npy")
        except OSError as error:
            _fail(f"{file} cannot be written: {error.strerror}")
        if job is not None:
            _started(client, job, npy)
            return
    err.print(f"wrote {file}")


def _started(client: Client, job: dict[str, Any], file: Path | None) -> None:
    """In the place of an answer a job was started, since the rows are too many."""
    err.print(f"more rows than one answer holds: job {job['id']} draws them into a file")
    if file is None:
        err.print(f"write it when it is done: pushforward jobs {job['id']} --out FILE")
    else:
        _fetch(client, job["id"], file)


def _fetch(client: Client, job_id: str, file: Path) -> None:
    """Follow a sampling to its end, and write its file."""
    _follow(client, job_id)
    try:
        client.download(job_id, file)
    except OSError as error:
        _fail(f"{file} cannot be written: {error.strerror}")
    err.print(f"wrote {file}")


def _follow(client: Client, job_id: str) -> None:
    """Progress to the job's end, and how it ended. Ctrl-C leaves the job running."""
    try:
        client.get(f"/jobs/{job_id}")  # refuses what the patience of `watch` would wait for
        show_progress(client.watch(job_id), err)
        job = client.get(f"/jobs/{job_id}")
    except KeyboardInterrupt:
        where = "" if client.url == LOCAL else f" --url {client.url}"
        err.print(f"the job goes on; follow it again: pushforward jobs {job_id} --follow{where}")
        raise typer.Exit(130) from None
    if job["state"] != "succeeded":
        _fail(f"job {job_id} {job['state']}" + (f": {job['error']['detail']}" if job["error"] else ""))
    if job["kind"] == "sample":
        err.print(f"drew {job['ask']['n']} rows of {job['ask']['model']} with seed {job['ask']['seed']}")
    else:
        reference = f"{job['model']}@{job['version']}"
        err.print(f"trained {reference}  {numbers(job['metrics'])}")
        for note in client.get(f"/models/{reference}")["notes"]:
            err.print(f"note: {note}")


def _jobs_table(rows: list[dict[str, Any]]) -> None:
    table = Table("job", "kind", "model", "state", "progress", "losses")
    for job in rows:
        progress = f"{job['progress']['step']}/{job['progress']['total_steps'] or '?'}"
        table.add_row(job["id"], job["kind"], job["model"], job["state"], progress, numbers(job["losses"]))
    out.print(table)


def _models_table(rows: list[dict[str, Any]]) -> None:
    table = Table("model", "family", "shape", "condition", "can be asked to", "metrics")
    for card in rows:
        reference, shape = f"{card['model']}@{card['version']}", "x".join(map(str, card["spec"]["shape"]))
        able, metrics = " ".join(card["capabilities"]), numbers(card["metrics"])
        table.add_row(reference, card["family"], shape, _kind(card["spec"]["condition"]), able, metrics)
    out.print(table)


def _kind(condition: dict[str, Any] | None) -> str:
    """What a model is to be told, in a word."""
    if condition is None:
        return ""
    labels = condition["kind"] == "labels"
    return f"label 0..{condition['n_classes'] - 1}" if labels else f"vector of {len(condition['shift'])}"


def _flags(arguments: list[str]) -> dict[str, Any]:
    """`--family.latent 8 --data.source=digits` as a tree; values are JSON where they read as JSON, else text."""
    tree: dict[str, Any] = {}
    words = iter(arguments)
    for word in words:
        if not word.startswith("--"):
            _fail(f"{word!r} was not expected; flags of a run look like --family.latent 8")
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = next(words, "--")
        if value.startswith("--"):
            _fail(f"--{name} needs a value")
        branch = tree
        *path, leaf = name.split(".")
        for step in path:
            branch = branch.setdefault(step, {})
            if not isinstance(branch, dict):
                _fail(f"--{name} is within a field that another flag gave a value")
        branch[leaf] = _value(value)
    return tree


def _chosen(condition: str | None, option: list[str] | None) -> dict[str, Any]:
    """What an ask may have beside its rows."""
    options = {"options": _options(option)}
    return options if condition is None else {**options, "condition": _condition(condition)}


def _condition(text: str | None) -> Any:
    """3, 0.1,0.2 or JSON as they stand; the rows of an .npy file."""
    if text is None:
        return None
    if text.endswith(".npy"):
        return _array(text)
    try:
        return orjson.loads(f"[{text}]" if "," in text and not text.startswith("[") else text)
    except orjson.JSONDecodeError:
        _fail(f"--condition {text!r} must be a label (3), a vector (0.1,0.2), JSON, or an .npy file")


def _options(pairs: list[str] | None) -> dict[str, Any]:
    """KEY=VALUE pairs."""
    options: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals:
            _fail(f"--option {pair!r} must be KEY=VALUE")
        options[key] = _value(value)
    return options


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _array(source: str) -> Any:
    """An .npy file, or JSON in a file or on standard input."""
    if not source.endswith(".npy"):
        return _json(source)
    try:
        return np.ascontiguousarray(np.load(source, allow_pickle=False), dtype=np.float32)
    except (OSError, ValueError) as error:
        _fail(f"{source} cannot be read: {error}")


def _json(source: str) -> Any:
    try:
        return orjson.loads(sys.stdin.read() if source == "-" else Path(source).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        _fail(f"{source} cannot be read as JSON: {error}")
