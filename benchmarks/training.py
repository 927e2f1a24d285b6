"""Measure how fast `models.training.loop.train` trains, beside a plain loop a user would write for the same networks.

    python benchmarks/training.py                    # some minutes
    python benchmarks/training.py vae-digits --seconds 60

The plain loop draws the same batches, computes the same loss by hand, and descends on it by `loss.backward()`, gradient
clipping and torch's Adam as it comes. It averages no weights, seeds no steps and cannot be resumed; ours does all of
that. The two take turns of a few steps in one process, on one thread, and what is compared is the ratio of neighboring
turns, so a busy machine blurs the figures and does not shift them. Writes docs/results/training.md.
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
from math import log, pi
from pathlib import Path
from statistics import median, quantiles

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

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "training.md"
WANTED = 0.95
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
HEAD = (
    "| what | plain, steps/s | ours, steps/s | ratio | quartiles | turns | wanted |",
    "|---|---|---|---|---|---|---|",
)
PlainLoss = Callable[[Nets, Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """Steps a second in each turn, by turns."""

    name: str
    ours: list[float]
    plain: list[float]

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.plain, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=NAMES, metavar="preset")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each preset")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rows = []
    for name in asked.presets:
        rows.append(measured(name, asked.seconds))
        print(line(rows[-1]), flush=True)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("\n".join(page(rows, load)) + "\n")
    return 0


def measured(name: str, seconds: float) -> Row:
    """Our loop beside the plain one."""
    run = PRESETS[name].run.model_copy(update={"budget": Budget(steps=10_000_000)})
    data = load_data(run, Path())
    return Row(name, *alternating([our_loop(run, data), plain_loop(run, data)], seconds))


def alternating(loops: Sequence[Iterator[object]], seconds: float) -> list[list[float]]:
    """Steps a second of two loops, in turns of about TURN_S."""
    turn = max(1, round(TURN_S / median(seconds_of(loop, WARM_UP_STEPS) / WARM_UP_STEPS for loop in loops)))
    rates: list[list[float]] = [[], []]
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        first = len(rates[0]) % 2  # who begins changes, as a clock frequency may
        for which in (first, 1 - first):
            rates[which].append(turn / seconds_of(loops[which], turn))
    return rates


def seconds_of(loop: Iterator[object], steps: int) -> float:
    began = time.perf_counter()
    for _ in islice(loop, steps):
        pass
    return time.perf_counter() - began


def our_loop(run: Run, data: TrainingData) -> Iterator[object]:
    return train(data, fresh(run, data, CPU))


def plain_loop(run: Run, data: TrainingData) -> Iterator[object]:
    """What one writes for a script that trains this one model."""
    torch.manual_seed(run.seed)
    nets, adam = run.family.build(data.spec), run.optimizer
    loss_of = plain_loss(run, nets)
    optimizer = torch.optim.Adam(nets.parameters(), lr=adam.lr, betas=adam.betas)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, run.budget.steps or 1)
    for x in plain_batches(data, adam.batch_size, run.seed):
        loss = loss_of(nets, x)
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


def plain_loss(run: Run, nets: Nets) -> PlainLoss:
    """The loss of a family, written out for the data at hand."""
    family, spec = run.family, nets.spec
    if isinstance(family, Flow):
        return flow_loss
    if isinstance(family, Diffusion):
        log_snr = torch.from_numpy(family.schedule.log_snr(family.steps)).float()
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
    ways = torch.lgamma(torch.tensor(17.0)) - torch.lgamma(x + 1) - torch.lgamma(17 - x)
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
    level = log_snr[torch.randint(len(log_snr), (len(u),))]
    alpha, sigma = (half.sqrt().view(-1, *[1] * (u.ndim - 1)) for half in (level.sigmoid(), (-level).sigmoid()))
    eps = torch.randn_like(u)
    loss: Tensor = F.mse_loss(nets["denoiser"](alpha * u + sigma * eps, level), eps)
    return loss


def page(rows: list[Row], load: float) -> Iterator[str]:
    yield from (
        "# How fast we train",
        "",
        setting("training.py", load),
        "",
        "Steps a second of `models.training.loop.train`, which averages weights, checks gradients and can be resumed",
        "bit for bit, and of a plain loop that does not: backward, clip, torch's Adam as it comes. Networks and",
        "batches are the same, and both take turns in one process. The ratio is the median over neighboring turns;",
        "its quartiles.",
        f"Wanted: at least {WANTED}.",
        "",
        *HEAD,
    )
    yield from map(line, rows)


def setting(script: str, load: float) -> str:
    """Where and when."""
    return (
        f"`python benchmarks/{script}`, {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores with a load of {load:.1f} beside it, no GPU used, one thread; "
        f"Python {platform.python_version()}, torch {torch.__version__}."
    )


def line(row: Row) -> str:
    low, middle, high = quantiles(row.ratios, n=4)
    verdict = "reached" if middle >= WANTED else "**not reached**"
    rates = f"{median(row.plain):.4g} | {median(row.ours):.4g}"
    return f"| {row.name} | {rates} | {middle:.3f} | {low:.3f} to {high:.3f} | {len(row.ratios)} | {verdict} |"


if __name__ == "__main__":
    sys.exit(main())
