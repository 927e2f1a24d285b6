r"""Normalizing flows: an invertible network from data to noise.

With z = f(v) a bijection of R^D onto the base space, p(z) = N(0, I),

    log p(v) = log p(f(v)) + log |det df/dv|,      L = -E log p(v),

and a sample is v = f^{-1}(z). f is a chain of couplings (or autoregressive transforms), each a monotone univariate
map g of every element, its parameters theta computed by a network from the elements of earlier groups:

    z_i = g(v_i; theta_i(v_<i)),      log |det df/dv| = sum_i log g'(v_i; theta_i).

    affine:  g(v) = exp(theta_1) v + theta_2
    spline:  g is a monotone rational-quadratic spline with K bins on [-5, 5], the identity outside

v is the data normalized, or by a logit where bounded; data with levels are dequantized, and their score is a bound.
The default alpha of the logit, logit 0.0067 = -5, puts the ends of the range at the ends of the spline: bounded data
often pile up at an end, and an edge of the density there is one the spline need not bend to fit.

References:
    | Density estimation using Real NVP (Dinh et al., 2016), https://arxiv.org/abs/1605.08803
    | Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), https://arxiv.org/abs/1705.07057
    | Neural Spline Flows (Durkan et al., 2019), https://arxiv.org/abs/1906.04032
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from math import log, pi
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast, final

from pydantic import Field, PositiveInt

from models.family import Adam, Batch, Config, Decodes, Encodes, Family, LogProb, Loss, Options, Samples, Scores
from models.lazy import networks, sampling, torch
from models.objectives.dequantization import dequantize, level_log_volume
from models.objectives.logit import from_reals, to_reals
from models.spec import DataSpec, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from models.networks import Bijection, Nets
    from models.noise import Noise
    from models.sampling import Sampler


class Transform(Config, ABC):
    """A monotone map of a real."""

    transform: str

    @property
    @abstractmethod
    def shapes(self) -> Sequence[Shape]:
        """The shapes of its parameters."""

    @property
    @abstractmethod
    def univariate(self) -> Callable[..., Any]:
        """Makes the map from its parameters."""


@final
class Spline(Transform):
    """Rational-quadratic spline: K widths, K heights and K - 1 slopes; the identity outside [-5, 5]."""

    transform: Literal["spline"] = "spline"
    bins: int = Field(8, ge=2, le=64)

    @property
    def shapes(self) -> Sequence[Shape]:
        return (self.bins,), (self.bins,), (self.bins - 1,)

    @property
    def univariate(self) -> Callable[..., Any]:
        univariate: Callable[..., Any] = networks.RationalQuadratic
        return univariate


@final
class Affine(Transform):
    """Shift and log-scale, as in Real NVP."""

    transform: Literal["affine"] = "affine"

    @property
    def shapes(self) -> Sequence[Shape]:
        return (), ()

    @property
    def univariate(self) -> Callable[..., Any]:
        univariate: Callable[..., Any] = networks.Affine
        return univariate


AnyTransform = Annotated[Spline | Affine, Field(discriminator="transform")]


class DequantizationOptions(Options):
    """How precise a bound is wanted; continuous data need no draws."""

    k: PositiveInt = Field(16, le=1000)  # dequantization draws


@final
class Flow(Family, Samples, Scores, Encodes, Decodes):
    """Normalizing flow: exact likelihoods of continuous data, exact inverses, samples in one step."""

    family: Literal["flow"] = "flow"
    transform: AnyTransform = Spline()
    scheme: Literal["coupling", "autoregressive"] = "coupling"  # autoregressive: D network calls for a sample
    n_transforms: PositiveInt = Field(4, le=32)
    width: PositiveInt = Field(64, le=2048)  # units of a hidden layer
    depth: PositiveInt = Field(2, le=8)  # hidden layers
    alpha: float = Field(0.0067, gt=0.0, lt=0.5)  # of the logit: kept to either end of bounded data

    optimizer: ClassVar[Adam] = Adam(batch_size=512, decay="cosine")
    ScoreOptions: ClassVar[type[Options]] = DequantizationOptions

    def build(self, spec: DataSpec) -> Nets:
        bijection = networks.Bijection(
            spec.size,
            univariate=self.transform.univariate,
            shapes=self.transform.shapes,
            n_transforms=self.n_transforms,
            passes=2 if self.scheme == "coupling" else spec.size,
            width=self.width,
            depth=self.depth,
        )
        return networks.Nets(spec, flow=bijection)

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        if nets.spec.levels is None:
            yield Loss("nll_nats", -self.log_density(nets, batch.x).mean(), ("flow",))
            return
        u01 = torch.rand(batch.x.shape, generator=batch.rng, device=batch.x.device)
        bound = self.log_level(nets, batch.x, u01).mean()
        yield Loss("nll_bound_nats", -bound, ("flow",), {"bits_per_dim": -bound / (nets.spec.size * log(2))})

    def log_density(self, nets: Nets, x: Tensor) -> Tensor:
        """Log p(x) of continuous x in data units, (B,) nats.  x: (B, *shape)."""
        v, log_det_v = to_reals(nets.spec, x, self.alpha)
        z, log_det_z = bijection(nets)(v)
        log_p_z = -0.5 * (z**2).sum(1) - 0.5 * nets.spec.size * log(2 * pi)
        log_p: Tensor = log_p_z + log_det_z + log_det_v
        return log_p

    def log_level(self, nets: Nets, y: Tensor, u01: Tensor) -> Tensor:
        """A one-draw estimate of the bound of log P(y), (B,) nats.  y, u01: (B, *shape)."""
        return self.log_density(nets, dequantize(nets.spec, y, u01)) + level_log_volume(nets.spec)

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: DequantizationOptions) -> LogProb:
        if nets.spec.levels is None:
            return LogProb(self.log_density(nets, x).double(), "exact")
        draws = [self.log_level(nets, x, noise.uniform(j, nets.spec.shape)) for j in range(options.k)]
        bound = torch.stack(draws).double()  # (k, B)
        std_error = bound.std(0) / options.k**0.5 if options.k > 1 else None
        return LogProb(bound.mean(0), "lower_bound", std_error)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return sampling.OneStep(lambda noise, c: self.prior(nets, noise, c), lambda z, _, c: self.decode(nets, z, c))

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        v, _ = to_reals(nets.spec, x, self.alpha)
        z: Tensor = bijection(nets)(v)[0]
        return z

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (spec.size,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (nets.spec.size,))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return from_reals(nets.spec, bijection(nets).inverse(z), self.alpha)


def bijection(nets: Nets) -> Bijection:
    """The one network of a flow."""
    return cast("Bijection", nets["flow"])
