r"""Flow matching on the coded rows of a table, which gives rows and no likelihood.

    v = (u, one-hot k),    k_i = argmax of block i of v

Training sees numbers of a grid spread over their cells (`models.tables.coding`), so that rows are not a lattice. The
flow has a density of vectors v. The probability of a row is its integral over all v that are rounded to the row, and
the density at the corners themselves has no bound: so rows have no likelihood. They have codes, since the flow leads
their v to noise; its way back is rounded as draws are.

References:
    | Flow Matching for Generative Modeling (Lipman et al., 2022), https://arxiv.org/abs/2210.02747
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, final

from pydantic import SkipValidation

from pushforward.models.config.config import Options
from pushforward.models.family import Conditions, Decodes, Encodes, Family, Samples, Validates
from pushforward.models.flows.options import MatchingSampleOptions, MatchingSolverOptions
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.lazy import torch
from pushforward.models.losses import Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.stepwise import mapping
from pushforward.models.tables.coding import coded_rows, coder, decode_row
from pushforward.models.tables.table import Table
from pushforward.models.tabular.programs import MappedRows, SampledRows

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.mapping import RowMap
    from pushforward.models.stepwise.sampling import Sampler

NO_LIKELIHOOD = (
    "Categories are rounded from numbers, so rows have no likelihood; train diffusion, flow or vae to score rows."
)


@final
class MatchingForm(Family, Conditions, Samples, Validates, Encodes, Decodes):
    """Flow matching, its rows those of a table."""

    family: str
    table: Table
    rows: SkipValidation[Any]  # the family on coded rows

    SampleOptions: ClassVar[type[Options]] = MatchingSampleOptions
    EncodeOptions: ClassVar[type[Options]] = MatchingSolverOptions
    DecodeOptions: ClassVar[type[Options]] = MatchingSolverOptions

    @property
    def answers_without(self) -> bool:
        return bool(self.rows.answers_without)

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.rows.notes, NO_LIKELIHOOD)

    def check(self, spec: DataSpec) -> None:
        self.rows.check(spec.coded)

    def build(self, spec: DataSpec) -> Nets:
        nets: Nets = self.rows.build(spec.coded)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        shape = len(batch.x), len(self.table.numbers)
        coding = coder(self.table, batch.x.device)
        spread = coding.encode(batch.x, torch.rand(shape, generator=batch.rng, device=batch.x.device))
        yield from self.rows.losses(nets, batch._replace(x=coding.row(spread)))

    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        return next(self.losses(nets, batch))

    def check_sampling(self, spec: DataSpec, options: MatchingSampleOptions) -> None:
        self.rows.check_sampling(spec, options)

    def sampler(self, nets: Nets, options: MatchingSampleOptions) -> Sampler:
        return SampledRows(self.rows.sampler(nets, options), self._decoded)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return mapping.apply(self.encoder(nets, MatchingSolverOptions()), x, c)

    def encoder(self, nets: Nets, options: MatchingSolverOptions) -> RowMap:
        return MappedRows(self.rows.encoder(nets, options), self._coded, torch.nn.Identity())

    @property
    def natural_path(self) -> PathName:
        path: PathName = self.rows.natural_path
        return path

    def latent_shape(self, spec: DataSpec) -> Shape:
        return spec.coded.shape

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        z: Tensor = self.rows.prior(nets, noise, c)
        return z

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return mapping.apply(self.decoder(nets, MatchingSolverOptions()), z, c)

    def decoder(self, nets: Nets, options: MatchingSolverOptions) -> RowMap:
        return MappedRows(self.rows.decoder(nets, options), torch.nn.Identity(), self._decoded)

    def _coded(self, x: Tensor) -> Tensor:
        return coded_rows(self.table, x)

    def _decoded(self, v: Tensor) -> Tensor:
        return decode_row(self.table, v)
