"""Measure which modes every adversarial game finds: eight narrow Gaussians on a ring, twenty-five on a grid.

    python benchmarks/modes.py                                # all games, five seeds: hours on two cores
    python benchmarks/modes.py hinge-gan minimax --seeds 1
    python benchmarks/modes.py --page                         # docs/results/modes.md from what is there

The protocol is PacGAN's: 2,500 samples; one within three standard deviations of a mode is of high quality and finds
that mode. Trained and sampled through the service. Networks are the same for all games: perceptrons of five layers of
128, codes of two dimensions. What is there already for a recipe and a seed is not trained again:
docs/results/modes.json.

References:
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2017), arXiv:1712.04086
    | VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning (Srivastava et al., 2017)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import zoo
import zoo_results
from mode_recipes import DATA, RECIPES, Recipe, Task
from published import MODES
from scipy.spatial.distance import jensenshannon
from zoo_pictures import draw

from pushforward.models.evaluation.sample_metrics import modes
from pushforward.models.presets import PRESETS
from pushforward.service.client import Client, Refused

RESULTS = Path(__file__).parent.parent / "docs" / "results"
KEPT, PAGE = RESULTS / "modes.json", RESULTS / "modes.md"
SAMPLES = 2_500
SURE = 20  # samples of a mode that is surely found
WANTED_MODES = {"ring": 8.0, "grid": 24.5}
WANTED_QUALITY = 0.9

Kept = dict[str, dict[str, dict[str, Any]]]  # by data, by recipe: the run, and measures by seed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", choices=[[], *RECIPES], default=[], metavar="recipe")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--slots", type=int, default=1, help="trainings at a time")
    parser.add_argument("--page", action="store_true", help="only write docs/results/modes.md")
    asked = parser.parse_args()
    tasks = [
        Task(data, RECIPES[name], seed)
        for seed in range(asked.seeds)
        for name in asked.recipes or RECIPES
        for data in DATA
    ]
    failed = 0 if asked.page else run([task for task in tasks if not has(read(), task)], asked.slots)
    PAGE.write_text("\n".join(page(read())) + "\n")
    return 1 if failed else 0


def run(tasks: Sequence[Task], slots: int) -> int:
    """Train all, and measure and keep one after the other. Gives how many failed."""
    failed = 0
    with zoo.running_service(slots, zoo.DATA_ROOT) as client:
        jobs = [(task, str(client.train(task.model, run={**task.run, "seed": task.seed})["id"])) for task in tasks]
        for task, job_id in jobs:
            try:
                job = zoo.ended(client, job_id)
                measures = measured(client, task) | {"train_s": job["finished_at"] - job["started_at"]}
                if task.recipe.wanted:
                    keep_preset(client, task, job, slots)
            except (zoo.Failed, Refused) as error:
                failed += 1
                measures = {}
                print(f"{task.model}: {error}", flush=True)
            keep(task, measures)
            print(task.model, {name: round(value, 4) for name, value in measures.items()}, flush=True)
    return failed


def keep_preset(client: Client, task: Task, job: Mapping[str, Any], slots: int) -> None:
    """The result and the picture of a preset, as zoo.py keeps them."""
    preset = PRESETS[task.preset]
    zoo_results.keep(
        preset, task.seed, zoo.entry({"train_s": job["finished_at"] - job["started_at"], **job["metrics"]}, slots)
    )
    if task.seed == 0:
        draw(client, preset, task.model, zoo.DATA_ROOT).save(zoo.picture_of(preset), optimize=True)


def measured(client: Client, task: Task) -> dict[str, float]:
    """By the protocol, of samples that the service draws."""
    source = DATA[task.data]
    answer = client.ask("sample", {"model": task.model, "n": SAMPLES, "seed": task.seed}).json()
    reached = modes(np.asarray(answer["samples"], np.float64), source.centers, source.mode_std)
    hits, even = reached.hits, np.full(len(source.centers), 1 / len(source.centers))
    divergence = jensenshannon(hits / hits.sum(), even) ** 2 if hits.sum() else float(np.log(2))
    return {
        "modes": float(reached.found),
        "sure_modes": float((hits >= SURE).sum()),
        "high_quality": reached.high_quality,
        "histogram_divergence_nats": float(divergence),
    }


def read() -> Kept:
    return zoo_results.load(KEPT)


def has(kept: Kept, task: Task) -> bool:
    entry = kept.get(task.data, {}).get(task.recipe.name)
    return entry is not None and entry["run"] == task.run and str(task.seed) in entry["seeds"]


def keep(task: Task, measures: Mapping[str, float]) -> None:
    """Write a result beside the others of its recipe; those of another recipe go."""
    kept = read()
    entry = kept.setdefault(task.data, {}).get(task.recipe.name)
    if entry is None or entry["run"] != task.run:
        entry = kept[task.data][task.recipe.name] = {"run": task.run, "seeds": {}}
    entry["seeds"][str(task.seed)] = measures
    zoo_results.store(kept, KEPT)


def page(kept: Kept) -> Iterator[str]:
    yield from (
        "# Which modes each adversarial game finds",
        "",
        "`python benchmarks/modes.py`, through the service; mean ± standard deviation over the seeds. The protocol is",
        "PacGAN's: of 2,500 samples, those within three standard deviations of a mode are of high quality and find",
        f"that mode; a mode is sure with {SURE} of them. The others are a mixture of modes. The divergence is the",
        "Jensen-Shannon divergence, in nats, between their shares of the modes and equal ones; 0.69 where none is",
        "found. Of the first six games all modes are wanted, and 90 % of high quality: they are presets. The others",
        "have a shorter budget, and what they lose is told as it is: that clipped critics and the first, saturating",
        "game lose modes is why there are others. Where it says `4 of 5`, one seed diverged; means are of the rest.",
    )
    for data, title in (("ring", "Eight on a ring: radius 1, σ = 0.01"), ("grid", "Twenty-five on a grid: σ = 0.05")):
        n = len(DATA[data].centers)
        yield from ("", f"## {title}", "")
        yield "| game | modes | sure modes | high quality, % | divergence | train, s | seeds | wanted |"
        yield "|---|---|---|---|---|---|---|---|"
        yield f"| a perfect sampler | {n} | {n} | 98.889 | {(n - 1) / (8 * SAMPLES):.4f} | | | |"
        for recipe in RECIPES.values():
            if (entry := kept.get(data, {}).get(recipe.name)) is not None:
                yield line(data, recipe, [seed for seed in entry["seeds"].values() if seed], len(entry["seeds"]))
        for published in MODES:
            if published.source == f"{data}_gaussians":
                quality = published.high_quality.removesuffix(" %")
                yield f"| {published.model}, {published.where} | {published.modes_found} | | {quality} | | | | |"


def line(data: str, recipe: Recipe, seeds: Sequence[Mapping[str, float]], tried: int) -> str:
    name = f"[{recipe.name}](../pictures/{recipe.name}-{data}-gaussians.png)" if recipe.wanted else recipe.name
    if not seeds:
        return f"| {name} | diverged | | | | | {tried} | |"

    def told(key: str, scale: float = 1.0, digits: int = 1) -> str:
        values = [scale * seed[key] for seed in seeds]
        return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")

    reached = (
        mean(seed["modes"] for seed in seeds) >= WANTED_MODES[data]
        and mean(seed["high_quality"] for seed in seeds) >= WANTED_QUALITY
    )
    verdict = "" if not recipe.wanted else "reached" if reached else "**not reached**"
    cells = [told("modes"), told("sure_modes"), told("high_quality", 100), told("histogram_divergence_nats", 1, 4)]
    n = f"{len(seeds)}" if len(seeds) == tried else f"{len(seeds)} of {tried}"
    return f"| {name} | {' | '.join(cells)} | {told('train_s', 1, 0)} | {n} | {verdict} |"


if __name__ == "__main__":
    sys.exit(main())
