"""Measure what compiling the networks brings: eager calls, `torch.compile` in the process, and the worker's packages.

    python benchmarks/compiling.py               # some minutes

Ratios come from rounds in which all three take their turn, so a busy machine blurs them and does not shift them.
Writes docs/results/compiling.md.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Literal

import torch
from torch import nn

from pushforward.models.families.diffusion import Diffusion
from pushforward.models.families.flow import Flow
from pushforward.models.families.vae import VAE
from pushforward.models.networks import Bijection
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.service.engine.compile.child import stirred
from pushforward.service.engine.compile.packages import CompileOrder, Package, difference

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "compiling.md"
PLANE, DIGITS = DataSpec(shape=(2,)), DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17)
ROWS = (1, 8, 64)
ROUNDS_S = 2.0  # for each number of rows
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """A method of a network."""

    name: str
    family: VAE | Diffusion | Flow
    spec: DataSpec
    net: str
    inputs: tuple[Shape, ...]
    method: Literal["forward", "inverse"] = "forward"


@dataclass(frozen=True)
class Row:
    """Eager time, and how many times faster the others are."""

    case: Case
    rows: int
    eager_us: float
    in_process: float
    package: float
    bfloat16: float | None
    bfloat16_error: float | None


CASES = (
    Case("decoder 20-400-784", VAE(latent=20, width=400, depth=1), DataSpec(shape=(784,)), "decoder", ((20,),)),
    Case("convolutional decoder, digits", VAE(latent=8), DIGITS, "decoder", ((8,),)),
    Case("denoiser of points", Diffusion(), PLANE, "denoiser", ((2,), ())),
    Case("denoiser of digits (UNet)", Diffusion(), DIGITS, "denoiser", ((1, 8, 8), ())),
    Case("spline flow of points, to noise", Flow(n_transforms=3), PLANE, "flow", ((2,),)),
    Case("spline flow of points, from noise", Flow(n_transforms=3), PLANE, "flow", ((2,),), "inverse"),
)


def main() -> int:
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rows: list[Row] = []
    costs: list[tuple[Case, float, float, float]] = []
    with tempfile.TemporaryDirectory(prefix="pushforward-") as folder, torch.no_grad():
        for i, case in enumerate(CASES):
            file = Path(folder) / f"{i}.pt2"
            cpu_s = packaged(case, file)
            in_process, in_process_s = compiled_in_process(case)
            costs.append((case, cpu_s, in_process_s, file.stat().st_size / 2**20))
            rows += measured(case, in_process, file)
            print(*rows[-len(ROWS) :], sep="\n", flush=True)
    child_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    RESULTS.write_text(table(rows, costs, child_mb, load))
    return 0


def packaged(case: Case, file: Path) -> float:
    """Make the package as a worker does; CPU seconds."""
    order = CompileOrder(
        family=case.family,
        spec=case.spec,
        net=case.net,
        method=case.method,
        inputs=case.inputs,
        device="cpu",
        torch_threads=1,
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory(prefix="pushforward-") as cache:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        command = [sys.executable, "-m", "pushforward.service.engine.compile.child", str(file), "0"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as child:
            if child.stdin is None or child.stdout is None:
                raise SystemExit("no pipes")
            child.stdin.write(order.model_dump_json().encode() + b"\n")
            child.stdin.flush()
            print(case.name, child.stdout.read().decode(), flush=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def network(case: Case) -> nn.Module:
    torch.manual_seed(0)
    return stirred(case.family.build(case.spec)[case.net], torch.Generator().manual_seed(0)).eval()


def inputs(case: Case, rows: int) -> tuple[torch.Tensor, ...]:
    rng = torch.Generator().manual_seed(rows)
    return tuple(torch.randn(rows, *shape, generator=rng) for shape in case.inputs)


def compiled_in_process(case: Case) -> tuple[Callable[..., object], float]:
    """`torch.compile` with a symbolic number of rows, and its CPU seconds."""
    torch.compiler.reset()
    before_s = time.process_time()
    compiled: Callable[..., object] = torch.compile(getattr(network(case), case.method), dynamic=True)
    for rows in (*ROWS, *ROWS):
        compiled(*inputs(case, rows))
    return compiled, time.process_time() - before_s


def measured(case: Case, in_process: Callable[..., object], file: Path) -> Iterator[Row]:
    net = network(case)
    method: Callable[..., torch.Tensor | tuple[torch.Tensor, ...]] = getattr(net, case.method)
    package = Package(file, net, case.inputs, CPU)
    half = None if isinstance(net, Bijection) else network(case).to(torch.bfloat16)
    for rows in ROWS:
        x = inputs(case, rows)
        calls: list[Callable[[], object]] = [
            partial(method, *x),
            partial(in_process, *x),
            partial(package, *x),
        ]
        error = None
        if half is not None:
            x_half = tuple(t.bfloat16() for t in x)
            calls.append(partial(half, *x_half))
            found = half(*x_half)
            error = difference(found.float() if isinstance(found, torch.Tensor) else found, method(*x))
        times = interleaved(calls)
        eager, others = times[0], [median(a / b for a, b in zip(times[0], each, strict=True)) for each in times[1:]]
        yield Row(case, rows, 1e6 * median(eager), others[0], others[1], others[2] if half else None, error)


def interleaved(calls: list[Callable[[], object]]) -> list[list[float]]:
    """Seconds of each call in each round."""
    times: list[list[float]] = [[] for _ in calls]
    give_up = time.perf_counter() + ROUNDS_S
    while time.perf_counter() < give_up or len(times[0]) < 10:
        for call, spent in zip(calls, times, strict=True):
            since = time.perf_counter()
            call()
            spent.append(time.perf_counter() - since)
    return times


def table(rows: list[Row], costs: list[tuple[Case, float, float, float]], child_mb: float, load: float) -> str:
    cores = len(os.sched_getaffinity(0))
    lines = [
        "# What compiling the networks brings",
        "",
        f"`python benchmarks/compiling.py`, {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, "
        f"{cores} cores with a load of {load:.1f} beside it, no GPU, torch {torch.__version__}, one thread. Times are "
        "medians of one call; the others are how many times faster than eager they are, above 1 is better. bfloat16 is "
        "eager, its error relative to the largest number of the answer.",
        "",
        "| network | rows | eager, µs | torch.compile | package | bfloat16 | its error |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row.case.name} | {row.rows} | {row.eager_us:.0f} | {row.in_process:.2f} | **{row.package:.2f}** "
            + ("| | |" if row.bfloat16 is None else f"| {row.bfloat16:.2f} | {row.bfloat16_error:.0e} |")
            for row in rows
        ),
        "",
        "What it costs, once for each architecture:",
        "",
        "| network | package, CPU s | torch.compile, CPU s in the process | package, MB |",
        "|---|---|---|---|",
        *(f"| {case.name} | {child_s:.0f} | {own_s:.0f} | {size_mb:.1f} |" for case, child_s, own_s, size_mb in costs),
        "",
        f"The compiling child and its C++ compiler held at most {child_mb:.0f} MB each.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
