"""Measure how fast `models.training.loop.train` trains, beside a plain loop a user would write for the same networks.

    python benchmarks/training.py                    # a quarter of an hour; --seconds 10 for half of it
    python benchmarks/training.py vae-digits --seconds 60
    python benchmarks/training.py --device cuda      # where there is one; writes docs/results/training_cuda.md

The plain loop draws the same batches, computes the same loss by hand, and descends on it by `loss.backward()`, gradient
clipping and torch's Adam as it comes. It averages no weights, seeds no steps and cannot be resumed; ours does all of
that, in float32 and in bfloat16. Two further plain loops show what is not built: networks whose convolutions have
channels last, and networks compiled by `torch.compile`, with what the compilation costs before the first step.

All take turns of a few steps in one process, on one thread, and what is compared is the ratio of neighboring turns, so
a busy machine blurs the figures and does not shift them. Writes docs/results/training.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from math import lgamma, log, pi
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pushforward.models.data import Toy
from pushforward.models.families.diffusion import Diffusion
from pushforward.models.families.flow import Flow
from pushforward.models.families.vae import VAE
from pushforward.models.networks import Nets
from pushforward.models.presets import PRESETS
from pushforward.models.run import Budget, Run
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.rows import first_rows
from pushforward.models.training.state import fresh

RESULTS = Path(__file__).parent.parent / "docs" / "results"
WANTED = 1.0
CPU = torch.device("cpu")
NAMES = (
    "vae-two-moons",
    "vae-digits",
    "flow-two-moons",
    "flow-eight-gaussians",
    "diffusion-two-moons",
    "diffusion-digits",
)
WARM_UP_STEPS = 20
TURN_S = 0.3
FIRST_STEPS = 30  # more than an epoch of digits, whose last batch is compiled by itself
LEAST_TURNS = 4  # quartiles need some
HEAD = (
    "| what | plain, steps/s | ours, steps/s | ratio | quartiles | turns | wanted |",
    "|---|---|---|---|---|---|---|",
)
NOT_BUILT_HEAD = (
    "| what | steps/s | ratio | quartiles | costs before, s | repaid after, steps | the preset has |",
    "|---|---|---|---|---|---|---|",
)
PlainLoss = Callable[[Nets, Tensor], Tensor]
Change = Callable[[Nets], Nets]  # of the networks, before they are trained


@dataclass(frozen=True)
class Row:
    """Steps a second in each turn, by turns."""

    name: str
    ours: list[float]
    plain: list[float]
    wanted: float | None = WANTED

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.plain, strict=True)]


@dataclass(frozen=True)
class NotBuilt:
    """A plain loop whose networks are changed first, beside the plain one."""

    row: Row
    before_s: float  # to the end of the first steps, beyond what the plain loop takes for them
    preset_steps: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=NAMES, metavar="preset")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each preset")
    parser.add_argument("--device", type=torch.device, default=CPU)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rows, others = list[Row](), list[NotBuilt]()
    with TemporaryDirectory() as cache:  # empty: a first training of these networks pays
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        for name in asked.presets:
            of_preset, tried = measured(name, asked.seconds, asked.device)
            rows, others = [*rows, *of_preset], [*others, *tried]
            print(*map(line, of_preset), *map(line_of_other, tried), sep="\n", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / ("training.md" if asked.device.type == "cpu" else f"training_{asked.device.type}.md")
    file.write_text("\n".join(page(rows, others, load, asked.device)) + "\n")
    return 0


def measured(name: str, seconds: float, device: torch.device) -> tuple[list[Row], list[NotBuilt]]:
    """Our loop beside the plain one, in both precisions, and what is not built."""
    preset = PRESETS[name].run
    run = preset.model_copy(update={"budget": Budget(steps=10_000_000)})
    low = run.model_copy(update={"optimizer": run.optimizer.model_copy(update={"precision": "bfloat16"})})
    data = load_data(run, Path())
    changes = {"channels last": with_channels_last, "compiled": compiled}
    loops = [
        plain_loop(run, data, device),
        *(our_loop(each, data, device) for each in (run, low)),
        *(plain_loop(run, data, device, change) for change in changes.values()),
    ]
    first_s = [seconds_of(loop, FIRST_STEPS, device) for loop in loops]
    plain, ours, rounded, *others = alternating(loops, seconds, device)
    steps = preset.budget.total_steps(data.n_rows, run.optimizer.batch_size) or 0
    tried = [
        NotBuilt(Row(f"{name}, {what}", rates, plain), max(0.0, s - first_s[0]), steps)
        for what, rates, s in zip(changes, others, first_s[3:], strict=True)
    ]
    return [Row(name, ours, plain), Row(f"{name}, bfloat16", rounded, plain, wanted=None)], tried


def alternating(loops: Sequence[Iterator[object]], seconds: float, device: torch.device = CPU) -> list[list[float]]:
    """Steps a second of some loops, in turns of about TURN_S."""
    turn = max(1, round(TURN_S / median(seconds_of(loop, WARM_UP_STEPS, device) / WARM_UP_STEPS for loop in loops)))
    rates: list[list[float]] = [[] for _ in loops]
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(rates[0]) < LEAST_TURNS:
        first = len(rates[0]) % len(loops)  # who begins changes, as a clock frequency may
        for which in (*range(first, len(loops)), *range(first)):
            rates[which].append(turn / seconds_of(loops[which], turn, device))
    return rates


def seconds_of(loop: Iterator[object], steps: int, device: torch.device = CPU) -> float:
    began = time.perf_counter()
    for _ in islice(loop, steps):
        pass
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def our_loop(run: Run, data: TrainingData, device: torch.device = CPU) -> Iterator[object]:
    return train(data, fresh(run, data, device))


def unchanged(nets: Nets) -> Nets:
    return nets


def with_channels_last(nets: Nets) -> Nets:
    return nets.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # torch's stub


def compiled(nets: Nets) -> Nets:
    """Each network by itself, as it is called."""
    for net in nets.values():
        net.compile()
    return nets


def plain_loop(
    run: Run, data: TrainingData, device: torch.device = CPU, change: Change = unchanged
) -> Iterator[object]:
    """What one writes for a script that trains this one model."""
    torch.manual_seed(run.seed)
    nets, adam = change(run.family.build(data.spec).to(device)), run.optimizer
    loss_of = plain_loss(run, nets, device)
    optimizer = torch.optim.Adam(nets.parameters(), lr=adam.lr, betas=adam.betas)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, run.budget.steps or 1)
    for x in plain_batches(data, adam.batch_size, run.seed):
        loss = loss_of(nets, x.to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(nets.parameters(), adam.clip_norm)
        optimizer.step()
        scheduler.step()
        yield loss.item()  # for the curve


def plain_batches(data: TrainingData, size: int, seed: int) -> Iterator[Tensor]:
    """Without end: rows drawn afresh, or epochs of shuffled rows."""
    rng = np.random.default_rng(seed)
    if isinstance(data.train, Toy):
        while True:
            yield torch.from_numpy(data.train.draw(size, rng))
    x = torch.from_numpy(first_rows(data.train, data.n_rows or 0).x).float()
    while True:
        yield from torch.split(x[torch.randperm(len(x))], size)


def plain_loss(run: Run, nets: Nets, device: torch.device) -> PlainLoss:
    """The loss of a family, written out for the data at hand."""
    family, spec = run.family, nets.spec
    if isinstance(family, Flow):
        return flow_loss
    if isinstance(family, Diffusion):
        log_snr = torch.from_numpy(family.schedule.log_snr(family.steps)).float().to(device)
        return lambda nets, x: diffusion_loss(nets, x, log_snr)
    if isinstance(family, VAE):
        return vae_loss if spec.levels is None else vae_counts_loss
    raise SystemExit(f"no plain loop is written for {family.family}")


def vae_loss(nets: Nets, x: Tensor) -> Tensor:
    """-ELBO under a Gaussian of one learned scale."""
    y, kl, u = _decoded(nets, x)
    log_scale = nets["scale"]()
    log_p = -0.5 * ((u - y) / log_scale.exp()) ** 2 - log_scale - 0.5 * log(2 * pi)
    loss: Tensor = kl - log_p.flatten(1).sum(1).mean() - nets.spec.log_jacobian
    return loss


def vae_counts_loss(nets: Nets, x: Tensor) -> Tensor:
    """-ELBO under a binomial for each pixel of a digit, 0 to 16."""
    y, kl, _ = _decoded(nets, x)
    ways = lgamma(17.0) - torch.lgamma(x + 1) - torch.lgamma(17 - x)
    log_p = ways - 16 * F.binary_cross_entropy_with_logits(y, x / 16, reduction="none")
    return kl - log_p.flatten(1).sum(1).mean()


def _decoded(nets: Nets, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    u = nets.spec.normalize(x)
    mu, log_var = nets["encoder"](u).chunk(2, dim=1)
    log_var = log_var.clamp(-12, 6)
    z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()
    return nets["decoder"](z), kl, u


def flow_loss(nets: Nets, x: Tensor) -> Tensor:
    """-log p of continuous data."""
    u = nets.spec.normalize(x).flatten(1)
    z, log_det = nets["flow"](u)
    log_p: Tensor = -0.5 * (z**2).sum(1) - 0.5 * nets.spec.size * log(2 * pi) + log_det + nets.spec.log_jacobian
    return -log_p.mean()


def diffusion_loss(nets: Nets, x: Tensor, log_snr: Tensor) -> Tensor:
    """DDPM's simple loss."""
    if nets.spec.levels is not None:
        x = x + nets.spec.bin_width * (torch.rand_like(x) - 0.5)
    u: Tensor = nets.spec.normalize(x)
    level = log_snr[torch.randint(len(log_snr), (len(u),), device=u.device)]
    alpha, sigma = (half.sqrt().view(-1, *[1] * (u.ndim - 1)) for half in (level.sigmoid(), (-level).sigmoid()))
    eps = torch.randn_like(u)
    loss: Tensor = F.mse_loss(nets["denoiser"](alpha * u + sigma * eps, level), eps)
    return loss


def page(rows: list[Row], others: list[NotBuilt], load: float, device: torch.device) -> Iterator[str]:
    yield from (
        "# How fast we train",
        "",
        setting("training.py", load, device),
        "",
        "Steps a second of `models.training.loop.train`, which averages weights, checks gradients and can be resumed",
        "bit for bit, and of a plain loop that does not: backward, clip, torch's Adam as it comes. Networks and",
        "batches are the same, and all take turns in one process. The ratio is the median over neighboring turns;",
        "its quartiles. Rows named bfloat16 are runs with `optimizer.precision`; the plain loop is float32.",
        f"Wanted: at least {WANTED}.",
        "",
        *HEAD,
    )
    yield from map(line, rows)
    yield from (
        "",
        "## What is not built",
        "",
        "The plain loop with networks changed before, beside the plain loop as it is: convolutions with channels",
        "last, and networks compiled by `torch.compile`. What that costs in the first steps is repaid after so many",
        "more; the preset has so many in all. See",
        "[decision 53](../decisions/0053-bfloat16-ends-at-the-borders-of-bodies.md).",
        "",
        *NOT_BUILT_HEAD,
    )
    yield from map(line_of_other, others)


def setting(script: str, load: float, device: torch.device = CPU) -> str:
    """Where and when."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU used"
    return (
        f"`python benchmarks/{script}`, {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores with a load of {load:.1f} beside it, {gpu}, one thread; "
        f"Python {platform.python_version()}, torch {torch.__version__}."
    )


def line(row: Row) -> str:
    low, middle, high = quantiles(row.ratios, n=4)
    verdict = "" if row.wanted is None else "reached" if middle >= row.wanted else "**not reached**"
    rates = f"{median(row.plain):.4g} | {median(row.ours):.4g}"
    return f"| {row.name} | {rates} | {middle:.3f} | {low:.3f} to {high:.3f} | {len(row.ratios)} | {verdict} |"


def line_of_other(other: NotBuilt) -> str:
    row, before_s = other.row, other.before_s
    low, middle, high = quantiles(row.ratios, n=4)
    saved_s = 1 / median(row.plain) - 1 / median(row.ours)
    repaid = f"{before_s / saved_s:,.0f}" if saved_s > 0 else "never"
    rates = f"{median(row.ours):.4g} | {middle:.3f} | {low:.3f} to {high:.3f}"
    return f"| {row.name} | {rates} | {before_s:.1f} | {repaid} | {other.preset_steps:,} |"


if __name__ == "__main__":
    sys.exit(main())
