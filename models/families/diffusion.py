r"""Denoising diffusion.

Data dissolve in noise over T levels (see `models.objectives.schedules`), x_t = alpha_t x_0 + sigma_t eps. A network
learns the noise,

    L = E_{t, x_0, eps} || eps - eps_theta(x_t, lambda_t) ||^2 / D,

so that s = -eps_theta / sigma is the score of the dissolved data; `models.sampling_diffusion` walks the levels back.
The probability flow dx / d lambda = sigma^2 / 2 (x + s) carries data to noise and has a density,

    log p(x) = log N(x(lambda_T); 0, I) + integral_{lambda_1}^{lambda_T} div dx / d lambda  d lambda.

It is that of the flow's own model, up to the solver's error and to two truncations: the flow ends at the first level,
so the density is that of data with a little Gaussian noise (sigma_1 = 0.0064 network units for 1000 cosine levels, 0.01
for linear ones), and starts from N(0, I), which alpha_T x_0 is still part of (alpha_T = 5e-5 and 6e-3). For data with
levels y of distance w it is the density of y + w (u - 1/2), u uniform, which was trained on, and

    log P(y) >= E_u log p(y + w (u - 1/2)) + D log w.

Neither is exact nor, being estimated, a bound: the kind of the number is `estimate`. It is taken step by step, see
`models.scoring_diffusion`, and costs 4 x `steps` x `draws` calls of the network and as many vector-Jacobian products,
D times as many with the exact divergence, at most 20,000.

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
    | Denoising Diffusion Implicit Models (Song et al., 2020), https://arxiv.org/abs/2010.02502
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
    | Variational Diffusion Models (Kingma et al., 2021), https://arxiv.org/abs/2107.00630: one draw of t for a batch
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self, final

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from models.errors import InvalidInput
from models.family import Adam, Batch, Family, LogProb, Loss, Options, Samples, Scores
from models.lazy import networks, sampling_diffusion, scoring, scoring_diffusion, torch
from models.objectives.dequantization import dequantize
from models.objectives.schedules import AnySchedule, Cosine, Level
from models.spec import DataSpec

if TYPE_CHECKING:
    from torch import Tensor

    from models.networks import Nets
    from models.noise import Noise
    from models.sampling import Sampler
    from models.scoring import Scorer

DDIM_STEPS = 50
EXACT_UP_TO = 8  # elements of a row whose divergence is exact unless asked otherwise
PRODUCTS_LIMIT = 20_000  # vector-Jacobian products that the likelihood of one row may cost: a minute, for digits


class DenoisingOptions(Options):
    """How noise becomes data."""

    sampler: Literal["ddim", "ancestral", "sde"] = "ddim"
    steps: PositiveInt | None = Field(None, le=4000)  # evenly spread over the T levels; None: 50 for ddim, else all T
    eta: float = Field(0.0, ge=0.0, le=1.0)  # of ddim: from its deterministic map, 0, to ancestral sampling, 1
    clip: bool = True  # the predicted data to their range, where they have one

    @model_validator(mode="after")
    def _eta_is_of_ddim(self) -> Self:
        if self.sampler != "ddim" and self.eta != 0.0:
            raise ValueError(f"eta belongs to the sampler ddim; leave it out for {self.sampler}")
        return self


class FlowOptions(Options):
    """How closely the probability flow is followed. The cost grows as `steps` x `draws`."""

    steps: int = Field(16, ge=4, le=200)  # of the Runge-Kutta method, four network calls each
    draws: int = Field(4, ge=1, le=64)  # averaged, of what is random: the probe and the place within the level
    divergence: Literal["auto", "exact", "hutchinson"] = "auto"  # auto: exact for rows of up to 8 elements


@final
class Diffusion(Family, Samples, Scores):
    """Denoising diffusion: a network that finds the noise, sampled by DDIM, DDPM or the reverse SDE."""

    family: Literal["diffusion"] = "diffusion"
    schedule: AnySchedule = Cosine()
    steps: int = Field(1000, ge=10, le=4000)  # T, noise levels
    width: int | None = Field(None, ge=8, le=1024, multiple_of=8)  # None: 128 units of a layer, or 32 channels at first
    depth: int | None = Field(None, ge=1, le=8)  # residual blocks. None: 3, or 1 at each size of an image

    optimizer: ClassVar[Adam] = Adam(lr=4e-3, decay="cosine")
    SampleOptions: ClassVar[type[Options]] = DenoisingOptions
    ScoreOptions: ClassVar[type[Options]] = FlowOptions

    def build(self, spec: DataSpec) -> Nets:
        width, depth = (32, 1) if networks.convolves(spec) else (128, 3)
        return networks.Nets(
            spec, denoiser=networks.denoiser(spec, width=self.width or width, depth=self.depth or depth)
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        x = batch.x
        if nets.spec.levels is not None:
            x = dequantize(nets.spec, x, torch.rand(x.shape, generator=batch.rng, device=x.device))
        u = nets.spec.normalize(x)
        log_snr = self.draw_levels(len(u), batch)
        eps = torch.randn(u.shape, generator=batch.rng, device=u.device)
        eps_theta = nets["denoiser"](Level.at(log_snr, u).noisy(u, eps), log_snr)
        yield Loss("noise_mse", (eps_theta - eps).square().mean(), ("denoiser",))

    def draw_levels(self, n: int, batch: Batch) -> Tensor:
        """Lambda_t for t uniform on the T levels, (n,): one uniform number spreads the rows evenly over them."""
        device = batch.rng.device
        spread = (torch.arange(n, device=device) + torch.rand(1, generator=batch.rng, device=device)) / n
        t = (spread * self.steps).long().clamp(max=self.steps - 1)
        return torch.from_numpy(self.schedule.log_snr(self.steps)).float().to(device)[t]

    def sampler(self, nets: Nets, options: DenoisingOptions) -> Sampler:
        steps = options.steps or (min(DDIM_STEPS, self.steps) if options.sampler == "ddim" else self.steps)
        if steps > self.steps:
            raise InvalidInput(
                f"is {steps}, but the model has {self.steps} noise levels; ask for 1 to {self.steps}",
                field="options.steps",
            )
        t = np.linspace(self.steps - 1, 0, steps).round().astype(int)
        log_snr = self.schedule.log_snr(self.steps)[t]
        match options.sampler:
            case "ddim":
                coefficients = sampling_diffusion.ddim(log_snr, options.eta)
            case "ancestral":
                coefficients = sampling_diffusion.ddim(log_snr, 1.0)
            case "sde":
                coefficients = sampling_diffusion.reverse_sde(log_snr)
        bounds = support(nets.spec) if options.clip else None
        return sampling_diffusion.LinearSteps(nets["denoiser"], nets.spec, log_snr, coefficients, bounds)

    def validation_rows(self, spec: DataSpec) -> int:
        return min(512, max(8, 4096 // spec.size))

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: FlowOptions) -> LogProb:
        return scoring.score(self.scorer(nets, options), x, c, noise)

    def scorer(self, nets: Nets, options: FlowOptions) -> Scorer:
        spec = nets.spec
        exact = options.divergence == "exact" or (options.divergence == "auto" and spec.size <= EXACT_UP_TO)
        draws = 1 if exact and spec.levels is None else options.draws
        products = 4 * options.steps * draws * (spec.size if exact else 1)
        if products > PRODUCTS_LIMIT:
            raise InvalidInput(
                f"ask for {products} vector-Jacobian products a row, more than {PRODUCTS_LIMIT}; lower steps or draws"
                + (", or take the divergence hutchinson" if exact else ""),
                field="options",
            )
        levels = self.schedule.log_snr(self.steps)
        grid = np.linspace(levels[0], levels[-1], options.steps + 1)
        return scoring_diffusion.ProbabilityFlow(nets["denoiser"], spec, grid, draws, exact)


def support(spec: DataSpec) -> tuple[float, float] | None:
    """Where the data a model is trained on lie, data units: with levels, half a level beyond the outer two."""
    if spec.low is None or spec.high is None:
        return None
    margin = 0.0 if spec.levels is None else spec.bin_width / 2
    return spec.low - margin, spec.high + margin
