"""Compare what the flow presets answer with zuko called directly: the same architecture and rows, in one process.

    python benchmarks/flows.py                   # some minutes
    python benchmarks/flows.py --seconds 0.2     # of each measurement, or three rounds where they take longer

Ours is what a worker does for an ask, less the service: noise, normalization, the network, data units. zuko's is
`flow().sample` and `flow().log_prob` of its own classes, on rows that are normalized and dequantized already. Both
take turns; what is told is the median of the ratios of neighbors, of processor time: with one thread that is what an
idle core would take, also on a busy machine. Presets of the same architecture are measured once. Writes
docs/results/flows.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import zuko
from torch import Tensor

from pushforward.models.families.flow import Flow
from pushforward.models.flows.dequantization import DequantizationOptions, Uniform, dequantize
from pushforward.models.flows.logit import to_reals
from pushforward.models.flows.univariate import Spline
from pushforward.models.noise import Noise
from pushforward.models.presets import PRESETS
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import sample
from pushforward.models.training.data import TrainingData, conditions, load_data

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "flows.md"
ROWS = (1, 64, 256)
ROUNDS = 3  # at least
WANTED = 1.2  # times zuko's time, at most


@dataclass(frozen=True)
class Measured:
    """One request to one preset's architecture."""

    preset: str
    request: str
    rows: int
    ours_ms: float
    ratio: float  # of ours to zuko's


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0)
    seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    measured = [each for name, (run, flow) in architectures().items() for each in compared(name, run, flow, seconds)]
    text = table(measured, load)
    print(text)
    RESULTS.write_text(text)
    return 0


def architectures() -> dict[str, tuple[Run, Flow]]:
    """The first preset of each."""
    first = dict[str, tuple[str, Run, Flow]]()
    for name, preset in PRESETS.items():
        if isinstance(preset.run.family, Flow):
            flow = preset.run.family.model_copy(update={"dequantization": Uniform()})
            key = f"{flow.model_dump_json()} on {preset.run.data.model_dump_json()}"
            first.setdefault(key, (name, preset.run, flow))
    return {name: (run, flow) for name, run, flow in first.values()}


def compared(name: str, run: Run, family: Flow, seconds: float) -> list[Measured]:
    """Samples and densities, at each number of rows; of levels the density of one dequantized draw."""
    data = load_data(run, Path())
    nets = family.build(data.spec).requires_grad_(False).eval()
    theirs = like(family, data.spec).requires_grad_(False).eval()
    sampler = family.sampler(nets, family.SampleOptions())
    one_draw = DequantizationOptions(k=1)

    def pair(n: int) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
        x, c = rows(data, n)
        noise = Noise.rows(0, n)
        continuous = x if data.spec.levels is None else dequantize(data.spec, x, torch.rand(x.shape))
        v, _ = to_reals(data.spec, continuous, family.alpha)
        given = (c,) if c.shape[1] else ()
        return {
            "sample": (
                lambda: sample(sampler, noise, c),
                (lambda: theirs(c).sample()) if given else (lambda: theirs().sample((n,))),
            ),
            "likelihood": (
                lambda: family.log_prob(nets, x, c, noise, one_draw),
                lambda: theirs(*given).log_prob(v),
            ),
        }

    return [
        Measured(name, request, n, *timed(ours, zukos, seconds))
        for n in ROWS
        for request, (ours, zukos) in pair(n).items()
    ]


def like(family: Flow, spec: DataSpec) -> Any:
    """zuko's own flow of the same architecture."""
    common: dict[str, Any] = {
        "context": spec.condition_size,
        "transforms": family.n_transforms,
        "passes": 2 if family.scheme == "coupling" else None,
        "hidden_features": [family.width] * family.depth,
        "activation": torch.nn.SiLU,
    }
    if isinstance(family.transform, Spline):
        flow = zuko.flows.NSF(spec.size, bins=family.transform.bins, **common)
    else:
        flow = zuko.flows.MAF(spec.size, **common)
    if family.scheme == "inverse_autoregressive":
        flow.transform = flow.transform.inv
    return flow


def rows(data: TrainingData, n: int) -> tuple[Tensor, Tensor]:
    """N validation rows and their conditions."""
    some = data.validation.of(np.arange(n) % len(data.validation.x))
    return torch.from_numpy(some.x).float(), conditions(data, some, torch.device("cpu"))


@torch.inference_mode()
def timed(ours: Callable[[], object], zukos: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Ours in milliseconds, and the ratio to zuko's: medians over rounds in which both take their turn."""
    ours(), zukos()
    ours_ms, ratios = list[float](), list[float]()
    give_up = time.process_time() + seconds
    while len(ratios) < ROUNDS or time.process_time() < give_up:
        ours_ms.append(_ms(ours))
        ratios.append(ours_ms[-1] / _ms(zukos))
    return median(ours_ms), median(ratios)


def _ms(call: Callable[[], object]) -> float:
    since = time.process_time()
    call()
    return 1000 * (time.process_time() - since)


def table(measured: list[Measured], load: float) -> str:
    by_request = {(m.preset, m.request, m.rows): m for m in measured}
    worst = max(measured, key=lambda m: m.ratio)
    lines = [
        "# Flows beside zuko",
        "",
        f"`python benchmarks/flows.py`, {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, one "
        f"thread of {len(os.sched_getaffinity(0))} cores with a load of {load:.1f} beside it, no GPU used, torch "
        f"{torch.__version__}, zuko {version('zuko')}. Milliseconds of the processor for ours, and their ratio to zuko "
        f"called directly with the same architecture; wanted: at most {WANTED}.",
        "",
        "| preset | asked | " + " | ".join(f"{n} rows, ms | ratio" for n in ROWS) + " |",
        "|---|---|" + "---|---|" * len(ROWS),
        *(
            f"| {name} | {request} | "
            + " | ".join(
                f"{by_request[name, request, n].ours_ms:.2f} | {by_request[name, request, n].ratio:.2f}" for n in ROWS
            )
            + " |"
            for name in dict.fromkeys(m.preset for m in measured)
            for request in ("sample", "likelihood")
        ),
        "",
        f"{sum(m.ratio <= WANTED for m in measured)} of {len(measured)} ratios are at most {WANTED}, their median is "
        f"{median(m.ratio for m in measured):.2f}; the largest is {worst.ratio:.2f}: {worst.request} of "
        f"{worst.preset}, rows: {worst.rows}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
