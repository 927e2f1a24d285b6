"""Measure how fast adversarial games are trained, beside a loop that is written by hand for the same networks.

    python benchmarks/adversarial_training.py                       # some minutes
    python benchmarks/adversarial_training.py hinge mmd --seconds 60

The hand-written loop draws the same batches, writes the two losses and the penalty out, and steps two of torch's Adams
as they come. Ours averages weights, seeds each step and can be resumed. The two take turns as in training.py. Sampling
does not see the game: the generator is the same. Writes docs/results/adversarial_training.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from training import HEAD, Row, alternating, line, our_loop, plain_batches, setting

from pushforward.models.families.gan import GAN
from pushforward.models.networks import AutoencodingCritic
from pushforward.models.run import Budget, Run
from pushforward.models.training.data import TrainingData, load_data

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "adversarial_training.md"
ON = {
    "eight Gaussians": {"source": "eight_gaussians"},
    "digits": {"source": "digits"},
}
FAMILY = {"eight Gaussians": {"width": 128}, "digits": {"width": 16}}
BATCH = {"eight Gaussians": 256, "digits": 64}

CriticLoss = Callable[[Tensor, Tensor], Tensor]  # of scores of real and of fake rows
GeneratorLoss = Callable[[Tensor, Tensor], Tensor]  # of scores of fake and of real rows
Witness = Callable[[Tensor, Tensor, Tensor], Tensor]  # of scores, of those of real and of fake rows
Critic = Callable[[Tensor], Tensor]
Penalty = Callable[["Plain", Critic, Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Plain:
    """A game, written out."""

    critic: CriticLoss
    generator: GeneratorLoss
    game: dict[str, Any]
    regularizers: list[dict[str, Any]] | None = None  # None: what the game needs
    penalty: Penalty | None = None
    witness: Witness = field(default=lambda scores, real, fake: scores)
    clip: float | None = None  # of the critic's weights
    pairs: bool = False  # whether the generator's loss takes real rows


def r1(game: Plain, critic: Critic, x: Tensor, fake: Tensor, of_x: Tensor, of_fake: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(game.witness(of_x, of_x, of_fake).sum(), x, create_graph=True)
    value: Tensor = 0.05 * slope.flatten(1).square().sum(1).mean()
    return value


def gradient_penalty(weight: float) -> Penalty:
    def penalty(game: Plain, critic: Critic, x: Tensor, fake: Tensor, of_x: Tensor, of_fake: Tensor) -> Tensor:
        e = torch.rand(len(x), *[1] * (x.ndim - 1))
        between = (e * x.detach() + (1 - e) * fake.detach()).requires_grad_()
        f = game.witness(critic(between), of_x, of_fake)
        (slope,) = torch.autograd.grad(f.sum(), between, create_graph=True)
        value: Tensor = weight * (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return value

    return penalty


def log_sigmoid_losses(real: Tensor, fake: Tensor) -> Tensor:
    loss: Tensor = F.softplus(-real).mean() + F.softplus(fake).mean()
    return loss


def relativistic(real: Tensor, fake: Tensor) -> Tensor:
    loss: Tensor = F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()
    return loss


def distances(x: Tensor, y: Tensor) -> Tensor:
    """With a derivative of 0, not NaN, where two rows are equal."""
    d: Tensor = ((x[:, None] - y).square().sum(2) + 1e-12).sqrt()
    return d


def off_diagonal(matrix: Tensor) -> Tensor:
    mean: Tensor = (matrix.sum() - matrix.trace()) / (len(matrix) * (len(matrix) - 1))
    return mean


def energy(real: Tensor, fake: Tensor) -> Tensor:
    return 2 * distances(real, fake).mean() - off_diagonal(distances(real, real)) - off_diagonal(distances(fake, fake))


def cramer_witness(scores: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    of_rows: Tensor = distances(scores, fake).mean(1) - scores.norm(dim=1)
    return of_rows


def cramer_critic(real: Tensor, fake: Tensor) -> Tensor:
    of_fake = off_diagonal(distances(fake, fake)) - fake.norm(dim=1).mean()
    loss: Tensor = of_fake - cramer_witness(real, real, fake).mean()
    return loss


def kernel(x: Tensor, y: Tensor) -> Tensor:
    square = (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp_min(0) / 2
    mixture: Tensor = sum(((1 + square / a) ** -a for a in (0.1, 1.0, 10.0)), x @ y.T)
    return mixture


def mmd(real: Tensor, fake: Tensor) -> Tensor:
    pairs = off_diagonal(kernel(real, real)) + off_diagonal(kernel(fake, fake))
    return pairs - 2 * kernel(real, fake).mean()


def mmd_witness(scores: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    return kernel(scores, real).mean(1) - kernel(scores, fake).mean(1)


def difference(real: Tensor, fake: Tensor) -> Tensor:
    return fake.mean() - real.mean()


def raised(fake: Tensor, real: Tensor) -> Tensor:
    return -fake.mean()


WASSERSTEIN = {"game": "wasserstein"}
GAMES = {
    "minimax": Plain(log_sigmoid_losses, lambda fake, real: -F.softplus(fake).mean(), {"game": "minimax"}),
    "non_saturating": Plain(log_sigmoid_losses, lambda fake, real: F.softplus(-fake).mean(), {}, penalty=r1),
    "relativistic_average": Plain(relativistic, relativistic, {"game": "relativistic_average"}, penalty=r1, pairs=True),
    "pearson": Plain(
        lambda real, fake: (fake.square() / 4 + fake).mean() - real.mean(),
        raised,
        {"game": "f_divergence", "divergence": {"divergence": "pearson"}},
        penalty=r1,
    ),
    "least_squares": Plain(
        lambda real, fake: 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean(),
        lambda fake, real: 0.5 * (fake - 1).square().mean(),
        {"game": "least_squares"},
        penalty=r1,
    ),
    "hinge": Plain(
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(), raised, {"game": "hinge"}
    ),  # its critic has spectral norms
    "wgan-clip": Plain(difference, raised, WASSERSTEIN, [{"regularizer": "weight_clipping", "limit": 0.01}], clip=0.01),
    "wgan-gp": Plain(difference, raised, WASSERSTEIN, penalty=gradient_penalty(10.0)),
    "wgan-sn": Plain(difference, raised, WASSERSTEIN, [{"regularizer": "spectral_norm"}]),
    "cramer": Plain(
        cramer_critic,
        lambda fake, real: energy(real, fake),
        {"game": "cramer"},
        penalty=gradient_penalty(10.0),
        witness=cramer_witness,
        pairs=True,
    ),
    "mmd": Plain(
        lambda real, fake: -mmd(real, fake),
        lambda fake, real: mmd(real, fake),
        {"game": "mmd"},
        penalty=gradient_penalty(1.0),
        witness=mmd_witness,
        pairs=True,
    ),
    "began": Plain(lambda real, fake: real.mean(), lambda fake, real: fake.mean(), {"game": "began"}),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games", nargs="*", default=list(GAMES), metavar="game")
    parser.add_argument("--seconds", type=float, default=12.0, help="for each game on each data")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rows = []
    for data in ON:
        for name in asked.games:
            run = run_of(GAMES[name], data)
            inputs = load_data(run, Path())
            loops = [our_loop(run, inputs), by_hand(GAMES[name], run, inputs)]
            ours, plain = alternating(loops, asked.seconds)
            rows.append(Row(f"{name}, {data}", ours, plain))
            print(line(rows[-1]), flush=True)
    RESULTS.write_text("\n".join(page(rows, load)) + "\n")
    return 0


def run_of(game: Plain, data: str) -> Run:
    family: dict[str, Any] = {"family": "gan", **FAMILY[data], "regularizers": game.regularizers}
    if game.game:
        family["game"] = game.game
    optimizer = {"lr": 1e-4, "betas": (0.5, 0.999), "batch_size": BATCH[data]}
    return Run.model_validate(
        {"family": family, "data": ON[data], "optimizer": optimizer, "budget": Budget(steps=10_000_000)}
    )


def by_hand(game: Plain, run: Run, data: TrainingData) -> Iterator[object]:
    """What one writes for a script that trains this one game."""
    torch.manual_seed(run.seed)
    family, adam = run.family, run.optimizer
    assert isinstance(family, GAN)
    nets = family.build(data.spec)
    generator, critic = nets["generator"], scores_of(nets["critic"])
    both = [torch.optim.Adam(nets[name].parameters(), lr=adam.lr, betas=adam.betas) for name in ("generator", "critic")]
    for rows in plain_batches(data, adam.batch_size, run.seed):
        x = nets.spec.normalize(rows).requires_grad_(game.penalty is not None)
        with torch.no_grad():
            fake = nets.within_range(generator(torch.randn(len(x), family.latent)))
        of_x, of_fake = critic(x), critic(fake)
        loss = game.critic(of_x, of_fake)
        if game.penalty is not None:
            loss = loss + game.penalty(game, critic, x, fake, of_x, of_fake)
        step(both[1], loss, nets["critic"], adam.clip_norm)
        if game.clip is not None:
            for weight in nets["critic"].parameters():
                weight.data.clamp_(-game.clip, game.clip)
        of_fake = critic(nets.within_range(generator(torch.randn(len(x), family.latent))))
        with torch.no_grad():
            of_x = critic(x) if game.pairs else of_x
        of_generator = game.generator(of_fake, of_x.detach())
        step(both[0], of_generator, generator, adam.clip_norm)
        yield loss.item(), of_generator.item()  # for the curves


def scores_of(critic: nn.Module) -> Critic:
    """A critic of rows alone; an autoencoding one takes a condition, of which there is none."""
    return (lambda x: critic(x, x.new_zeros(len(x), 0))) if isinstance(critic, AutoencodingCritic) else critic


def step(optimizer: torch.optim.Optimizer, loss: Tensor, net: nn.Module, clip_norm: float) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.nn.utils.clip_grad_norm_(net.parameters(), clip_norm)
    optimizer.step()


def page(rows: list[Row], load: float) -> Iterator[str]:
    yield from (
        "# How fast adversarial games are trained",
        "",
        setting("adversarial_training.py", load),
        "",
        "A step is one of the critic and one of the generator: perceptrons of 3 x 128 and 256 rows on eight Gaussians,",
        "convolutions of 16 channels and 64 rows on digits. Networks and batches are the same. By hand the energy",
        "distance of `cramer` is written pair by pair, as it stands in the paper; ours takes one matrix product.",
        "Samples are drawn as fast by every game: the generator is the same, and the critic takes no part.",
        "",
        *HEAD,
    )
    yield from map(line, rows)


if __name__ == "__main__":
    sys.exit(main())
