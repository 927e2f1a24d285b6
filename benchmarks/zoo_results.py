"""docs/results/zoo.json: what each preset reached with each seed, and of which recipe that is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from pushforward.models.presets import Preset
from pushforward.models.run import Run

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "zoo.json"
Measures = dict[str, float]


class Entry(TypedDict):
    """What one training reached."""

    when: str
    where: str
    measures: Measures


class Kept(TypedDict):
    """What a preset reached."""

    run: dict[str, Any]  # `recipe`
    seeds: dict[str, Entry]


def has(kept: Kept | None, run: Run, seed: int) -> bool:
    """Whether there is a result of this recipe and seed, measured in all that the other seeds were."""
    if kept is None or kept["run"] != recipe(run) or str(seed) not in kept["seeds"]:
        return False
    measured = [entry["measures"].keys() for entry in kept["seeds"].values()]
    return kept["seeds"][str(seed)]["measures"].keys() >= set().union(*measured)


def recipe(run: Run) -> dict[str, Any]:
    """A run as its preset writes it: new fields with defaults do not make its results old."""
    written = run.model_dump(mode="json", exclude_unset=True, exclude={"optimizer"})
    return {**written, "optimizer": run.optimizer.model_dump(mode="json", exclude_defaults=True)}


def read(file: Path = RESULTS) -> dict[str, Kept]:
    """All results by preset."""
    return load(file)


def keep(preset: Preset, seed: int, entry: Entry, file: Path = RESULTS) -> None:
    """Write a result beside the others of its recipe; those of another recipe go."""
    results, written = read(file), recipe(preset.run)
    kept = results.get(preset.name)
    if kept is None or kept["run"] != written:
        kept = results[preset.name] = {"run": written, "seeds": {}}
    kept["seeds"][str(seed)] = entry
    store(results, file)


def load(file: Path) -> dict[str, Any]:
    """What a file of results holds; nothing before there is one."""
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return kept


def store(results: Mapping[str, Any], file: Path) -> None:
    """Write a file of results as a whole, or leave it as it was."""
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    unfinished.replace(file)
