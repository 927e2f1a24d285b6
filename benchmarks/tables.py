"""What each family that models tables makes of real ones, beside rows that are drawn again and a Gaussian copula.

    python benchmarks/tables.py                      # half an hour of one core; writes docs/results/tables.md
    python benchmarks/tables.py --families flow vae --seeds 1

Each run trains for as many steps as the others, at the family's own defaults. Compared with held-out rows:

    nats     held-out log-likelihood above that of independent columns, nats a row
    shapes   column_shapes, pairs: column_pairs (`models.evaluation.metrics.tables`), 1 is best
    c2st     accuracy of logistic regression that tells drawn from held-out rows, 0.5 is best
    copies   median distance to the nearest training row, divided by that of held-out rows; 0 are copies, 1 is new rows
    tstr     balanced accuracy of boosted trees for one column, trained on drawn rows, tested on held-out ones; beside
             it those trained on real rows

Baselines: training rows drawn again (they are copies), and a Gaussian of the rows as networks see them, whose numbers
are normal quantiles: a Gaussian copula of numbers with its categories rounded.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
import torch

from pushforward.models import load, sample, train
from pushforward.models.data import Rows
from pushforward.models.evaluation.comparison import Question, compare
from pushforward.models.families import FAMILIES
from pushforward.models.run import Run
from pushforward.models.storage.model import Model
from pushforward.models.tabular.models_tables import ModelsTables
from pushforward.models.training.data import TrainingData, load_data

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "tables.md"
METRICS = ("column_shapes", "column_pairs", "c2st_logistic", "nearest_training_row_ratio")
STEPS, DRAWN = 1_000, 1_000
CPU = torch.device("cpu")
HEAD = ("family", "nats", "shapes", "pairs", "c2st", "copies", "tstr")


@dataclass(frozen=True)
class Real:
    """A table that ships in a package."""

    package: str
    file: str
    target: str  # of `tstr`
    columns: dict[str, Any]


TABLES = (
    Real(
        "palmerpenguins",
        "penguins-raw.csv",
        "Species",
        {"Comments": {"kind": "drop"}, "Individual ID": {"kind": "drop"}},
    ),
    Real("vega_datasets", "seattle-weather.csv", "weather", {}),
)


def main() -> int:
    asked = argparse.ArgumentParser()
    able = [name for name, cls in FAMILIES.items() if issubclass(cls, ModelsTables)]
    asked.add_argument("--families", nargs="+", default=able, choices=able)
    asked.add_argument("--seeds", type=int, default=3)
    options = asked.parse_args()
    torch.set_num_threads(1)
    pages = [__doc__.split("\n\n", 2)[2].strip()]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for real in TABLES:
            found = next(file for file in files(real.package) or () if Path(str(file)).name == real.file)
            shutil.copy(Path(str(found.locate())), root / real.file)
            pages += [f"## {real.file}", "\n".join(rows_of(real, root, options.families, options.seeds))]
    text = "# Tables\n\n" + "\n\n".join(pages) + "\n"
    sys.stdout.write(text)
    if options.families == able and options.seeds >= 3:
        RESULTS.write_text(text)
    return 0


def rows_of(real: Real, root: Path, families: list[str], seeds: int) -> Iterator[str]:
    """The lines of one table."""
    yield "| " + " | ".join(HEAD) + " |"
    yield "|---" * len(HEAD) + "|"
    baselines: dict[str, list[dict[str, float]]] = {"training rows again": [], "Gaussian copula": []}
    for family in families:
        results = []
        for seed in range(seeds):
            one = measured(real, root, family, seed)
            results.append(one["model"])
            baselines["training rows again"].append(one["floor"])
            baselines["Gaussian copula"].append(one["gaussian"])
        yield line(family, results)
    for name, found in baselines.items():
        yield line(name, found[:seeds])


def line(name: str, results: list[dict[str, float]]) -> str:
    """The means over the seeds, and their deviations."""
    cells = []
    for column in HEAD[1:]:
        values = [result[column] for result in results if column in result]
        cells.append(f"{mean(values):.3f} ± {pstdev(values):.3f}" if values else "")
    return f"| {name} | " + " | ".join(cells) + " |"


def measured(real: Real, root: Path, family: str, seed: int) -> dict[str, dict[str, float]]:
    """The numbers of a model, of training rows and of a Gaussian."""
    run = Run.model_validate(
        {
            "family": {"family": family},
            "data": {"source": "table", "path": real.file, "columns": real.columns},
            "budget": {"steps": STEPS},
            "optimizer": {"batch_size": 128},
            "seed": seed,
        }
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        train(run, folder, data_root=root)
        model = load(folder)
    data = load_data(run, root)
    comparing = compare(model, data, Question(METRICS, n=DRAWN, seed=seed, root=root), CPU)
    while True:
        try:
            next(comparing)
        except StopIteration as end:
            compared = end.value
            break
    found: dict[str, dict[str, float]] = {"model": {}, "floor": {}, "gaussian": {}}
    for report in compared.metrics:
        short = dict(zip(METRICS, ("shapes", "pairs", "c2st", "copies"), strict=True))[report.name]
        for side in found:
            value = getattr(report, side)
            if value is not None:
                found[side][short] = value.value
    if "nats_above_independent_columns" in model.card.metrics:
        found["model"]["nats"] = model.card.metrics["nats_above_independent_columns"]
    found["model"]["tstr"], found["floor"]["tstr"] = usefulness(real, model, data, seed)
    return found


def usefulness(real: Real, model: Model, data: TrainingData, seed: int) -> tuple[float, float]:
    """Balanced accuracy of a classifier of one column that drawn rows train, and of one that training rows train."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import balanced_accuracy_score

    table = data.spec.table
    if table is None or not isinstance(data.train, Rows):
        raise TypeError("the rows are those of a table")
    target = [column.name for column in table.modelled].index(real.target)
    drawn = sample(model, len(data.train.x), seed=seed).numpy()

    def score(train: np.ndarray[Any, Any]) -> float:
        rest = [i for i in range(table.n_cells) if i != target] if table is not None else []
        fitted = HistGradientBoostingClassifier(max_iter=60).fit(train[:, rest], train[:, target])
        found = fitted.predict(data.validation.x[:, rest])
        return float(balanced_accuracy_score(data.validation.x[:, target], found))

    return score(drawn), score(data.train.x)


if __name__ == "__main__":
    sys.exit(main())
