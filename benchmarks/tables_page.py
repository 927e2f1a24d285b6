"""docs/results/tables.md from what `benchmarks/tables.py` kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, pstdev

Numbers = Mapping[str, float | None]
Kept = Mapping[str, Mapping[str, Numbers]]

BASELINES = {"floor": "training rows again", "gaussian": "Gaussian copula"}
COLUMNS = {
    "nats": "nats",
    "column_shapes": "shapes",
    "column_pairs": "pairs",
    "c2st_boosted_trees": "trees tell",
    "train_on_synthetic": "taught",
    "coverage": "coverage",
    "dcr_share": "dcr",
    "dcr_5_percent_ratio": "nearest 5 %",
    "identical_share": "identical",
    "likelihood_membership": "member",
    "train_s": "train, s",
}
HEAD = """# Tables

`python benchmarks/tables.py`. Every family that models tables at its own defaults, {steps} steps of 128 rows. A tenth
of the rows is held out. Means ± standard deviations over the seeds. As many rows are drawn as there are training rows,
at most 1,000.

| column | what it is | best |
|---|---|---|
| nats | held-out log-likelihood (or its bound) above that of independent columns, nats a row | high |
| shapes, pairs | `column_shapes`, `column_pairs` | 1, or as training rows |
| trees tell | `c2st_boosted_trees` | 0.5 |
| taught | `train_on_synthetic`: balanced accuracy, of `diabetes` R^2; of training rows it is "trained on real" | high |
| coverage | `coverage` | as training rows |
| dcr, nearest 5 %, identical | `dcr_share`, `dcr_5_percent_ratio`, `identical_share` | 0.5, 1, 0 |
| member | `likelihood_membership`: above 0.5 the likelihood tells who trained it | 0.5 |

`members` has 10,000 rows of numbers, a category, a flag and missing cells, drawn from a density that is known
(`benchmarks/tables_data.py`); *nats* of its training rows are those of that density. The others are real: penguins
(Palmer), cars and Seattle's weather (vega_datasets), breast cancer, wine and diabetes (scikit-learn). *Training rows
again* are as many training rows, *Gaussian copula* a Gaussian of what networks see, whose numbers are normal quantiles,
categories rounded. No number of these is a guarantee of privacy.
"""


def page(kept: Kept, reading: str, steps: int) -> str:
    """A table for each table of data."""
    names = list(dict.fromkeys(key.split("/")[0] for key in kept))
    parts = [HEAD.format(steps=steps), "## What it shows\n\n" + reading.strip() + "\n"]
    for name in names:
        of = [found for key, found in sorted(kept.items()) if key.split("/")[0] == name]
        parts.append(f"## {name}\n\n" + "\n".join(_lines(of)) + "\n")
    return "\n".join(parts)


def _lines(seeds: Sequence[Mapping[str, Numbers]]) -> Iterator[str]:
    yield "| family | seeds | " + " | ".join(COLUMNS.values()) + " |"
    yield "|---" * (len(COLUMNS) + 2) + "|"
    families = dict.fromkeys(name for seed in seeds for name in seed if name not in BASELINES.values())
    for family in [*sorted(families), *BASELINES.values()]:
        results = [seed[family] for seed in seeds if family in seed]
        cells = [_cell([result.get(column) for result in results]) for column in COLUMNS]
        yield f"| {family} | {len(results)} | " + " | ".join(cells) + " |"


def _cell(values: Sequence[float | None]) -> str:
    """Mean ± standard deviation of what is there."""
    there = [value for value in values if value is not None]
    if not there:
        return ""
    digits = 1 if abs(fmean(there)) >= 10 else 2
    spread = f" ± {pstdev(there):.{digits}f}" if len(there) > 1 else ""
    return f"{fmean(there):.{digits}f}{spread}"
