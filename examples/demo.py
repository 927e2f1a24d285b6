"""`make demo`: the service comes up on this machine, trains on real handwritten digits and is asked about them.

python examples/demo.py [PRESET]     another preset of digits: gan-digits, flow-digits, diffusion-digits, wae-digits
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pushforward.service.cli.progress import TimeLeft
from pushforward.service.client import Client, Refused
from pushforward.service.local import up as local
from pushforward.service.processes.supervision import StartError

PICTURE = Path("demo.png")
COLUMNS, ROWS = 64, 7  # of the curve
EIGHTHS = " ▁▂▃▄▅▆▇█"
SHADES = " ░▒▓█"
ACROSS = 4  # digits side by side, 2 x 8 columns each
WORDS = {
    "validation_log_prob_nats": "nats, log p(x) of digits it has not seen",
    "validation_log_prob_nats_lower_bound": "nats, log p(x) of digits it has not seen is at least this",
    "validation_bits_per_dim": "bits a pixel to write such a digit down",
    "validation_bits_per_dim_upper_bound": "bits a pixel, at most, to write such a digit down",
    "validation_rmse": "levels of 16, error of a digit encoded and decoded",
    "sliced_wasserstein": "levels, distance from samples to real digits",
}

console = Console(highlight=False, soft_wrap=True)


def main(preset: str = "vae-digits") -> int:
    """The exit code."""
    console.print("[bold]Pushforward[/] trains a generative model on 1,797 handwritten digits, on this machine.\n")
    with tempfile.TemporaryDirectory(prefix="pushforward-") as folder:
        try:
            with local.service_in(Path(folder), said) as place, Client(place.url) as client:
                return show(client, preset)
        except KeyboardInterrupt:
            return 130
        except (StartError, Refused) as error:
            console.print(str(error), style="red", markup=False)
            return 1


def show(client: Client, preset: str) -> int:
    """Train, then ask everything the model can be asked."""
    model = preset
    heading("POST /train", model=model, preset=preset)
    job = client.train(model, preset=preset)
    curve = list(follow(client, job["id"]))
    job = client.get(f"/jobs/{job['id']}")
    if job["state"] != "succeeded":
        console.print(f"the job {job['state']}: {job['error']}")
        return 1
    draw_curve(curve)
    for name, value in job["metrics"].items():
        if name in WORDS:
            console.print(f"  {value:8.2f}  [dim]{WORDS[name]}[/]")

    card = client.get(f"/models/{model}")
    if card["curve"] is not None:
        draw_curve(list(zip(card["curve"]["steps"], card["curve"]["values"], strict=True)), "held-out loss, by step")
    for note in card["notes"]:
        console.print(f"  note: {note}", markup=False)
    able = card["capabilities"]
    heading("POST /sample", model=model, n=ACROSS, seed=3)
    began = monotonic()
    answer = client.ask("sample", {"model": model, "n": ACROSS, "seed": 3}).json()
    draw_digits(answer["samples"])
    console.print(f"  [dim]digits that nobody wrote, {1000 * (monotonic() - began):.0f} ms after the request[/]")
    if "interpolate" in able:
        walk = {"model": model, "start_seed": 7, "end_seed": 5, "steps": ACROSS}
        heading("POST /interpolate", **walk)
        draw_digits(client.ask("interpolate", walk).json()["x"])
        console.print("  [dim]from one digit to another[/]")
    if "likelihood" in able:
        shuffled = np.random.default_rng(0).permuted(np.reshape(answer["samples"], (ACROSS, 64)), axis=1)
        rows = [*answer["samples"], *shuffled.reshape(ACROSS, 1, 8, 8).tolist()]
        scores = client.ask("likelihood", {"model": model, "x": rows}).json()
        heading("POST /likelihood", model=model, x="those digits, and the same with their pixels shuffled")
        for what, values in (("digits", scores["log_prob"][:ACROSS]), ("shuffled", scores["log_prob"][ACROSS:])):
            console.print(
                f"  {what:9}", *(f"{float(value):8.1f}" for value in values), f" [dim]nats ({scores['kind']})[/]"
            )
        console.print("  [dim]what is unlike the data has a low score: an anomaly[/]")

    heading("POST /sample", model=model, n=64, seed=0, accept="image/png")
    PICTURE.write_bytes(client.ask("sample", {"model": model, "n": 64, "seed": 0}, accept="image/png").content)
    console.print(f"  64 more are in [bold]{PICTURE.resolve()}[/]\n")
    program = os.path.relpath(Path(sys.executable).with_name("pushforward"))
    console.print(f"Now start a service that stays:  [bold]{program} up[/]")
    console.print("and open it in a browser:        [bold]http://127.0.0.1:8000/console/[/]\n")
    return 0


def follow(client: Client, job_id: str) -> Iterator[tuple[int, float]]:
    """Show progress to the end; gives (step, first loss) along the way."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(30),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    time_left = TimeLeft()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("waiting for the worker", total=None, told="")
        for kind, data in client.watch(job_id):
            if kind == "progress" and data["losses"]:
                name, value = next((name, float(value)) for name, value in data["losses"].items())
                yield data["step"], value
                description = f"step {data['step']} of {data['total_steps']}, {name} {value:.1f}"
                bar.update(task, description=description, completed=data["step"], total=data["total_steps"])
                bar.update(task, told=time_left.after(data))


def draw_curve(curve: list[tuple[int, float]], title: str = "loss, by step") -> None:
    """The loss over the steps: logarithmic where it is positive."""
    curve = [(step, float(value)) for step, value in curve if isfinite(float(value))]
    if len(curve) < 2:
        return
    steps, losses = np.array(curve).T
    at = np.linspace(steps[0], steps[-1], COLUMNS)
    low, high = losses.min(), losses.max()
    scale = np.log10 if low > 0 else np.asarray
    y = np.interp(at, steps, scale(losses))
    bottom, top = y.min(), y.max()
    eighths = np.round((y - bottom) / ((top - bottom) or 1.0) * (8 * ROWS - 1) + 1).astype(int)
    console.print()
    for row in reversed(range(ROWS)):
        label = f"{high:10.1f}" if row == ROWS - 1 else f"{low:10.1f}" if row == 0 else " " * 10
        line = "".join(EIGHTHS[min(max(height - 8 * row, 0), 8)] for height in eighths)
        console.print(f"{label} [cyan]{line}[/]")
    console.print(f"{'':10} [dim]{title:<{COLUMNS - 8}}{steps[-1]:8.0f}[/]\n")


def draw_digits(digits: list[list[list[list[float]]]]) -> None:
    """8x8 digits side by side, 0 to 16."""
    for rows in zip(*(digit[0] for digit in digits), strict=True):
        shaded = ["".join(2 * SHADES[round(min(max(value, 0.0), 16.0) / 4)] for value in row) for row in rows]
        console.print("  " + "  ".join(shaded), style="bold")


def heading(what: str, **body: Any) -> None:
    """A request, as one would write it."""
    fields = ", ".join(f"{name}: {value}" for name, value in body.items())
    console.print(f"\n[bold cyan]{what}[/]  [dim]{fields}[/]")


def said(line: str) -> None:
    """A word of the service's."""
    console.print(line, style="dim", markup=False)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
