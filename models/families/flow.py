r"""Normalizing flows: an invertible network from data to noise.

With z = f(v) a bijection of R^D onto the base space, p(z) = N(0, I),

    log p(v) = log p(f(v)) + log |det df/dv|,      L = -E log p(v),

and a sample is v = f^{-1}(z). f is a chain of transforms, each a monotone univariate map g of every element
(`models.flows.univariate`), its parameters theta computed by a network from earlier elements and the condition c:

    coupling                z_i = g(v_i; theta_i(v_<i, c)), two groups of elements; 1 call a density, 2 a sample
    autoregressive          the same with D groups, as in MAF;                      1 call a density, D a sample
    inverse autoregressive  z_i = g(v_i; theta_i(z_<i, c)), as in IAF;              D calls a density, 1 a sample

Affine couplings are Real NVP; splines make neural spline flows of all three. The direction that is called often should
be the fast one: an IAF that is mostly sampled, as a posterior of a VAE, is fast from the base space to the samples.

v is the normalized data, outliers compressed (`models.distributions.tails`), or the logit of bounded data; data with
levels are dequantized (`models.flows.dequantization`), and their likelihood is the importance-weighted bound of k
draws. The default alpha of the logit, logit 0.0067 = -5, puts the ends of the range at the ends of the spline: bounded
data often pile up at an end, and the spline then need not fit the edge of the density there.

Example:
    >>> import torch
    >>> from pushforward.models.families.flow import Flow
    >>> from pushforward.models.noise import Noise
    >>> from pushforward.models.spec.data_spec import DataSpec
    >>> flow, c, noise = Flow(), torch.empty(1, 0), Noise.rows(0, 1)
    >>> nets = flow.build(DataSpec(shape=(2,)))  # the identity, until it is trained
    >>> scored = flow.log_prob(nets, torch.zeros(1, 2), c, noise, flow.ScoreOptions())
    >>> scored.kind, round(scored.value.item(), 3)  # -log 2 pi
    ('exact', -1.838)

References:
    | Density estimation using Real NVP (Dinh et al., 2016), https://arxiv.org/abs/1605.08803
    | Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), https://arxiv.org/abs/1705.07057
    | Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), arXiv:1606.04934
    | Neural Spline Flows (Durkan et al., 2019), https://arxiv.org/abs/1906.04032
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING, ClassVar, Literal, cast, final

from pydantic import Field, PositiveInt

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.distributions.gaussians import standard_log_prob
from pushforward.models.distributions.tails import Tails
from pushforward.models.errors import InvalidData
from pushforward.models.family import (
    Conditions,
    Decodes,
    Encodes,
    Family,
    Samples,
    Scores,
    decoded,
)
from pushforward.models.flows.bijection import bijection
from pushforward.models.flows.dequantization import (
    AnyDequantization,
    DequantizationOptions,
    Uniform,
    dequantize,
    level_log_volume,
)
from pushforward.models.flows.logit import from_reals, to_reals
from pushforward.models.flows.univariate import AnyTransform, Spline
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.networks.masked.limits import check_mask_memory, check_mask_width
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.table import Table
from pushforward.models.tabular.joint import JointForm
from pushforward.models.tabular.models_tables import ModelsTables
from pushforward.models.variational.importance import importance_weighted_bound, lower_bound

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Bijection, Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler

Scheme = Literal["coupling", "autoregressive", "inverse_autoregressive"]

MIN_U01 = 2.0**-25  # half of the least positive uniform of torch: zero has no logit


@final
class Flow(Family, Conditions, Samples, Scores, Encodes, Decodes, ModelsTables):
    """Normalizing flow: exact likelihoods of continuous data, exact inverses, samples in one step."""

    family: Literal["flow"] = "flow"
    transform: AnyTransform = Spline()
    """The monotone map of each element."""
    scheme: Scheme = "coupling"
    """Which elements each transform reads: coupling, autoregressive (fast densities) or inverse autoregressive (fast
    samples)."""
    n_transforms: PositiveInt = Field(4, le=32)
    """Transforms in the chain."""
    width: PositiveInt = Field(64, le=2048)
    """Units of a hidden layer; autoregressive schemes need one for each element at least."""
    depth: PositiveInt = Field(2, le=8)
    """Hidden layers of each transform's network."""
    alpha: float = Field(0.0067, ge=1e-6, lt=0.5)
    """Share of the range that the logit keeps free at either end of bounded data."""
    dequantization: AnyDequantization = Uniform()
    """How data with levels become continuous; of no others."""
    tails: Tails = "heavy"
    """Of unbounded data: heavy, as Student's t, or those of the base space."""

    optimizer: ClassVar[Adam] = Adam(lr=5e-3, batch_size=512, warmup=0.05, decay="cosine", weight_decay_rows=1500.0)
    ScoreOptions: ClassVar[type[Options]] = DequantizationOptions
    inverts: ClassVar[bool] = True

    def for_table(self, table: Table) -> JointForm:
        if self.scheme == "inverse_autoregressive":
            raise InvalidData("is not for tables; take coupling or autoregressive", field="run.family.scheme")
        return JointForm(family="flow", table=table, chain=self)

    def check(self, spec: DataSpec) -> None:
        if spec.levels is None and self.dequantization != Uniform():
            raise InvalidData(
                "is for data with levels, which these have not; leave it out", field="run.family.dequantization"
            )
        check_mask_memory(spec.size, "flow")
        if self.scheme != "coupling":
            check_mask_width(self.width, spec.size, field="run.family.width")
        self.dequantization.check(spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        flow = bijection(
            self,
            spec.size,
            passes=2 if self.scheme == "coupling" else spec.size,
            condition_size=spec.condition_size,
            inverse=self.scheme == "inverse_autoregressive",
        )
        return networks.Nets(spec, flow=flow, **(self.dequantization.build(spec) if spec.levels is not None else {}))

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        if nets.spec.levels is None:
            yield Loss("nll_nats", -self.log_density(nets, batch.x, batch.c).mean(), tuple(nets))
            return
        log_w = [
            self.log_level(nets, batch.x, batch.c, _u01(nets.spec, batch)) for _ in range(self.dequantization.draws)
        ]
        bound = importance_weighted_bound(torch.stack(log_w)).mean()
        yield Loss("nll_bound_nats", -bound, tuple(nets), {"bits_per_dim": -bound / (nets.spec.size * log(2))})

    def log_density(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        """Log p(x|c) of continuous x in data units, (B,) nats.  x: (B, *shape), c: (B, C)."""
        v, log_det_v = to_reals(nets.spec, x, self.alpha, self.tails)
        z, log_det_z = nets["flow"](v, *networks.condition_args(c))
        log_p: Tensor = standard_log_prob(z) + log_det_z + log_det_v
        return log_p

    def log_level(self, nets: Nets, y: Tensor, c: Tensor, u01: Tensor) -> Tensor:
        """Log W of one draw: log P(y|c) = log E W, (B,) nats.  y, u01: (B, *shape), c: (B, C)."""
        u, log_q = self.dequantization.draw(nets, y, c, u01)
        return self.log_density(nets, dequantize(nets.spec, y, u), c) + level_log_volume(nets.spec) - log_q

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: DequantizationOptions) -> LogProb:
        if nets.spec.levels is None:
            return LogProb(self.log_density(nets, x, c).double(), "exact")
        draws = (noise.uniform(j, nets.spec.shape) for j in range(options.k))
        log_w = torch.stack([self.log_level(nets, x, c, u01) for u01 in draws])  # (k, B)
        return lower_bound(log_w, nets.spec.network_dtype(x))

    def curve_options(self) -> DequantizationOptions:
        return DequantizationOptions(k=self.dequantization.draws)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        v, _ = to_reals(nets.spec, x, self.alpha, self.tails)
        z: Tensor = nets["flow"](v, *networks.condition_args(c))[0]
        return z

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (spec.size,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (nets.spec.size,))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        v = flow_network(nets).inverse(z, *networks.condition_args(c))
        return from_reals(nets.spec, v, self.alpha, self.tails)


def flow_network(nets: Nets) -> Bijection:
    """The network from data to noise."""
    return cast("Bijection", nets["flow"])


def _u01(spec: DataSpec, batch: Batch) -> Tensor:
    """Uniforms in (0, 1), (B, *shape)."""
    x = batch.x
    return torch.rand(x.shape, generator=batch.rng, device=x.device, dtype=spec.network_dtype(x)).clamp_min(MIN_U01)
