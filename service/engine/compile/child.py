"""The compiling child: `python -m pushforward.service.engine.compile.child FILE NICE`, one package a process.

It reads an order from standard input, writes the package to FILE, compares it with the network it was made of, and
prints the result. Weights are an argument, so the network has random ones, and a package is checked with other weights
than it was traced with. The child has a low priority and ends with its worker (end of file on standard input).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from math import exp, log
from pathlib import Path
from statistics import mean, median
from time import perf_counter

import torch
from torch import Tensor, nn
from torch._inductor import aoti_compile_and_package
from torch.export import Dim, export

from pushforward.service.engine.compile.packages import (
    MAX_ROWS,
    CompileOrder,
    MethodOf,
    Package,
    PackageComparison,
    difference,
    weights_of,
)
from pushforward.service.processes.background import begin_thread

TRACED_ROWS = 4  # 0 and 1 would become constants
CHECKED_ROWS = (1, 2, 3, 8, 64)
TIMED_ROWS = (1, 8, 64)
TIMED_S = 0.5  # for each number of rows
ROUNDS = 5  # at least


def main(file: Path, nice: int) -> None:
    """Carry out one order."""
    os.nice(nice)
    order = CompileOrder.model_validate_json(sys.stdin.readline())
    begin_thread("end with the worker", _end_with_worker, vital=True)
    torch.set_num_threads(order.torch_threads)
    with torch.no_grad():
        result = compiled(order, file)
    print(result.model_dump_json(), flush=True)  # noqa: T201  the worker reads it


def compiled(order: CompileOrder, file: Path) -> PackageComparison:
    """Make the package and check it."""
    device = torch.device(order.device)
    rng = torch.Generator().manual_seed(0)
    net = stirred(order.family.build(order.spec)[order.net], rng).to(device).eval()

    def rows(n: int) -> tuple[Tensor, ...]:
        return tuple(torch.randn(n, *shape, generator=rng).to(device) for shape in order.inputs)

    write_package(net, order.method, rows(TRACED_ROWS), file)
    stirred(net, rng)
    package = Package(file, net, order.inputs, device)
    eager: Callable[..., Tensor | tuple[Tensor, ...]] = getattr(net, order.method)
    differences = [difference(package(*x), eager(*x)) for x in map(rows, CHECKED_ROWS)]
    gains = [_gain(lambda x=x: eager(*x), lambda x=x: package(*x), device) for x in map(rows, TIMED_ROWS)]  # type: ignore[misc]  # mypy infers no lambda with defaults
    return PackageComparison(gain=exp(mean(log(gain) for gain in gains)), difference=max(differences))


def write_package(net: nn.Module, method: str, inputs: tuple[Tensor, ...], file: Path) -> None:
    """Compile a method for any number of rows and any weights."""
    rows = Dim("rows", min=1, max=MAX_ROWS)
    weights = list(weights_of(net).values())
    exported = export(
        MethodOf(net, method),
        (weights, list(inputs)),
        dynamic_shapes=([None for _ in weights], [{0: rows} for _ in inputs]),
    )
    aoti_compile_and_package(
        exported,
        package_path=str(file),
        inductor_configs={"aot_inductor.precompile_headers": False},  # they pay from the second package of a process
    )


def stirred(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """The network with random noise on its weights: some start as the identity, which would hide mistakes."""
    for weights in net.parameters():
        weights.add_(0.1 * torch.randn(weights.shape, generator=rng))
    return net.requires_grad_(False)


def _gain(eager: Callable[[], object], package: Callable[[], object], device: torch.device) -> float:
    """How many times faster the package is: the median over rounds, in each of which both are called."""
    ratios: list[float] = []
    give_up = perf_counter() + TIMED_S
    while len(ratios) < ROUNDS or perf_counter() < give_up:
        ratios.append(_seconds(eager, device) / _seconds(package, device))
    return median(ratios)


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    since = perf_counter()
    call()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return perf_counter() - since


def _end_with_worker() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
