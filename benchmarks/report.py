"""What was wanted, what was reached, and where: as a table and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from math import isinf, isnan
from pathlib import Path
from statistics import median
from typing import Any, Literal

import orjson
from load import Closed

RESULTS = Path(__file__).parent.parent / "docs" / "results"
RATE_COLUMNS = [
    "server",
    "load",
    "asks/s",
    "goodput/s",
    "p50",
    "p95",
    "p99 ms",
    "statuses",
    "overshoot ms",
    "behind ms",
]
OPEN_LOOP = (
    "Latencies count from when an ask was due, deadlines from when it was sent; behind: the p99 of the time between. "
    "Status 0: no answer. Overshoot: by how much the worst ask that was accepted missed its deadline."
)
VERSIONS = ("torch", "fastapi", "uvicorn", "redis", "celery", "numpy")


@dataclass(frozen=True)
class Row:
    """A figure with a goal; one value for each round, their median counts."""

    load: str
    figure: str
    goal: Literal["at least", "at most"]
    wanted: float
    reached: Sequence[float]
    note: str = ""

    @property
    def verdict(self) -> str:
        if not self.reached or isnan(median(self.reached)):
            return "not measured"
        if isinf(self.wanted):
            return ""
        middle = median(self.reached)
        good = middle >= self.wanted if self.goal == "at least" else middle <= self.wanted
        return "reached" if good else "**not reached**"

    @property
    def cells(self) -> tuple[str, ...]:
        spread = f" ({min(self.reached):.3g} to {max(self.reached):.3g})" if len(self.reached) > 1 else ""
        reached = f"{median(self.reached):.3g}{spread}" if self.reached else ""
        wanted = "" if isinf(self.wanted) else f"{self.goal} {self.wanted:g}"
        return self.load, self.figure, wanted, reached, self.verdict, self.note


@dataclass(frozen=True)
class Rate:
    """A server under an open loop of one rate."""

    server: str
    of_capacity: float
    offered_per_s: float
    goodput_per_s: float  # answers within the deadline
    p50_ms: float
    p95_ms: float
    p99_ms: float
    statuses: Mapping[int, int]  # 0: broken off, by the server or by the client's patience
    told_when: int  # refusals with Retry-After
    overshoot_ms: float  # by which the worst accepted ask missed its deadline
    behind_ms: float  # the generator's own delay, p99: where it is large, so are the latencies
    step_ms: float  # one step of a sampler, as its answers tell; 0 where they do not


@dataclass
class Findings:
    """All that a run of the benchmark found."""

    rows: list[Row] = field(default_factory=list)
    closed: dict[str, list[Closed]] = field(default_factory=dict)  # by server, of all rounds
    rates: list[Rate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def markdown(findings: Findings, settings: Mapping[str, str], command: str) -> str:
    """The page."""
    parts = ["# How fast it serves, beside others", "", f"`{command}`, {where()}", ""]
    columns = ["load", "figure", "wanted", "reached (of all rounds)", "", ""]
    parts += [*_table(columns, [row.cells for row in findings.rows]), ""]
    if findings.closed:
        parts += ["## Closed loop: one-row samples as JSON", ""]
        parts += ["Requests/s (p50 / p99 in ms), medians of the rounds; errors are of all rounds.", ""]
        clients = sorted({seen.clients for rounds in findings.closed.values() for seen in rounds})
        columns = ["server", *(f"{n} clients" if n > 1 else "1 client" for n in clients), "errors"]
        parts += [*_table(columns, [_closed(name, rounds, clients) for name, rounds in findings.closed.items()]), ""]
    if findings.rates:
        parts += ["## Open loop: Poisson arrivals, a deadline of 1 s", ""]
        parts += [*_table(RATE_COLUMNS, [_rate(rate) for rate in findings.rates]), "", OPEN_LOOP, ""]
    parts += ["## Settings", "", *(f"- {name}: {words}." for name, words in settings.items()), ""]
    parts += [f"- {note}" for note in findings.notes]
    return "\n".join(parts).rstrip() + "\n"


def write(findings: Findings, text: str, command: str) -> None:
    """docs/results/serving.md and .json."""
    rows = [{**asdict(row), "verdict": row.verdict.strip("*")} for row in findings.rows]
    found: dict[str, Any] = {**asdict(findings), "rows": rows, "command": command, "where": where()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    as_text = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE  # nan, where none, is null
    (RESULTS / "serving.json").write_bytes(orjson.dumps(found, option=as_text))
    (RESULTS / "serving.md").write_text(text)


def _closed(name: str, rounds: Iterable[Closed], clients: Sequence[int]) -> tuple[str, ...]:
    seen = list(rounds)
    cells = []
    for n in clients:
        of_n = [each for each in seen if each.clients == n]
        per_s, p50, p99 = (median(getattr(each, name) for each in of_n) for name in ("per_s", "p50_ms", "p99_ms"))
        cells.append(f"{per_s:.0f} ({p50:.3g} / {p99:.3g})")
    errors = {word: sum(getattr(each, word) for each in seen) for word in ("refused", "broken", "late")}
    return name, *cells, ", ".join(f"{n} {word}" for word, n in errors.items() if n) or "none"


def _rate(rate: Rate) -> tuple[str, ...]:
    statuses = ", ".join(f"{status}: {n}" for status, n in sorted(rate.statuses.items()))
    told = f" ({rate.told_when} say when to come again)" if rate.told_when else ""
    return (
        rate.server,
        f"{rate.of_capacity:.0%}",
        f"{rate.offered_per_s:.0f}",
        f"{rate.goodput_per_s:.0f}",
        *(f"{ms:.3g}" for ms in (rate.p50_ms, rate.p95_ms, rate.p99_ms)),
        statuses + told,
        f"{rate.overshoot_ms:.1f}",
        f"{rate.behind_ms:.1f}",
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def where() -> str:
    """When, on which machine, with which versions."""
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {_cpu()}, {cores} cores "
        f"shared by the load and the servers, no GPU used; Python {platform.python_version()}, {versions}."
    )


def _cpu() -> str:
    """Its model, where the system tells."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
