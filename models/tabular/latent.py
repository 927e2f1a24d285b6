r"""A variational family of vectors on the rows of a table, with the mixed likelihood (`models.likelihoods.mixed`).

    log p(x) = log p(v) + sum_j log g_j'(r_j),

the sum over the numbers that are there and have a density; those on a grid have probabilities in either units.

References:
    | Modeling Tabular Data using Conditional GAN (Xu et al., 2019), https://arxiv.org/abs/1907.00503: section 4.4, TVAE
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, final

from pydantic import SkipValidation

from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData
from pushforward.models.family import Conditions, Decodes, Diagnoses, Encodes, Family, Samples, Scores
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.lazy import torch
from pushforward.models.likelihoods.mixed import Mixed
from pushforward.models.losses import Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.coding import coder, decode_row
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
from pushforward.models.tabular.programs import MappedRows, SampledRows, ScoredRows
from pushforward.models.variational.options import ImportanceOptions

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.mapping import RowMap
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.stepwise.scoring import Scorer
    from pushforward.models.variational.weighted_draws import Draws


@final
class LatentForm(Family, Conditions, Diagnoses, Samples, Scores, Encodes, Decodes, CompletesRows):
    """A family with codes, its rows those of a table."""

    family: str
    table: Table
    rows: SkipValidation[Any]  # the family on coded rows

    ScoreOptions: ClassVar[type[Options]] = ImportanceOptions
    CompleteOptions: ClassVar[type[Options]] = CandidateOptions

    @property
    def notes(self) -> tuple[str, ...]:
        of_rows: tuple[str, ...] = self.rows.notes
        return of_rows

    def check(self, spec: DataSpec) -> None:
        self.rows.check(spec.coded)

    def build(self, spec: DataSpec) -> Nets:
        nets: Nets = self.rows.build(spec.coded)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        v, log_derivative = self._encoded(batch.x)
        shift = -log_derivative.mean()
        for loss in self.rows.losses(nets, batch._replace(x=v)):
            yield loss._replace(value=loss.value + shift)

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: Any) -> LogProb:
        v, log_derivative = self._encoded(x)
        scored: LogProb = self.rows.log_prob(nets, v, c, noise, options)
        return scored._replace(value=scored.value + log_derivative)

    def scorer(self, nets: Nets, options: Any) -> Scorer:
        return ScoredRows(self.rows.scorer(nets, options), self._encoded)

    def curve_options(self) -> Any:
        return self.rows.curve_options()

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return False

    def sampler(self, nets: Nets, options: Any) -> Sampler:
        return SampledRows(self.rows.sampler(nets, options), self._decoded)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        z: Tensor = self.rows.encode(nets, self._encoded(x)[0], c)
        return z

    def encoder(self, nets: Nets, options: Any) -> RowMap:
        return MappedRows(self.rows.encoder(nets, options), lambda x: self._encoded(x)[0], _same)

    @property
    def natural_path(self) -> PathName:
        path: PathName = self.rows.natural_path
        return path

    def latent_shape(self, spec: DataSpec) -> Shape:
        shape: Shape = self.rows.latent_shape(spec.coded)
        return shape

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        z: Tensor = self.rows.prior(nets, noise, c)
        return z

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return self._decoded(self.rows.decode(nets, z, c))

    def decoder(self, nets: Nets, options: Any) -> RowMap:
        return MappedRows(self.rows.decoder(nets, options), _same, self._decoded)

    def diagnose(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise) -> dict[str, float]:
        metrics: dict[str, float] = self.rows.diagnose(nets, self._encoded(x)[0], c, noise)
        return metrics

    def complete_rows(self, nets: Nets, x: Tensor, given: Tensor, noise: Noise, c: Tensor, options: Any) -> Completed:
        x = with_stand_ins(self.table, x, given)
        of = partial(self._candidates, nets, x, given, c)
        return resampled(of, noise, options.candidates, size=self.rows.row_size(nets.spec))

    def _candidates(self, nets: Nets, x: Tensor, given: Tensor, c: Tensor, draws: Draws) -> Candidates:
        """Rows of codes from the prior; weights are the likelihoods of the cells given."""
        x, given, c = (draws.repeat(rows) for rows in (x, given, c))
        eps = draws.noise.normal(numbered(draws, 1), (self.rows.latent,)).to(c)
        y = self.rows.decoder_output(nets, self.rows.prior_codes.push(nets, eps, c), c)
        scale, likelihood = nets["scale"](), self.rows.likelihood
        numbers, chosen = likelihood.terms(self._encoded(x)[0].to(y), y, scale)
        log_w = torch.where(given[:, [number.cell for number in self.table.numbers]], numbers, 0.0).sum(1)
        log_w = log_w + torch.where(given[:, [choice.cell for choice in self.table.choices]], chosen, 0.0).sum(1)
        # the row's draw given its code is the same of all candidates: one is taken, whatever it is
        drawn = self._decoded(likelihood.draw(nets.spec, y, scale, draws.noise))
        return Candidates(torch.where(given, x, drawn), log_w)

    def _encoded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Coded rows, (B, W), and the log-derivative of the numbers that have a density, (B,) float64."""
        coding = coder(self.table, x.device)
        coded = coding.encode(x)
        densities = torch.where(coding.step > 0, 0.0, coded.log_derivative)
        return coding.row(coded), densities.sum(1)

    def _decoded(self, v: Tensor) -> Tensor:
        return decode_row(self.table, v)


def on_rows_of(table: Table, family: Family, *, is_default: bool) -> LatentForm:
    """A family with the mixed likelihood in the place of its own. Raises InvalidData where that was chosen."""
    if not is_default:
        raise InvalidData("is not for tables, which have one of their own; leave it out", field="run.family.likelihood")
    rows = family.model_copy(update={"likelihood": Mixed(table=table)})
    return LatentForm(family=family.family, table=table, rows=rows)


def _same(rows: Tensor) -> Tensor:
    return rows
