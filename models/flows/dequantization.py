r"""Dequantization: densities over data that have levels.

Data on levels y, a distance w apart (`DataSpec.bin_width`), have probabilities, not densities. A density p over R^D
gives each level its bin, centered on it, [y - w/2, y + w/2):

    P(y) = w^D int_[0,1)^D p(y + w (u - 1/2)) du = E_q [W],      W = w^D p(y + w (u - 1/2)) / q(u|y),

for any q(u|y) over the cube that is positive there, and by Jensen's inequality, with K independent draws,

    log P(y) >= E_q [log (1/K) sum_k W_k] >= E_q [log W].

The bound rises with K to log P(y), and is tight at K = 1 where q(u|y) = p(u|y). Three ways to train by it:

    uniform      q = 1
    variational  u = sigmoid f(logit u_0; y),  u_0 ~ U(0, 1)^D,  f a bijection trained with p and the identity at first:
                 log q(u|y) = log sigmoid'(logit u_0) - log sigmoid'(logit u) - log |det f'|
    importance   either with K > 1

Rounding a draw of p to the nearest level is a draw of P. Elements outside the range belong to the outermost levels
then, which the bound leaves out, so it stays a bound. Bins [y, y + w) are another convention, under which a sample is
rounded down: p trained under one is off by half a bin under the other.

References:
    | A note on the evaluation of generative models (Theis et al., 2015), https://arxiv.org/abs/1511.01844
    | Flow++: Improving Flow-Based Generative Models with Variational Dequantization and Architecture Design
      (Ho et al., 2019), https://arxiv.org/abs/1902.00275
    | Learning Discrete Distributions by Dequantization (Hoogeboom et al., 2020), https://arxiv.org/abs/2001.11235
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import log
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field, PositiveInt

from pushforward.models.config.config import Config, Options
from pushforward.models.flows.bijection import bijection
from pushforward.models.flows.univariate import AnyTransform, Spline
from pushforward.models.lazy import F, torch
from pushforward.models.networks.masked.limits import check_mask_width

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pushforward.models.networks import Nets
    from pushforward.models.spec.data_spec import DataSpec

DEQUANTIZER = "dequantizer"  # the name of f among a family's networks


class Dequantization(Config, ABC):
    """The distribution q(u|y) of points within the bin of a level, and how many draws a training step takes."""

    dequantization: str
    draws: PositiveInt = Field(1, le=64)
    """Draws in training; above 1 they are importance-weighted."""

    def check(self, spec: DataSpec) -> None:
        """Raises InvalidData for data that q cannot be built for."""

    @abstractmethod
    def build(self, spec: DataSpec) -> dict[str, nn.Module]:
        """The networks of q by name, for `Nets`.  spec: of data with levels."""

    @abstractmethod
    def draw(self, nets: Nets, y: Tensor, c: Tensor, u01: Tensor) -> tuple[Tensor, Tensor]:
        """A draw u of q(u|y), (B, *shape), and log q(u|y), (B,) nats.  y, u01: (B, *shape), u01 uniform; c: (B, C)."""


class DequantizationOptions(Options):
    """How tight a bound is wanted; continuous data need no draws."""

    k: PositiveInt = Field(16, le=1000)
    """Dequantization draws, importance-weighted, for data with levels; 1 has no error bar."""


@final
class Uniform(Dequantization):
    """q = 1."""

    dequantization: Literal["uniform"] = "uniform"

    def build(self, spec: DataSpec) -> dict[str, nn.Module]:
        return {}

    def draw(self, nets: Nets, y: Tensor, c: Tensor, u01: Tensor) -> tuple[Tensor, Tensor]:
        return u01, u01.new_zeros(u01.shape[:1])


@final
class Variational(Dequantization):
    """q is an autoregressive flow on the cube given the level, trained with p: one forward pass for a draw."""

    dequantization: Literal["variational"] = "variational"
    transform: AnyTransform = Spline()
    """The monotone map of each element."""
    n_transforms: PositiveInt = Field(2, le=16)
    """Transforms in the chain."""
    width: PositiveInt = Field(128, le=2048)
    """Units of a hidden layer, one for each element at least."""
    depth: PositiveInt = Field(1, le=8)
    """Hidden layers of each transform's network."""

    def check(self, spec: DataSpec) -> None:
        check_mask_width(self.width, spec.size, field="run.family.dequantization.width")

    def build(self, spec: DataSpec) -> dict[str, nn.Module]:
        return {
            DEQUANTIZER: bijection(self, spec.size, passes=spec.size, condition_size=spec.size + spec.condition_size)
        }

    def draw(self, nets: Nets, y: Tensor, c: Tensor, u01: Tensor) -> tuple[Tensor, Tensor]:
        given = torch.cat([nets.spec.normalize(y).flatten(1), c], dim=1)
        w0 = torch.logit(u01.flatten(1)).to(given)
        w, log_det = nets[DEQUANTIZER](w0, given)
        log_q = (_log_sigmoid_slope(w0) - _log_sigmoid_slope(w)).sum(1) - log_det
        return torch.sigmoid(w).view(u01.shape), log_q


AnyDequantization = Annotated[Uniform | Variational, Field(discriminator="dequantization")]


def dequantize(spec: DataSpec, x: Tensor, u01: Tensor) -> Tensor:
    """Levels to points of their bins, data units.  x, u01: (B, *shape), u01 in (0, 1)."""
    return x + spec.bin_width * (u01 - 0.5)


def level_log_volume(spec: DataSpec) -> float:
    """D log w: the log-volume of a level's bin, to add to a log-density in data units. Nats."""
    return spec.size * log(spec.bin_width)


def _log_sigmoid_slope(w: Tensor) -> Tensor:
    """Log sigmoid'(w)."""
    return -F.softplus(w) - F.softplus(-w)
