"""Tell where the time of a one-row sample goes: the CPU that each process spends on it, and where the ask waits.

    python benchmarks/serving_profile.py          # a minute; writes docs/results/serving-profile.md

CPU times are the system's, of each process and its threads, divided by the answers; waits are the service's own
histograms. With one client processes sleep between two asks, and what they do then they do with cold caches.
"""

from __future__ import annotations

import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import in_process
import psutil
from contestants import EMPTY, Ours, ours, serving
from load import closed_loop
from report import where
from serving import SAMPLE

CLIENTS = (1, 8, 64, 256)
SECONDS = 4.0
RESULTS = Path(__file__).parent.parent / "docs" / "results" / "serving-profile.md"
HEAD = (
    *("clients", "asks/s", "p50 ms", "gateway us", "worker us", "Redis us"),
    *("linger ms", "queue ms", "compute ms", "rows a call"),
)


@dataclass(frozen=True)
class Seen:
    """One row."""

    clients: int
    per_s: float
    p50_ms: float
    cpu_us: Mapping[str, float]  # of one ask, by process
    waits: Mapping[str, float]  # means


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="pushforward-") as name:
        folder = Path(name)
        with ours(folder) as place:
            in_process.train(folder / "data", place.port)
        weights = folder / "decoder.safetensors"
        in_process.export(in_process.load(folder / "store"), weights)
        with serving(EMPTY, weights, folder) as port:
            limit = [closed_loop(port, SAMPLE, clients, SECONDS).per_s for clients in CLIENTS]
        with ours(folder) as place:
            rows = list(profile(place, folder))
    text = "\n".join(table(rows, limit)) + "\n"
    print(text)
    RESULTS.write_text(text)
    return 0


def profile(place: Ours, folder: Path) -> Iterator[Seen]:
    """A closed loop for each number of clients."""
    processes = {"gateway": place.gateway, "worker": place.worker, "Redis": redis_of(folder)}
    for clients in CLIENTS:
        closed_loop(place.port, SAMPLE, clients, 1.0)  # warm
        cpu, told = {name: cpu_s(each) for name, each in processes.items()}, histograms(place.port)
        loop = closed_loop(place.port, SAMPLE, clients, SECONDS)
        spent = {name: cpu_s(each) - cpu[name] for name, each in processes.items()}
        new = {name: value - told.get(name, 0.0) for name, value in histograms(place.port).items()}
        n = new["total_seconds_count"]
        waits = {name: 1000 * new[f"{name}_seconds_sum"] / n for name in ("linger", "queue", "compute")}
        rows = new["batch_rows_sum"] / n
        yield Seen(clients, loop.per_s, loop.p50_ms, {k: 1e6 * v / n for k, v in spent.items()}, waits | {"rows": rows})


def redis_of(folder: Path) -> psutil.Process:
    """Whose socket is in the folder."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or []) and "redis" in process.name():
            return process
    raise SystemExit("Redis is not to be found")


def cpu_s(process: psutil.Process) -> float:
    """User and system time so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def histograms(port: int) -> dict[str, float]:
    """Sums and counts of the asks' histograms."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        text = response.read().decode()
    found: dict[str, float] = {}
    for name, value in re.findall(r"^pushforward_ask_(\w+_(?:sum|count))\{[^}]*\} (\S+)$", text, re.MULTILINE):
        found[name] = found.get(name, 0.0) + float(value)
    return found


def table(rows: list[Seen], limit: list[float]) -> Iterator[str]:
    yield "# Where the time of a one-row sample goes"
    yield ""
    yield f"`python benchmarks/serving_profile.py`, {where()}"
    yield ""
    yield "CPU microseconds of one ask by process, and the means of the service's histograms; one gateway."
    yield ""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{' --- |' * len(HEAD)}"
    for row in rows:
        cells = [row.clients, f"{row.per_s:.0f}", f"{row.p50_ms:.2f}"]
        cells += [f"{row.cpu_us[name]:.0f}" for name in ("gateway", "worker", "Redis")]
        cells += [f"{row.waits[name]:.2f}" for name in ("linger", "queue", "compute", "rows")]
        yield "| " + " | ".join(map(str, cells)) + " |"
    yield ""
    told = ", ".join(f"{per_s:.0f}/s at {clients}" for clients, per_s in zip(CLIENTS, limit, strict=True))
    yield f"The empty handler in the same run: {told} clients."


if __name__ == "__main__":
    sys.exit(main())
