r"""Neural importance sampling: a flow on the unit cube learns where an integrand is large.

For any density q' that is positive where f is not zero,

    F = int_[0,1]^d f(x) dx = E_q' [w],      w = f(x) / q'(x),

so the mean of n weights is an unbiased estimate of F, its variance F^2 chi^2(p || q') / n for f >= 0 and p = f / F:
zero where q' = p. The proposal is a defensive mixture of the uniform density and a flow q,

    q'(x) = alpha + (1 - alpha) q(x),      so |w| <= |f(x)| / alpha,

whatever the flow has overlooked. q is a chain of spline couplings of the cube onto itself, its base uniform. It learns
from its own samples: with p ~ |f|, x ~ q'_0 = q' held fixed, and w^ = w / mean w,

    KL(p || q')    = E_p log p / q'      ~ mean w^ log (|f| / F q'(x)),
    chi^2(p || q') = E_p p / q' - 1      ~ mean w^ |f| / F q'(x) - 1,

both descended in q' alone, in logarithms: in many dimensions f is smaller, or larger, than a float can hold. The
training rows are the uniform part of the mixture: a run needs the source `unit_cube`. A model samples q' and knows its
density; the estimate of F, its standard error and the exact F stand on the card. The error is itself estimated from the
weights: the card also has the share of samples that count, (sum w)^2 / (n sum w^2): where hardly any sample hits a
peak, both the estimate and its error are too low.

It takes no condition: an integrand has no rows that could have one.

References:
    | Neural Importance Sampling (Mueller et al., 2019), https://arxiv.org/abs/1808.03856
    | Safe and Effective Importance Sampling (Owen & Zhou, 2000), doi:10.1080/01621459.2000.10473909: the mixture
    | Neural Spline Flows (Durkan et al., 2019), https://arxiv.org/abs/1906.04032
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log, nan
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, cast, final

from pydantic import Field, PositiveInt

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.data.integrands import AnyIntegrand, Camel
from pushforward.models.errors import InvalidData
from pushforward.models.family import Diagnoses, Family, Samples, Scores, Validates
from pushforward.models.flows.bijection import bijection
from pushforward.models.flows.univariate import UnitCubeSpline
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise import sampling
from pushforward.models.stepwise.scoring import LogProb

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Bijection, Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler

HALF = 5.0  # the splines' cube is [-5, 5]^d
LEAST = -1e300  # log |f| where f = 0: its exponential is 0, and it is finite


class Estimate(NamedTuple):
    """An estimate of an integral from n weights."""

    value: float
    std_error: float
    effective_share: float  # of the samples: 1 where all weigh the same, 1 / n where one has all the weight


@final
class NIS(Family, Samples, Scores, Validates, Diagnoses):
    """Neural importance sampling of an integrand over the unit cube: its integral, with an error, on the card."""

    family: Literal["nis"] = "nis"
    integrand: AnyIntegrand = Camel()
    """The function whose integral over the unit cube is estimated."""
    divergence: Literal["kl", "chi2"] = "kl"
    """What training minimizes: kl, or chi2, the variance of the estimate, which is noisier to descend on."""
    alpha: float = Field(0.1, gt=0.0, lt=1.0)
    """Share of uniform samples in the proposal."""
    bins: int = Field(16, ge=2, le=64)
    """Bins of each spline."""
    n_transforms: int = Field(4, ge=1, le=32)
    """Transforms in the chain; left out: enough for every element to depend on every other."""
    width: PositiveInt = Field(64, le=2048)
    """Units of a hidden layer."""
    depth: PositiveInt = Field(2, le=8)
    """Hidden layers of each transform's network."""

    optimizer: ClassVar[Adam] = Adam(batch_size=512, decay="cosine")
    fits_data: ClassVar[bool] = False  # an integrand

    def check(self, spec: DataSpec) -> None:
        if len(spec.shape) != 1 or (spec.low, spec.high, spec.levels) != (0, 1, None):
            raise InvalidData("nis integrates over the unit cube; take the source unit_cube", field="run.data")

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        return networks.Nets(spec, proposal=bijection(self, spec.size, passes=2))

    @property
    def transform(self) -> UnitCubeSpline:
        """The monotone map of each element."""
        return UnitCubeSpline(self.bins)

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u = torch.rand(batch.x.shape, generator=batch.rng, device=batch.x.device, dtype=batch.x.dtype)
        which = torch.rand(len(u), 1, generator=batch.rng, device=u.device)
        with torch.no_grad():
            x = self.mix(nets, which, batch.x, u)
            log_f = self.integrand.log_abs(x.double()).clamp_min(LEAST)
        log_q = self.log_density(nets, x).double()
        log_w = log_f - log_q.detach()
        log_F = log_w.logsumexp(0) - log(len(x))  # of the integral of |f|, estimated by the batch
        log_ratio = log_f - log_F - log_q  # log p / q'
        divergence = log_ratio if self.divergence == "kl" else log_ratio.exp() - 1
        value = ((log_w - log_F).exp() * divergence).mean()
        yield Loss(f"{self.divergence}_of_p_from_q", value, ("proposal",), {"log_integral_of_abs_f": log_F})

    def mix(self, nets: Nets, which: Tensor, uniform: Tensor, u: Tensor) -> Tensor:
        """Samples of q', (B, d), from three independent uniforms: which (B, 1), and (B, d) for either part."""
        v = cast("Bijection", nets["proposal"]).inverse((2 * u - 1) * HALF)
        proposed = ((v / HALF + 1) / 2).clamp(0, 1)
        return torch.where(which < self.alpha, uniform, proposed)

    def log_density(self, nets: Nets, x: Tensor) -> Tensor:
        """Log q'(x), (B,) nats.  x: (B, d) in [0, 1]."""
        _, log_q = nets["proposal"]((2 * x - 1) * HALF)
        return torch.logaddexp(log_q + log(1 - self.alpha), torch.full_like(log_q, log(self.alpha)))

    @property
    def keeps_best(self) -> bool:
        return False  # an estimate from its own samples: a mode that none of them finds lowers it

    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        return next(self.losses(nets, batch))

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        shape = nets.spec.shape

        def push(u: Tensor, noise: Noise, c: Tensor) -> Tensor:
            return self.mix(nets, noise.uniform(1, (1,)), noise.uniform(2, shape), u)

        return sampling.OneStep(draw=lambda noise, c: noise.uniform(0, shape), push=push)

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: Options) -> LogProb:
        return LogProb(self.log_density(nets, x).double(), "exact")

    def estimate(self, nets: Nets, noise: Noise) -> Estimate:
        """The integral of f, estimated from one weight for each row of noise, at least two."""
        shape = nets.spec.shape
        x = self.mix(nets, noise.uniform(1, (1,)), noise.uniform(2, shape), noise.uniform(0, shape))
        return mean_and_error(self.integrand(x.double()) / self.log_density(nets, x).double().exp())

    def diagnose(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise) -> dict[str, float]:
        """The integral, and how many times fewer samples it took than plain Monte Carlo with the uniform rows x."""
        estimate, plain = self.estimate(nets, noise), mean_and_error(self.integrand(x.double()))
        return {
            "integral": estimate.value,
            "integral_std_error": estimate.std_error,
            "effective_share": estimate.effective_share,
            "exact_integral": self.integrand.integral(nets.spec.size),
            "variance_reduction": (plain.std_error / estimate.std_error) ** 2 if estimate.std_error else nan,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        return (
            "Samples follow the proposal, a mixture of the uniform density and a flow, which is near the integrand but "
            "not proportional to it; validation rows are uniform on the cube, so distances from them say little.",
            "The integral's error is to be believed where effective_share, of the samples that count, is not small.",
        )


def mean_and_error(w: Tensor) -> Estimate:
    """The mean of n independent weights and its standard error.  w: (n,)."""
    effective = w.abs().sum() ** 2 / w.square().sum() / len(w)  # NaN where all weights are 0
    return Estimate(float(w.mean()), float(w.std() / len(w) ** 0.5), float(effective))
