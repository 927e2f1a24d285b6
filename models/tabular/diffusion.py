r"""Diffusion of a table's rows: numbers by Gaussian, choices by multinomial diffusion, one network for both.

    L = E_t { || eps - eps_theta ||^2 / P + T sum_i KL(q(k_{t-1,i}|k_t, k_0) || p_theta(k_{t-1,i}|u_t, k_t)) / Q },

the simple loss of P numbers and the bound of Q choices, all T levels counted, with t even over the levels.
The network says the noise of the numbers and the logits of the choices at the data. Absent numbers are noise, which
the network learns to leave as it is: the choices drawn at the end say where there is none. The likelihood is the
variational bound (`models.samplers.mixed_bound`); a row has no code, since choices are drawn at every step.

References:
    | TabDDPM: Modelling Tabular Data with Diffusion Models (Kotelnikov et al., 2022), https://arxiv.org/abs/2209.15421
    | Argmax Flows and Multinomial Diffusion (Hoogeboom et al., 2021), https://arxiv.org/abs/2102.05379
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from pydantic import SkipValidation

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidInput
from pushforward.models.family import Conditions, Family, Samples, Scores, Validates
from pushforward.models.lazy import torch
from pushforward.models.losses import Batch, Loss
from pushforward.models.paths import multinomial
from pushforward.models.paths.guidance import dropped
from pushforward.models.paths.schedules import Floats, Level
from pushforward.models.paths.stratified import stratified_uniform
from pushforward.models.samplers.linear import ancestral
from pushforward.models.samplers.mixed_bound import MixedBound, reverse_divergence
from pushforward.models.samplers.mixed_steps import MixedPredictor, MixedSteps
from pushforward.models.samplers.options import MixedBoundOptions, MixedStepsOptions
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise import program
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables import choices
from pushforward.models.tables.coding import coder
from pushforward.models.tables.table import Table

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.stepwise.scoring import Scorer


@final
class DiffusionForm(Family, Conditions, Samples, Scores, Validates):
    """A diffusion, its rows those of a table."""

    family: str
    table: Table
    rows: SkipValidation[Any]  # the diffusion's configuration

    SampleOptions: ClassVar[type[Options]] = MixedStepsOptions
    ScoreOptions: ClassVar[type[Options]] = MixedBoundOptions

    @property
    def answers_without(self) -> bool:
        return bool(self.rows.drop > 0)

    def build(self, spec: DataSpec) -> Nets:
        denoiser = networks.mixed_denoising_network(
            spec.coded,
            n_numbers=len(self.table.numbers),
            width=self.rows.width or networks.default_width(spec.coded),
            depth=self.rows.depth or 3,
            condition_size=spec.condition_size,
            preconditioning=self.rows.preconditioning,
        )
        return networks.Nets(spec.coded, denoiser=denoiser)

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u, k = self._filled(batch.x, batch.rng)
        t = (stratified_uniform(len(u), batch.rng) * self.rows.steps).long().clamp(max=self.rows.steps - 1)
        log_snr, later, earlier = self._at(t)
        eps = torch.randn(u.shape, generator=batch.rng, device=u.device)
        predict = MixedPredictor(nets["denoiser"], self.table)
        kt = self._noisy(predict, k, later, batch.rng)
        at_t = predict(Level.at(log_snr, u).noisy(u, eps), kt, log_snr, dropped(batch, self.rows.drop))
        terms = {}
        if self.table.numbers:
            terms["noise_mse"] = (at_t.eps - eps).square().mean()
        if self.table.sizes:
            kl = reverse_divergence(predict, k, kt, at_t.p, later, earlier)
            terms["choice_nats"] = self.rows.steps * kl.mean().to(u)
        yield Loss("mixed_denoising", torch.stack([*terms.values()]).sum(), ("denoiser",), terms)

    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        return next(self.losses(nets, batch))

    def check_sampling(self, spec: DataSpec, options: MixedStepsOptions) -> None:
        if options.guidance != 0.0 and not (self.answers_without and spec.condition_size):
            raise InvalidInput(
                "is for a model that was trained with and without its condition; leave it out, or train on data with "
                "a condition and drop = 0.1",
                field="options.guidance",
            )

    def sampler(self, nets: Nets, options: MixedStepsOptions) -> Sampler:
        self.check_sampling(nets.spec, options)
        levels = options.levels(self._levels)
        predict = MixedPredictor(nets["denoiser"], self.table, options.guidance)
        return MixedSteps(predict, levels, ancestral(levels, options.variance))

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: MixedBoundOptions) -> LogProb:
        return program.run(self.scorer(nets, options), (x, c), noise)

    def scorer(self, nets: Nets, options: MixedBoundOptions) -> Scorer:
        return MixedBound(MixedPredictor(nets["denoiser"], self.table), self._levels, options.steps, options.draws)

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return False

    def _filled(self, x: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        """Numbers, (B, P), spread over their grid cells, noise where there is none; and choices, (B, Q)."""
        shape = len(x), len(self.table.numbers)
        w = torch.rand(shape, generator=rng, device=x.device)
        coded = coder(self.table, x.device).encode(x, w)
        return torch.where(coded.present, coded.u, torch.randn(shape, generator=rng, device=x.device)), coded.k

    def _noisy(self, predict: MixedPredictor, k: Tensor, alpha_bar: Tensor, rng: Generator) -> Tensor:
        """Choices at level t, (B, Q)."""
        q = multinomial.noisy(predict.one_hot(k), alpha_bar, self.table.sizes)
        return choices.draw(q, torch.rand(k.shape, generator=rng, device=k.device), self.table.sizes)

    def _at(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Lambda and alpha_bar of level t, and alpha_bar of the level before, (B,) float64 each."""
        alpha_bar = 1 / (1 + np.exp(-self._levels))
        log_snr, later, earlier = (
            torch.from_numpy(each).to(t.device)[t] for each in (self._levels, alpha_bar, np.append(1.0, alpha_bar[:-1]))
        )
        return log_snr, later, earlier

    @property
    def _levels(self) -> Floats:
        levels: Floats = self.rows.schedule.log_snr(self.rows.steps)
        return levels
