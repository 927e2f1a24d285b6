r"""A conditional GAN of a table's rows.

The game, its regularizers and the networks are those of the GAN's configuration. With

    {"latent": 128, "width": 256, "depth": 2, "game": {"game": "wasserstein"},
     "regularizers": [{"regularizer": "gradient_penalty"}, {"regularizer": "packing", "rows": 10}]}

and rows in batches of 500 at a rate of 2e-4 it is CTGAN, but for three things: its networks are plain perceptrons,
without dropout in the critic and without batch normalization in the generator; and a row with the category that is
asked for is taken from the batch, which has been drawn from all rows, and not from all rows at once. Numbers have
mode-specific codes (`models.tabular.modes`, which says where mixtures are fitted; `models.tabular.mode_rows`).

**Training by sampling.** Rows train as often as their cases are rare or frequent by logarithm. For each row of a batch
a choice i is drawn evenly, then a case k of it with probability prop. to log(1 + n_k), then a row that has it. Both
players see which, as a vector over all cases of all choices with a single 1; the generator also descends
-log P(k_i = k), so that it makes what it is asked for. Counts n_k are of the rows seen so far.

A sample asks for a case with the probability that it has in the data: of a choice drawn evenly, prop. to n_k.

**With a condition c** no case is asked for, and both players see c in its place. To draw p(x | c), a case would have to
be asked for with its probability given c; this is what is to be learned, and P(k) in its place would be a bias.

**Completion** asks for one of the given cases, or is under the condition. A candidate's weight is the probability that
the generator gives to all given cases, prod_i P(k_i), so those that miss what they are asked for hardly count. Numbers
have no density here: rows are completed by their cases.

References:
    | Modeling Tabular Data using Conditional GAN (Xu et al., 2019), https://arxiv.org/abs/1907.00503
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2017), arXiv:1712.04086
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast, final

import numpy as np
from pydantic import SkipValidation

from pushforward.models import networks
from pushforward.models.adversarial.architectures import Size
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.critics import CriticDesign
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidInput
from pushforward.models.family import Conditions, Family, Samples
from pushforward.models.lazy import torch
from pushforward.models.losses import Batch, Loss
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import OneStep
from pushforward.models.tables import choices
from pushforward.models.tables.coding import CodedRows, coder
from pushforward.models.tables.table import Table
from pushforward.models.tabular.columns import with_stand_ins
from pushforward.models.tabular.completion import Candidates, Completed, CompletesRows, numbered, resampled
from pushforward.models.tabular.mode_rows import ModeRows
from pushforward.models.tabular.modes import ModeCoder, fitted_modes

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import CaseCounts, Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.variational.weighted_draws import Draws

ASKED_DRAW = 1  # of a row's noise


class Asked(NamedTuple):
    """Rows that have the cases that are asked for."""

    row: Tensor  # (B,), of the batch
    choice: Tensor  # (B,)
    hot: Tensor  # (B, sum of sizes), one 1
    k: Tensor  # (B, Q), all cases of the row


@final
class AdversarialForm(Family, Conditions, Samples, CompletesRows):
    """A GAN, its rows those of a table."""

    family: str
    table: Table
    rows: SkipValidation[Any]  # the GAN's configuration

    @property
    def notes(self) -> tuple[str, ...]:
        of_game: tuple[str, ...] = self.rows.notes
        return of_game

    def build(self, spec: DataSpec) -> Nets:
        modes = networks.NumberModes([(w.tolist(), m.tolist(), s.tolist()) for w, m, s in fitted_modes(self.table)])
        width = len(self.table.numbers) + modes.weight.numel() + sum(self.table.sizes)
        seen = DataSpec(shape=(width,))
        told = self._told(spec)
        size = Size(self.rows.width, self.rows.depth)
        nets = networks.Nets(
            spec.coded,
            generator=self.rows.network.generator(seen, self.rows.latent + told, size),
            critic=self._design(told).build(self.rows.network, seen, size),
            modes=modes,
            cases=networks.CaseCounts(sum(self.table.sizes)),
        )
        self._contest(nets).add_memory(nets)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        coded = self._coded(batch)
        cast("CaseCounts", nets["cases"]).add(coder(self.table, batch.x.device).one_hot(coded.k))
        rows, contest = self.layout(nets), self._contest(nets)
        real = rows.real(coded, torch.rand(coded.u.shape, generator=batch.rng, device=batch.x.device))
        for _ in range(self.rows.critic_steps):
            asked, c = self._told_rows(nets, coded.k, batch)
            with torch.no_grad():
                fake = rows.soft(self._say(nets, c, batch.rng), batch.rng)
            yield from contest.critic_step(nets, RealAndFake(real[asked.row], fake, c), batch)
        asked, c = self._told_rows(nets, coded.k, batch)
        said = self._say(nets, c, batch.rng)
        value = contest.generator_loss(nets, RealAndFake(real[asked.row], rows.soft(said, batch.rng), c), batch)
        missed = self.missed(rows, said, asked) if asked.hot.shape[1] else said.new_zeros(())
        yield Loss("generator", value + missed, ("generator",), {"asked_nats": missed})

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return OneStep(
            lambda noise, c: noise.normal(0, (self.rows.latent,)), lambda z, noise, c: self._push(nets, z, noise, c)
        )

    def _push(self, nets: Nets, z: Tensor, noise: Noise, c: Tensor) -> Tensor:
        """Cells, (B, C), of codes and of a condition, or a case that is asked for."""
        told = c if nets.spec.condition_size else self.drawn_case(nets, noise).to(z)
        said = nets["generator"](torch.cat([z, told], 1))
        return self.layout(nets).drawn(said, noise)

    def check_given(self, x: np.ndarray, given: np.ndarray) -> None:
        for number in self.table.numbers:
            cells = x[given[:, number.cell].astype(bool), number.cell]
            if (~np.isnan(cells) & ~np.isin(cells, number.column.atoms)).any():
                raise InvalidInput(
                    f"column {number.column.name!r} is given as a number, and {self.family} completes rows by their "
                    "categories; leave it out, or train autoregressive, flow or vae"
                )

    def complete_rows(self, nets: Nets, x: Tensor, given: Tensor, noise: Noise, c: Tensor, options: Any) -> Completed:
        x = with_stand_ins(self.table, x, given)
        width = self.rows.width or networks.default_width(nets.spec)
        size = max(width, self._told(nets.spec) + self.rows.latent, nets.spec.size)
        return resampled(partial(self._candidates, nets, x, given, c), noise, options.candidates, size=size)

    def _candidates(self, nets: Nets, x: Tensor, given: Tensor, c: Tensor, draws: Draws) -> Candidates:
        """Rows under the first of the given cases; weights are the probabilities of all given ones."""
        x, given, c = (draws.repeat(rows) for rows in (x, given, c))
        k, is_given = coder(self.table, x.device).encode(x).k, given[:, [choice.cell for choice in self.table.choices]]
        told = c
        if self.table.sizes and not nets.spec.condition_size:
            asked = self._hot(is_given.int().argmax(1), k).to(c)
            told = torch.where(is_given.any(1, keepdim=True), asked, self.drawn_case(nets, draws.noise).to(c))
        z = draws.noise.normal(numbered(draws, 1), (self.rows.latent,)).to(c)
        said, rows = nets["generator"](torch.cat([z, told], 1)), self.layout(nets)
        log_p = choices.log_probs(rows.parts(said)[2], k, self.table.sizes)
        # the row's draw given its code is the same of all candidates: one is taken, whatever it is
        drawn = rows.drawn(said, draws.noise)
        return Candidates(torch.where(given, x, drawn), torch.where(is_given, log_p, 0.0).sum(1))

    def drawn_case(self, nets: Nets, noise: Noise) -> Tensor:
        """One case of one choice, with its frequency in training, (B, sum of sizes) one-hot."""
        sizes, counts = self.table.sizes, nets["cases"]()
        hot = torch.zeros(len(noise), sum(sizes), device=counts.device)
        if not sizes:
            return hot
        which, at = noise.uniform(ASKED_DRAW, (2,)).to(counts.device).unbind(1)
        choice = (which * len(sizes)).long()
        k = choices.draw(counts.clamp_min(1e-9).log().expand(len(noise), -1), at[:, None].expand(-1, len(sizes)), sizes)
        return self._hot(choice, k)

    def _told_rows(self, nets: Nets, k: Tensor, batch: Batch) -> tuple[Asked, Tensor]:
        """Rows of a batch, and what both players are told of each.  k: (B, Q)."""
        if k.shape[1] == 0 or nets.spec.condition_size:
            row = torch.arange(len(k), device=k.device)
            return Asked(row, row, batch.c[:, :0], k), batch.c
        asked = self.asked_cases(nets, k, batch.rng)
        return asked, asked.hot

    def asked_cases(self, nets: Nets, k: Tensor, rng: Generator) -> Asked:
        """Rows of a batch, as many as it has, by the cases of a choice each.  k: (B, Q)."""
        n, q = k.shape
        hot = coder(self.table, k.device).one_hot(k)
        share = nets["cases"]().log1p() / hot.sum(0).clamp_min(1.0)  # of one of the rows of a case
        weight = torch.stack([block.sum(1) for block in choices.blocks(hot * share, self.table.sizes)])  # (Q, B)
        choice = torch.randint(q, (n,), generator=rng, device=k.device)
        picked = torch.multinomial(weight, n, replacement=True, generator=rng)  # (Q, B)
        row = picked.gather(0, choice[None])[0]
        return Asked(row, choice, self._hot(choice, k[row]), k[row])

    def _hot(self, choice: Tensor, k: Tensor) -> Tensor:
        """A single 1 at the case of one choice, (B, sum of sizes).  choice: (B,); k: (B, Q)."""
        sizes = torch.tensor(self.table.sizes, device=k.device)
        owner = torch.repeat_interleave(torch.arange(len(sizes), device=k.device), sizes)
        return coder(self.table, k.device).one_hot(k) * (owner == choice[:, None])

    def missed(self, rows: ModeRows, said: Tensor, asked: Asked) -> Tensor:
        """-log P of the cases that are asked for, a scalar."""
        log_p = choices.log_probs(rows.parts(said)[2], asked.k, self.table.sizes)
        return -log_p.gather(1, asked.choice[:, None]).mean()

    def _say(self, nets: Nets, c: Tensor, rng: Generator) -> Tensor:
        z = torch.randn(len(c), self.rows.latent, generator=rng, device=c.device)
        said: Tensor = nets["generator"](torch.cat([z, c], 1))
        return said

    def _coded(self, batch: Batch) -> CodedRows:
        shape = len(batch.x), len(self.table.numbers)
        w = torch.rand(shape, generator=batch.rng, device=batch.x.device)
        return coder(self.table, batch.x.device).encode(batch.x, w)

    def layout(self, nets: Nets) -> ModeRows:
        weight, mean, std = (nets.get_buffer(f"modes.{name}") for name in ("weight", "mean", "std"))
        return ModeRows(self.table, ModeCoder(self.table, weight, mean, std))

    def _told(self, spec: DataSpec) -> int:
        """How many numbers tell both players what a row is to be."""
        return spec.condition_size or sum(self.table.sizes)

    def _design(self, condition_size: int) -> CriticDesign:
        return CriticDesign(self.rows.game, self.rows.regularizers, "concatenation", condition_size)

    def _contest(self, nets: Nets) -> Contest:
        return self._design(self._told(nets.spec)).contest(("generator",), self.rows.critic_lr_ratio)
