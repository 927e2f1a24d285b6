"""`make demo`: the service comes up on this machine, trains on real handwritten digits and draws what it learned."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from service import local
from service.client import Client

MODEL, PRESET, PICTURE = "digits-vae", "vae-digits", Path("demo.png")
BARS = "▁▂▃▄▅▆▇█"

console = Console(highlight=False)


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="pushforward-") as folder,
        local.running(Path(folder), console.print) as place,
        Client(place.url) as client,
    ):
        return show(client)


def show(client: Client) -> int:
    job = client.train(MODEL, preset=PRESET)
    console.print(f"\nPOST /train  {{'model': '{MODEL}', 'preset': '{PRESET}'}}  ->  job {job['id']}")
    curve = follow(client, job["id"])
    job = client.get(f"/jobs/{job['id']}")
    if job["state"] != "succeeded":
        console.print(f"the job {job['state']}: {job['error']}")
        return 1
    draw_curve(curve)
    for name, value in job["metrics"].items():
        console.print(f"  {name:40} {value:10.4g}")

    PICTURE.write_bytes(client.ask("sample", {"model": MODEL, "n": 64, "seed": 0}, accept="image/png").content)
    console.print(f"\nPOST /sample  {{'model': '{MODEL}', 'n': 64, 'seed': 0}}  Accept: image/png  ->  {PICTURE}")
    answer = client.ask("sample", {"model": MODEL, "n": 1, "seed": 0}).json()
    console.print(f"one sample as JSON: model {answer['model']}, timing {answer['timing']}")
    draw_digit(answer["samples"][0][0])
    console.print(f"open {PICTURE.resolve()} to see 64 digits that nobody wrote")
    return 0


def follow(client: Client, job_id: str) -> list[tuple[int, float]]:
    """Show progress to the end; (step, first loss) along the way."""
    curve = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("waiting for the worker", total=None)
        for kind, data in client.watch(job_id):
            if kind == "progress" and data["losses"]:
                name, value = next(iter(data["losses"].items()))
                curve.append((data["step"], value))
                bar.update(task, description=f"{name} {value:8.3f}", completed=data["step"], total=data["total_steps"])
    return curve


def draw_curve(curve: list[tuple[int, float]], columns: int = 60) -> None:
    """The loss over the steps, one bar for each slice of them."""
    if not curve:
        return
    slices = [curve[i * len(curve) // columns : (i + 1) * len(curve) // columns] for i in range(columns)]
    means = [sum(value for _, value in part) / len(part) for part in slices if part]
    low, high = min(means), max(means)
    bars = "".join(BARS[round((value - low) / (high - low or 1) * (len(BARS) - 1))] for value in means)
    console.print(f"\nloss from {means[0]:.3f} to {means[-1]:.3f} in {curve[-1][0]} steps\n{bars}\n")


def draw_digit(rows: list[list[float]]) -> None:
    """One 8x8 digit in the terminal."""
    shades = " ░▒▓█"
    for row in rows:
        console.print("    " + "".join(2 * shades[round(max(0.0, min(16.0, value)) / 16 * 4)] for value in row))


if __name__ == "__main__":
    sys.exit(main())
