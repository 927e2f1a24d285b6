"""What each family that models tables makes of some, beside rows that are drawn again and a Gaussian copula.

    python benchmarks/tables.py                       # half an hour of one core; docs/results/tables.json, tables.md
    python benchmarks/tables.py --families flow vae   # measures these again
    python benchmarks/tables.py --page                # writes the page anew

Runs that are kept in tables.json are not run again, unless their families are named.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from tables_data import TABLES, Table, members_log_density
from tables_page import BASELINES, page
from threadpoolctl import threadpool_limits

from pushforward.models import load, train
from pushforward.models.evaluation.comparison import Compared, Question, compare
from pushforward.models.families import FAMILIES
from pushforward.models.run import Run
from pushforward.models.storage.model import Model
from pushforward.models.tables.columns import Category
from pushforward.models.tabular.models_tables import ModelsTables
from pushforward.models.training.data import TrainingData, load_data

RESULTS = Path(__file__).parent.parent / "docs" / "results"
METRICS = (
    "column_shapes",
    "column_pairs",
    "c2st_boosted_trees",
    "train_on_synthetic",
    "coverage",
    "dcr_share",
    "dcr_5_percent_ratio",
    "identical_share",
    "likelihood_membership",
)
STEPS, ROWS, DRAWN, SEEDS = 500, 128, 1_000, 3
CPU = torch.device("cpu")

READING = """
- **Likelihood**: `flow` is the best on every real table, by 15 nats a row on breast cancer; on cars and `members`
  `autoregressive` is as good, on `members` both are within 0.1 nats of the true density. `vae` on wine is worse than
  independent columns.
- **Samples**: of the 10,000 rows of `members` trees cannot tell those of `autoregressive`, `flow` and `diffusion` from
  real ones (0.50). They tell `vae` as well as a Gaussian copula (0.68), and `gan` better (0.76). On cars they tell
  none by much.
- **Worth to a classifier**: where columns tell the target strongly (penguins, breast cancer, wine) all teach about as
  much as real rows, but `gan` on penguins and wine, and `autoregressive` on wine. `vae` loses much on `members`, and
  all lose on Seattle's weather.
- **`gan` fails at 500 steps**: pairs, coverage (0.54 on breast cancer) and what it teaches (0.35 on cars) are below
  those of the copula. More steps were not tried.
- **Memorization**: no copies are drawn, and the distances see nothing anywhere. Likelihoods do: with some hundred rows
  they tell which of them trained the model (wine 0.8 to 0.9, penguins and diabetes 0.7 to 0.8), those of `diffusion`
  among the least, though the weights at the lowest held-out loss are served. With 9,000 rows it is 0.51. So
  distances are no evidence of privacy.
- **Few held-out rows** (18 of wine, 34 of penguins, 41 of cars) make shapes, trees and `taught` rough: compare with
  training rows again. Trees say nothing of fewer than 30 rows; of few, values by chance are below 0.5.
- **Mended by this run**: `autoregressive` and `flow` drew 40 % of the cells of the first column of cars as missing, of
  training rows 2 %. The weights of a flow of few rows decay, and decayed to even odds of a case; now to its frequency
  (`models.tabular.heads`), which is also where training sets out. On cars this was worth half a nat a row.
"""

Numbers = dict[str, float | None]
Kept = dict[str, dict[str, Numbers]]  # by "table/seed", then by family or baseline


def main() -> int:
    asked = argparse.ArgumentParser()
    able = [name for name, cls in FAMILIES.items() if issubclass(cls, ModelsTables)]
    asked.add_argument("--tables", nargs="+", default=[], choices=[table.name for table in TABLES])
    asked.add_argument("--families", nargs="+", default=[], choices=able)
    asked.add_argument("--page", action="store_true")
    options = asked.parse_args()
    torch.set_num_threads(1)
    if not options.page:
        with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
            for seed in range(SEEDS):
                for table in TABLES:
                    if table.name in (options.tables or [table.name]):
                        measure(table, options.families or able, seed, Path(name), again=bool(options.families))
    (RESULTS / "tables.md").write_text(page(read(), READING, STEPS))
    return 0


def measure(table: Table, families: Sequence[str], seed: int, root: Path, *, again: bool) -> None:
    """Measure what has not been measured, or all of it again, and keep it."""
    key = f"{table.name}/{seed}"
    table.write(root / f"{table.name}.csv")
    for family in families:
        if again or family not in read().get(key, {}):
            found = measured(table, root, family, seed)
            kept = read()
            known = kept.get(key, {})
            kept[key] = known | {name: known.get(name, {}) | numbers for name, numbers in found.items()}
            (RESULTS / "tables.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
            sys.stdout.write(f"{key} {family} {found[family]}\n")
            sys.stdout.flush()


def read() -> Kept:
    file = RESULTS / "tables.json"
    kept: Kept = json.loads(file.read_text()) if file.exists() else {}
    return kept


def measured(table: Table, root: Path, family: str, seed: int) -> dict[str, Numbers]:
    """The numbers of a model, of training rows and of a Gaussian."""
    run = Run.model_validate(
        {
            "family": {"family": family},
            "data": {"source": "table", "path": f"{table.name}.csv", "columns": table.columns},
            "budget": {"steps": STEPS},
            "optimizer": {"batch_size": ROWS},
            "seed": seed,
        }
    )
    with tempfile.TemporaryDirectory() as name:
        began = perf_counter()
        train(run, Path(name) / "model", data_root=root)
        took = perf_counter() - began
        model = load(Path(name) / "model")
    data = load_data(run, root)
    compared = finished(model, data, table, seed)
    found: dict[str, Numbers] = {family: {}, BASELINES["floor"]: {}, BASELINES["gaussian"]: {}}
    for report in compared.metrics:
        for name, side in ((family, report.model), (BASELINES["floor"], report.floor),
                           (BASELINES["gaussian"], report.gaussian)):  # fmt: skip
            if side is not None:
                found[name][report.name] = side.value if np.isfinite(side.value) else None
    told = model.card.metrics
    found[family] |= {"train_s": round(took, 1), "nats": told.get("nats_above_independent_columns")}
    if table.name == "members" and "independent_columns_log_prob_nats" in told:
        truth = members_nats(data, int(told["validation_rows_scored"]))
        found[BASELINES["floor"]]["nats"] = truth - told["independent_columns_log_prob_nats"]
    return found


def members_nats(data: TrainingData, n: int) -> float:
    """The mean log p of the first held-out rows under the density that they are drawn from."""
    if data.spec.table is None:
        raise TypeError("the rows are those of a table")
    columns = {column.name: (column, data.validation.x[:n, i]) for i, column in enumerate(data.spec.table.modelled)}
    told = [
        np.array(column.values, object)[cells.astype(int)] if isinstance(column, Category) else cells
        for column, cells in (columns[name] for name in ("region", "age", "income", "member", "fee"))
    ]
    return float(members_log_density(*told).mean())


def finished(model: Model, data: TrainingData, table: Table, seed: int) -> Compared:
    able = tuple(name for name in METRICS if name != "likelihood_membership" or "likelihood" in model.card.capabilities)
    comparing = compare(model, data, Question(able, n=DRAWN, seed=seed, target=table.target), CPU)
    while True:
        try:
            next(comparing)
        except StopIteration as end:
            result: Compared = end.value
            return result


if __name__ == "__main__":
    sys.exit(main())
