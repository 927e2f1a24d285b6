r"""The exact joint density of a table's rows: an autoregressive model of its choices, and a flow of its numbers.

    log p(x) = sum_i log P(k_i | k_<i, c) + log p(u | k, c) + sum_j log g_j'(r_j)

P is a masked perceptron (`models.networks.masked.perceptron`), p(u | k, c) a chain of monotone maps with the one-hot
choices as context (`models.networks.masked.bijection`). The choices say which numbers are there. The maps are
triangular, so with absent numbers held at 0 the chain is a bijection of those that are there: the density is that of
just these numbers, whichever they are.

A number on a grid is spread over its grid cell; then the likelihood of a row is the importance-weighted bound of k
draws. Without such columns it is exact.

References:
    | Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), https://arxiv.org/abs/1705.07057
    | MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015), https://arxiv.org/abs/1502.03509
    | A note on the evaluation of generative models (Theis, van den Oord & Bethge, 2015), https://arxiv.org/abs/1511.01844
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import log, pi
from typing import TYPE_CHECKING, Any, ClassVar, cast, final

from pydantic import SkipValidation

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.family import Conditions, Family, Samples, Scores
from pushforward.models.flows.bijection import bijection
from pushforward.models.flows.dequantization import DequantizationOptions
from pushforward.models.lazy import torch
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks.masked.limits import check_mask_memory
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import OneStep
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables import choices
from pushforward.models.tables.coding import CodedRows, coder
from pushforward.models.tables.table import Table
from pushforward.models.tabular.columns import with_stand_ins
from pushforward.models.tabular.completion import (
    CandidateOptions,
    Candidates,
    Completed,
    CompletesRows,
    numbered,
    resampled,
)
from pushforward.models.variational.importance import lower_bound

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pushforward.models.networks import Bijection, Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.variational.weighted_draws import Draws

WIDE = 1.5  # scale of the numbers proposed for a completion, network units: coded numbers are about N(0, 1)
CHOICES, NUMBERS = "choices", "numbers"  # terms of a likelihood


@final
class JointForm(Family, Conditions, Samples, Scores, CompletesRows):
    """A flow, its rows those of a table."""

    family: str
    table: Table
    chain: SkipValidation[Any]  # the flow's configuration

    ScoreOptions: ClassVar[type[Options]] = DequantizationOptions
    CompleteOptions: ClassVar[type[Options]] = CandidateOptions

    def check(self, spec: DataSpec) -> None:
        check_mask_memory(self.table.width, "flow")

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        sizes, p, c = self.table.sizes, len(self.table.numbers), spec.condition_size
        nets: dict[str, nn.Module] = {}
        if sizes:
            of_choice = [i for i, size in enumerate(sizes) for _ in range(size)]
            width = max(self.chain.width, len(sizes))
            nets["choices"] = networks.MaskedPerceptron(
                of_choice, of_choice, width=width, depth=self.chain.depth, condition_size=c
            )
        if p:
            passes = min(2, p) if self.chain.scheme == "coupling" else p
            nets["numbers"] = bijection(self.chain, p, passes=passes, condition_size=sum(sizes) + c)
        return networks.Nets(spec.coded, **nets)

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        shape = len(batch.x), len(self.table.numbers)
        w = torch.rand(shape, generator=batch.rng, device=batch.x.device)
        of_choices, of_numbers = self.log_density(nets, self._coded(batch.x, w), batch.c)
        loss = -(of_choices + of_numbers).mean()
        terms = {"choices_nats": -of_choices.mean(), "numbers_nats": -of_numbers.mean()}
        yield Loss("nll_bound_nats" if self.table.has_steps else "nll_nats", loss, tuple(nets), terms)

    def logits(self, nets: Nets, hot: Tensor, c: Tensor) -> Tensor:
        """Logits of the choices, (B, sum of sizes): by how much they differ from the log-shares in training.

        So rare cases are rare from the first step on, and weights that decay leave frequencies.
        """
        differences: Tensor = nets["choices"](hot.to(c), *networks.condition_args(c))
        return differences + coder(self.table, hot.device).log_shares.to(differences)

    def log_density(self, nets: Nets, coded: CodedRows, c: Tensor) -> tuple[Tensor, Tensor]:
        """Log P(k | c) and log p(r | k, c), of numbers spread over their grid cells, (B,) float64 nats each."""
        coding = coder(self.table, coded.u.device)
        hot = coding.one_hot(coded.k)
        of_choices = coded.log_derivative.new_zeros(len(hot))
        if self.table.sizes:
            of_choices = choices.log_probs(self.logits(nets, hot, c), coded.k, self.table.sizes).double().sum(1)
        of_numbers = coded.log_derivative.sum(1)
        if self.table.numbers:
            of_numbers = of_numbers + self._log_numbers(nets, coded.u, coded.present, hot, c)
        return of_choices, of_numbers

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: DequantizationOptions) -> LogProb:
        if not self.table.has_steps:
            of_choices, of_numbers = self.log_density(nets, self._coded(x, None), c)
            return LogProb(of_choices + of_numbers, "exact", terms={CHOICES: of_choices, NUMBERS: of_numbers})
        shape = (len(self.table.numbers),)
        log_w = []
        for j in range(options.k):
            of_choices, of_numbers = self.log_density(nets, self._coded(x, noise.uniform(j, shape)), c)
            log_w.append(of_choices + of_numbers)
        return lower_bound(torch.stack(log_w), torch.float32)

    def curve_options(self) -> DequantizationOptions:
        return DequantizationOptions(k=1)

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return False

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return OneStep(self._base, lambda z, noise, c: self._push(nets, z, noise, c))

    def _base(self, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (len(self.table.numbers),))

    def _push(self, nets: Nets, z: Tensor, noise: Noise, c: Tensor) -> Tensor:
        """Choices one after the other, then the numbers that they say are there: cells, (B, C)."""
        coding = coder(self.table, z.device)
        k = torch.zeros(len(z), len(self.table.sizes), dtype=torch.long, device=z.device)
        k, _ = self._draw_choices(nets, k, torch.zeros_like(k, dtype=torch.bool), noise.uniform(1, k.shape[1:]), c)
        u, present = z, coding.present(k)
        if self.table.numbers:
            z = torch.where(present, z, 0.0)
            u = flow_network(nets).inverse(z.to(c), *self._context(coding.one_hot(k), c, present))
        return coding.decode(u, k)

    def _draw_choices(self, nets: Nets, k: Tensor, given: Tensor, u01: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Choices one after the other, but for those given, and the log P of those, (B,) nats.  All (B, Q)."""
        coding, k = coder(self.table, k.device), k.clone()
        log_p = torch.zeros(len(k), dtype=torch.float64, device=k.device)
        for i in range(len(self.table.sizes)):
            of_choice = choices.blocks(self.logits(nets, coding.one_hot(k), c), self.table.sizes)[i]
            k[:, i] = torch.where(given[:, i], k[:, i], choices.invert(of_choice, u01[:, i]))
            log_p_i = of_choice.log_softmax(1).gather(1, k[:, i : i + 1])[:, 0].double()
            log_p = log_p + torch.where(given[:, i], log_p_i, 0.0)
        return k, log_p

    def complete_rows(self, nets: Nets, x: Tensor, given: Tensor, noise: Noise, c: Tensor, options: Any) -> Completed:
        x = with_stand_ins(self.table, x, given)
        of = partial(self._candidates, nets, x, given, c)
        return resampled(of, noise, options.candidates, size=max(self.chain.width, self.table.width))

    def _candidates(self, nets: Nets, x: Tensor, given: Tensor, c: Tensor, draws: Draws) -> Candidates:
        """Missing choices given those before them; missing numbers from N(0, `WIDE`^2), whatever is given."""
        x, given, c = (draws.repeat(rows) for rows in (x, given, c))
        coding, p, q = coder(self.table, x.device), len(self.table.numbers), len(self.table.sizes)
        coded = self._coded(x, draws.noise.uniform(numbered(draws, 0), (p,)))
        given_numbers = given[:, [number.cell for number in self.table.numbers]]
        given_choices = given[:, [choice.cell for choice in self.table.choices]]
        u01 = draws.noise.uniform(numbered(draws, 1), (q,))
        k, log_w = self._draw_choices(nets, coded.k, given_choices, u01, c)
        present = coding.present(k)
        drawn = present & ~given_numbers
        eps = draws.noise.normal(numbered(draws, 2), (p,)).double()
        u = torch.where(drawn, WIDE * eps, torch.where(present, coded.u.double(), 0.0))
        log_q = -0.5 * (eps**2 + log(2 * pi)) - log(WIDE)
        log_w = log_w - torch.where(drawn, log_q, 0.0).sum(1)
        # candidates have other places in the grid cells of numbers that are given
        log_w = log_w + torch.where(given_numbers, coded.log_derivative, 0.0).sum(1)
        if p:
            log_w = log_w + self._log_numbers(nets, u, present, coding.one_hot(k), c)
        return Candidates(torch.where(given, x, coding.decode(u, k)), log_w)

    def _log_numbers(self, nets: Nets, u: Tensor, present: Tensor, hot: Tensor, c: Tensor) -> Tensor:
        """Log p(u | k, c) of the numbers that are there, in network units, (B,) float64 nats."""
        z, log_det = nets["numbers"](u.to(c), *self._context(hot, c, present))
        base = -0.5 * (z.double() ** 2 + log(2 * pi))
        log_p: Tensor = torch.where(present, base, 0.0).sum(1) + log_det.double()
        return log_p

    def _coded(self, x: Tensor, w: Tensor | None) -> CodedRows:
        return coder(self.table, x.device).encode(x, w)

    def _context(self, hot: Tensor, c: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        """What the flow of the numbers is given beside them: choices and condition, and which numbers are there."""
        context = networks.condition_args(torch.cat([hot, c], 1))
        always = all(number.choice is None for number in self.table.numbers)
        return context if always else (*context, present.float())


def flow_network(nets: Nets) -> Bijection:
    """The network from numbers to noise."""
    return cast("Bijection", nets["numbers"])
