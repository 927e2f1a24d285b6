r"""Codes by descent, step by step: the z in the unit ball whose image G(z) is nearest to u,

    argmin_{|z| <= 1} |u - G(z)|^2,

by Adam from z = 0, projected after each step. Each row has moments of its own, and step k the size r (1 - k / S).

References:
    | Optimizing the Latent Space of Generative Networks (Bojanowski et al., 2018), https://arxiv.org/abs/1707.05776
    | Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), https://arxiv.org/abs/1412.6980
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pushforward.models.geometry.distances import project_to_unit_ball
from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.solvers import row_adam
from pushforward.models.solvers.gradients import with_gradients
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.mapping import RowMap
from pushforward.models.stepwise.program import State

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class LatentInversion(RowMap):
    """Data to codes. State: u; z, and the first and second moment of its gradient, (B, Z) each."""

    generator: Callable[[Tensor], Tensor]  # z to u
    spec: DataSpec
    latent: int
    n_steps: int  # S

    @property
    def steps(self) -> int:
        return self.n_steps

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        u = self.spec.normalize(given[0])
        z = u.new_zeros(len(u), self.latent)
        return u, z, z, z

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        u, z, m, v = state
        change, m, v = row_adam.step(self._slope(u, z), m, v, k.to(z)[:, None], self.n_steps)
        return u, project_to_unit_ball(z - change), m, v

    def finish(self, state: State, noise: Noise) -> Tensor:
        return state[1]

    def _slope(self, u: Tensor, z: Tensor) -> Tensor:
        """The gradient of |u - G(z)|^2, (B, Z)."""
        with with_gradients():
            z = z.detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad((u.clone() - self.generator(z)).square().sum(), z)
        return slope
