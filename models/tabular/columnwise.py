r"""An autoregressive model of the rows of a table: each column given those before it.

    log p(x | c) = sum_d log p(x_d | x_<d, c)

`models.tabular.heads` has the distribution of a cell; a cell is a choice, a number, or both. In the order of the
columns one masked perceptron gives all conditionals at once. In any order, a perceptron reads which cells are known,
m, and their values, and training draws the known cells S of each row: their number uniformly, then which,

    L = E_S [C / (C - |S|)] sum_{d not in S} -log p(x_d | x_S, c),

an unbiased estimate of the mean of -log p over all C! orders. The conditionals of different orders are those of
different joint distributions, alike as far as training got. Scores and new rows go by the order of the columns. A
completion goes by what is given and then by the order of the columns, so it is exact: draws of p(x) / p(x_S) of the
joint distribution of that order.

In the order of the columns, a completion draws the missing cells in that order as well, and weighs the row by the
likelihood of the cells given, as `likelihood weighting` does in Bayesian networks: all weights are alike where the
columns that are given come first.

References:
    | MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015), https://arxiv.org/abs/1502.03509
    | A Deep and Tractable Density Estimator (Uria, Murray & Larochelle, 2014), https://arxiv.org/abs/1310.1757
    | Weighing and Integrating Evidence for Stochastic Simulation in Bayesian Networks (Fung & Chang, 1990), UAI 5
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, final

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.family import Conditions, Family, Samples, Scores
from pushforward.models.lazy import torch
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks.masked.limits import check_mask_memory, check_mask_width
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise import program
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.coding import coder, decode_row
from pushforward.models.tables.table import Table
from pushforward.models.tabular.columns import (
    ColumnCompleter,
    ColumnSampler,
    ColumnScorer,
    by_column,
    with_stand_ins,
)
from pushforward.models.tabular.completion import (
    CandidateOptions,
    Candidates,
    Completed,
    CompletesRows,
    numbered,
    resampled,
)
from pushforward.models.tabular.heads import ColumnHeads

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.stepwise.scoring import Scorer
    from pushforward.models.variational.weighted_draws import Draws


@final
class ColumnwiseForm(Family, Conditions, Samples, Scores, CompletesRows):
    """Column by column, in their order or in any."""

    family: str
    table: Table
    any_order: bool
    components: int  # normals in the mixture of a number
    width: int
    depth: int

    CompleteOptions: ClassVar[type[Options]] = CandidateOptions

    @property
    def notes(self) -> tuple[str, ...]:
        if not self.any_order:
            return ()
        return ("Trained in any order of the columns; its likelihoods and samples go by the order of the table.",)

    @property
    def heads(self) -> ColumnHeads:
        """The distributions of the cells."""
        return ColumnHeads(self.table, self.components)

    def check(self, spec: DataSpec) -> None:
        if not self.any_order:
            check_mask_memory(max(len(self.heads.outputs), self.table.width), "autoregressive")
            check_mask_width(self.width, self.table.n_cells, field="run.family.network.width")

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        heads, width, depth = self.heads, self.width, self.depth
        if self.any_order:
            n_in = self.table.width + self.table.n_cells + spec.condition_size
            net = networks.MLP((n_in,), (len(heads.outputs),), width=width, depth=depth)
            return networks.Nets(spec.coded, conditionals=net)
        masked = networks.MaskedPerceptron(
            heads.inputs, heads.outputs, width=width, depth=depth, condition_size=spec.condition_size
        )
        return networks.Nets(spec.coded, conditionals=masked)

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        if not self.any_order:
            nll = -self.log_terms(nets, batch.x, batch.c).sum(1).mean()
            yield Loss("nll_nats", nll, ("conditionals",))
            return
        n = self.table.n_cells
        rank = torch.rand(batch.x.shape, generator=batch.rng, device=batch.x.device).argsort(1).argsort(1)
        n_known = torch.randint(n, (len(batch.x), 1), generator=batch.rng, device=batch.x.device)
        known = rank < n_known
        unknown = torch.where(known, 0.0, self.log_terms(nets, batch.x, batch.c, known)).sum(1)
        nll = -(unknown * n / (n - n_known[:, 0])).mean()
        yield Loss("order_agnostic_nll_nats", nll, ("conditionals",))

    def log_terms(self, nets: Nets, x: Tensor, c: Tensor, known: Tensor | None = None) -> Tensor:
        """Log p of each cell given those that are known, or those before it, (B, C) nats.  x, known: (B, C)."""
        coding = coder(self.table, x.device)
        coded = coding.encode(x)
        known = torch.zeros_like(x, dtype=torch.bool) if known is None else known
        return self.heads.log_terms(self.conditionals(nets, coding.row(coded).to(c), known, c), coded)

    def conditionals(self, nets: Nets, v: Tensor, known: Tensor, c: Tensor) -> Tensor:
        """The parameters of all cells, (B, O).  v: (B, W), known: (B, C), which only a model in any order reads."""
        if not self.any_order:
            masked: Tensor = nets["conditionals"](v, *networks.condition_args(c))
            return masked
        seen = torch.where(known[:, self.heads.inputs], v, 0.0)
        params: Tensor = nets["conditionals"](torch.cat([seen, known.to(v), c], 1))
        return params

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: Options) -> LogProb:
        if self.any_order:
            return program.run(self.scorer(nets, options), (x, c), noise)
        return by_column(self.heads, self.log_terms(nets, x, c))

    def scorer(self, nets: Nets, options: Options) -> Scorer:
        if self.any_order:
            return ColumnScorer(self.heads, partial(self.conditionals, nets))
        return super().scorer(nets, options)

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return False

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return ColumnSampler(ColumnCompleter(self.heads, partial(self.conditionals, nets)))

    def complete_rows(self, nets: Nets, x: Tensor, given: Tensor, noise: Noise, c: Tensor, options: Any) -> Completed:
        if self.any_order:
            completer = ColumnCompleter(self.heads, partial(self.conditionals, nets))
            return Completed(program.run(completer, (x, given, c), noise), "exact")
        x = with_stand_ins(self.table, x, given)
        of = partial(self._candidates, nets, x, given, c)
        return resampled(of, noise, options.candidates, size=max(self.width, len(self.heads.outputs)))

    def _candidates(self, nets: Nets, x: Tensor, given: Tensor, c: Tensor, draws: Draws) -> Candidates:
        """Missing cells given those before them; weights are the likelihoods of the cells given."""
        x, given, c = (draws.repeat(rows) for rows in (x, given, c))
        coding, n = coder(self.table, x.device), self.table.n_cells
        v = coding.row(coding.encode(x)).to(c)
        u01 = draws.noise.uniform(numbered(draws, 0), (n, 2)).to(v)
        normal = draws.noise.normal(numbered(draws, 1), (n,)).to(v)
        for cell in range(n):
            params = self.conditionals(nets, v, given, c)
            drawn = self.heads.draw(params, v, cell, u01[:, cell], normal[:, cell])
            v = torch.where(given[:, cell, None], v, drawn)
        x = torch.where(given, x, decode_row(self.table, v))
        return Candidates(x, torch.where(given, self.log_terms(nets, x, c), 0.0).sum(1))
