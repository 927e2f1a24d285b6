r"""The exact joint density of a table's rows: an autoregressive model of its choices, and a flow of its numbers.

    log p(x) = sum_i log P(k_i | k_<i, c) + log p(u | k, c) + sum_j log g_j'(r_j)

P is a masked perceptron (`models.networks.masked.choices`), p(u | k, c) a chain of monotone maps with the one-hot
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
from pushforward.models.networks.limits import check_mask_memory
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import OneStep
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables import choices
from pushforward.models.tables.coding import CodedRows, coder
from pushforward.models.tables.table import Table
from pushforward.models.variational.importance import lower_bound

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pushforward.models.networks import Bijection, Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler

CHOICES, NUMBERS = "choices", "numbers"  # terms of a likelihood


@final
class JointForm(Family, Conditions, Samples, Scores):
    """A flow, its rows those of a table."""

    family: str
    table: Table
    chain: SkipValidation[Any]  # the flow's configuration

    ScoreOptions: ClassVar[type[Options]] = DequantizationOptions

    def check(self, spec: DataSpec) -> None:
        check_mask_memory(self.table.width, "flow")

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        sizes, p, c = self.table.sizes, len(self.table.numbers), spec.condition_size
        nets: dict[str, nn.Module] = {}
        if sizes:
            nets["choices"] = networks.MaskedChoices(
                sizes, width=max(self.chain.width, len(sizes)), depth=self.chain.depth, condition_size=c
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

    def log_density(self, nets: Nets, coded: CodedRows, c: Tensor) -> tuple[Tensor, Tensor]:
        """Log P(k | c) and log p(r | k, c), of numbers spread over their grid cells, (B,) float64 nats each."""
        coding = coder(self.table, coded.u.device)
        hot = coding.one_hot(coded.k)
        of_choices = coded.log_derivative.new_zeros(len(hot))
        if self.table.sizes:
            logits = nets["choices"](hot, *networks.condition_args(c))
            of_choices = choices.log_probs(logits, coded.k, self.table.sizes).double().sum(1)
        of_numbers = coded.log_derivative.sum(1)
        if self.table.numbers:
            z, log_det = nets["numbers"](coded.u, *self._context(hot, c, coded.present))
            base = -0.5 * (z.double() ** 2 + log(2 * pi))
            of_numbers = of_numbers + torch.where(coded.present, base, 0.0).sum(1) + log_det.double()
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
        uniform = noise.uniform(1, (len(self.table.sizes),))
        for i in range(len(self.table.sizes)):
            logits = nets["choices"](coding.one_hot(k), *networks.condition_args(c))
            k[:, i] = choices.invert(choices.blocks(logits, self.table.sizes)[i], uniform[:, i])
        u, present = z, coding.present(k)
        if self.table.numbers:
            z = torch.where(present, z, 0.0)
            u = flow_network(nets).inverse(z, *self._context(coding.one_hot(k), c, present))
        return coding.decode(u, k)

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
