"""docs/results/defaults.md from what `benchmarks/defaults.py` kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import hypot
from statistics import fmean
from typing import Any

OURS = {"flow": "zuko", "flow_matching": "torchcfm", "vae": "pythae"}  # beside whom
TITLES = {
    "flow": "`flow` beside zuko's neural spline flow",
    "flow_matching": "`flow_matching` beside torchcfm",
    "vae": "`vae` beside pythae, MNIST-5k binarized",
}
Kept = Mapping[str, Any]


def page(results: Iterable[Kept]) -> str:
    """One table for each pair."""
    kept = list(results)
    lines = [
        "# Defaults beside others by hand",
        "",
        "`python benchmarks/defaults.py`. Ours: a run that names a family, a file and the steps. By hand: the peer's "
        "own classes and defaults, Adam at 1e-3, standardized rows, the same batch and steps. Mean -log p of rows that "
        "neither saw, in nats, above the entropy of the data where that is known; lower is better. *last* are the "
        "weights at the end, *best* those at the best of 12 looks at rows that a method set aside itself. +- is the "
        "standard error over the test rows. *worst* is the worst test row. Seconds are of one core.",
        "",
    ]
    for ours, peer in OURS.items():
        rows = [row for name in _names(kept, ours) if (row := _row(kept, name, ours, peer))]
        if rows:
            lines += [f"## {TITLES[ours]}", "", *_table(peer, rows), ""]
    machines = sorted({each["where"] for each in kept}, reverse=True)
    return "\n".join([*lines, "## Where", "", *(f"- {where}" for where in machines)]) + "\n"


def _names(kept: Sequence[Kept], ours: str) -> list[str]:
    return list(dict.fromkeys(each["data"] for each in kept if each["method"] == ours))


def _row(kept: Sequence[Kept], name: str, ours: str, peer: str) -> list[str] | None:
    """Both on the same data, seeds and steps; None where one is missing."""
    of = {
        method: {
            (each["seed"], each["steps"]): each for each in kept if (each["data"], each["method"]) == (name, method)
        }
        for method in (ours, peer)
    }
    shared = sorted(of[ours].keys() & of[peer].keys())
    if not shared:
        return None
    pairs = [[of[method][key] for key in shared] for method in (ours, peer)]
    cells = [name, str(len(shared)), str(max(steps for _, steps in shared))]
    for each in pairs:
        cells += [_mean(each, "last_nats"), _mean(each, "best_nats")]
    error = hypot(*(fmean(each["std_error_nats"] for each in some) for some in pairs)) / len(shared) ** 0.5
    cells += [f"{error:.3f}"]
    for each in pairs:
        cells += [f"{max(one['worst_row_nats'] for one in each):.0f}", f"{fmean(one['seconds'] for one in each):.0f}"]
    return cells


def _mean(results: Sequence[Kept], figure: str) -> str:
    return f"{fmean(each[figure] - (each['floor_nats'] or 0.0) for each in results):.3f}"


def _table(peer: str, rows: Sequence[Sequence[str]]) -> list[str]:
    of_each = ["ours, worst", "s", f"{peer}, worst", "s"]
    header = ["data", "seeds", "steps", "ours, last", "best", f"{peer}, last", "best", "+-", *of_each]
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
