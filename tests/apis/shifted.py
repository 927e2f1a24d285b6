"""A family of which every answer is known: data are standard normal around a point that the condition moves.

x = z + W c, z ~ N(0, I), so that log p(x|c) = log N(x - W c; 0, I); W is not trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log, pi
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from pushforward.models.config.config import Options
from pushforward.models.family import Conditions, Decodes, Encodes, Family, Samples, Scores
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.stepwise.mapping import RowMap
from pushforward.models.stepwise.program import OneCall
from pushforward.models.stepwise.sampling import OneStep, Sampler
from pushforward.models.stepwise.scoring import LogProb

NOTE = "Nothing of it is trained."


class Far(Options):
    """How far a code is from its point."""

    times: float = 1.0


@final
class Shifted(Family, Samples, Scores, Encodes, Decodes, Conditions):
    """Normal around a point that the condition moves."""

    family: Literal["shifted"] = "shifted"
    drop: bool = False

    EncodeOptions: ClassVar[type[Options]] = Far
    DecodeOptions: ClassVar[type[Options]] = Far

    @property
    def answers_without(self) -> bool:
        return self.drop

    @property
    def notes(self) -> tuple[str, ...]:
        return (NOTE,)

    def build(self, spec: DataSpec) -> Nets:
        return Nets(spec, shift=torch.nn.Linear(spec.condition_size, spec.size, bias=False))

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        nll = -self.log_prob(nets, batch.x, batch.c, Noise.rows(0, len(batch.x)), Options()).value
        yield Loss("nll_nats", nll.mean(), ("shift",))

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return OneStep(lambda noise, c: self.prior(nets, noise, c), lambda z, _, c: self.decode(nets, z, c))

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: Options) -> LogProb:
        z = self.encode(nets, x, c)
        value = -0.5 * (z**2 + log(2 * pi)).flatten(1).sum(1)
        return LogProb(value, "exact", terms={"distance": z.flatten(1).norm(dim=1)})

    def latent_shape(self, spec: DataSpec) -> Shape:
        return spec.shape

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, nets.spec.shape)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return x - nets["shift"](c).view_as(x)

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return z + nets["shift"](c).view_as(z)

    def encoder(self, nets: Nets, options: Far) -> RowMap:
        return OneCall(lambda x, c, _: options.times * self.encode(nets, x, c))

    def decoder(self, nets: Nets, options: Far) -> RowMap:
        return OneCall(lambda z, c, _: self.decode(nets, z / options.times, c))
