"""The tables of `benchmarks/tables.py`: real ones that ship in packages, and one whose density is known.

`members.csv` is drawn here, as no mixed table of its size ships in a package:

    region    one of five, P = 0.35, 0.25, 0.2, 0.15, 0.05
    age       18 + Binomial(60, q),  q = 0.2 to 0.6 by region
    income    log-normal: log income ~ N(9.6 + 0.02 age - 0.0002 (age - 50)^2 + region / 10, 0.3^2)
    member    yes with probability 1 / (1 + exp(-3 (log income - 10.5)))
    fee       of members: N(20, 2^2) or N(40, 4^2), the latter with probability 0.2, or 0.7 from the age of 50 on;
              missing of others
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MEMBERS = 10_000
REGIONS = ("north", "east", "south", "west", "islands")
SHARES = np.array([0.35, 0.25, 0.2, 0.15, 0.05])
OLD, MOST = 50, 60

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A table, as a file and what is said of its columns."""

    name: str
    write: Callable[[Path], None]
    target: str  # of `train_on_synthetic`
    columns: dict[str, Any] = field(default_factory=dict)


def _packaged(package: str, name: str) -> Path:
    found = next(file for file in files(package) or () if Path(str(file)).name == name)
    return Path(str(found.locate()))


def _write(file: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with file.open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(names)
        out.writerows(rows)


def _penguins(file: Path) -> None:
    shutil.copy(_packaged("palmerpenguins", "penguins-raw.csv"), file)


def _weather(file: Path) -> None:
    shutil.copy(_packaged("vega_datasets", "seattle-weather.csv"), file)


def _cars(file: Path) -> None:
    cars = json.loads(_packaged("vega_datasets", "cars.json").read_text())
    _write(file, list(cars[0]), ([("" if v is None else v) for v in car.values()] for car in cars))


def _learned(name: str) -> Callable[[Path], None]:
    """A table of scikit-learn; its classes by name."""

    def write(file: Path) -> None:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")()
        names = bunch.get("target_names")
        targets = bunch.target if names is None else [str(names[i]) for i in bunch.target]
        rows = ([*x.tolist(), y] for x, y in zip(bunch.data, targets, strict=True))
        _write(file, [*map(str, bunch.feature_names), "target"], rows)

    return write


def _members(file: Path) -> None:
    rng = np.random.default_rng(0)
    region = rng.choice(len(REGIONS), size=MEMBERS, p=SHARES)
    age = 18 + rng.binomial(MOST, _q(region))
    income = np.exp(rng.normal(_log_income(region, age), 0.3))
    member = rng.random(MEMBERS) < _joins(income)
    high = rng.random(MEMBERS) < _pays_much(age)
    fee = np.where(high, rng.normal(40, 4, MEMBERS), rng.normal(20, 2, MEMBERS))
    rows = (
        (REGIONS[r], int(a), float(i), "yes" if m else "no", float(f) if m else "")
        for r, a, i, m, f in zip(region, age, income, member, fee, strict=True)
    )
    _write(file, ("region", "age", "income", "member", "fee"), rows)


def members_log_density(region: NDArray[Any], age: Reals, income: Reals, member: NDArray[Any], fee: Reals) -> Reals:
    """Log p of rows, (n,) nats; `region` by name, `fee` NaN where there is none."""
    from scipy.stats import binom, norm

    r = np.array([REGIONS.index(name) for name in region])
    log_p = np.log(SHARES[r]) + binom.logpmf(age - 18, MOST, _q(r))
    log_p += norm.logpdf(np.log(income), _log_income(r, age), 0.3) - np.log(income)
    joins, much, is_member = _joins(income), _pays_much(age), member == "yes"
    paid = (1 - much) * norm.pdf(np.nan_to_num(fee), 20, 2) + much * norm.pdf(np.nan_to_num(fee), 40, 4)
    return np.asarray(log_p + np.where(is_member, np.log(joins) + np.log(np.maximum(paid, 1e-300)), np.log1p(-joins)))


def _q(region: NDArray[Any]) -> Reals:
    return np.asarray(0.2 + 0.1 * region)


def _log_income(region: NDArray[Any], age: NDArray[Any]) -> Reals:
    return np.asarray(9.6 + 0.02 * age - 0.0002 * (age - OLD) ** 2 + region / 10)


def _joins(income: Reals) -> Reals:
    return np.asarray(1 / (1 + np.exp(-3 * (np.log(income) - 10.5))))


def _pays_much(age: NDArray[Any]) -> Reals:
    return np.where(age >= OLD, 0.7, 0.2)


TABLES = (
    Table("penguins", _penguins, "Species", {"Comments": {"kind": "drop"}, "Individual ID": {"kind": "drop"}}),
    Table("cars", _cars, "Origin", {"Name": {"kind": "drop"}}),
    Table("seattle-weather", _weather, "weather"),
    Table("breast_cancer", _learned("breast_cancer"), "target"),
    Table("wine", _learned("wine"), "target"),
    Table("diabetes", _learned("diabetes"), "target"),
    Table("members", _members, "member"),
)
