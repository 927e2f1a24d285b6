r"""A posterior for each row on its own, step by step: black-box variational inference from where the encoder starts it,

    lambda_x = argmax_lambda ELBO(x; lambda),      amortization gap = ELBO(x; lambda_x) - ELBO(x; h(x)) >= 0

by Adam on each row's numbers lambda alone, its gradients by draws. Step k has the size r (1 - k / S), so that the noise
settles. A few steps may still end below their start, since Adam's first ones are of one size whatever the width of the
posterior, and noise near the top leads down as well as up. So lambda stands only where its ELBO is above that of h, by
draws apart from the bound's: chosen by those, the bound would be biased. The score is then the importance-weighted
bound of the chosen posterior; the gap is reported beside it, from the same draws of eps.

References:
    | Black Box Variational Inference (Ranganath et al., 2013), https://arxiv.org/abs/1401.0118
    | Inference Suboptimality in Variational Autoencoders (Cremer et al., 2018), https://arxiv.org/abs/1801.03558
    | Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), https://arxiv.org/abs/1412.6980
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.solvers import row_adam
from pushforward.models.solvers.gradients import with_gradients
from pushforward.models.stepwise.program import State
from pushforward.models.stepwise.scoring import LogProb, Scorer
from pushforward.models.variational.importance import lower_bound
from pushforward.models.variational.weighted_draws import Draws, log_weights

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 8  # codes of a row at each step
TRIAL = 64  # codes that choose between lambda and h

LogWeight: TypeAlias = "Callable[[Tensor, Tensor, Tensor, Draws], Tensor]"  # x, c, lambda and draws to (draws B,) nats


@final
@dataclass(frozen=True)
class SemiAmortizedBound(Scorer):
    """State: x; c; h(x), lambda, and the first and second moment of its gradient, (B, P) each."""

    infer: Callable[[Tensor, Tensor], Tensor]  # x and c to h
    log_weight: LogWeight  # log p(x, z) / q(z|x)
    ascended: LogWeight  # the same in the mean, as its gradient varies least
    k: int  # draws of the bound
    n_steps: int  # S
    first_draw: int  # those before it are the bound's
    size: int  # numbers in the largest tensor of one row

    @property
    def steps(self) -> int:
        return self.n_steps

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        x, c = given
        h = self.infer(x, c)
        return x, c, h, h, torch.zeros_like(h), torch.zeros_like(h)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c, h, own, m, v = state
        slope = self._slope(x, c, own, self._draws(noise, k.numpy()))
        change, m, v = row_adam.step(slope, m, v, k.to(own)[:, None], self.n_steps)
        return x, c, h, own + change, m, v

    def finish(self, state: State, noise: Noise) -> LogProb:
        x, c, h, own, _, _ = state
        own = torch.where(self._gained(x, c, h, own, noise)[:, None], own, h)
        amortized, refined = (self._log_weights(x, c, q, noise, self.k) for q in (h, own))
        bound = lower_bound(refined, own.dtype)
        after, before = refined.mean(0), amortized.mean(0)
        gap = torch.where(after == before, 0.0, after - before)  # both are -inf far enough out
        return bound._replace(terms={**bound.terms, "amortization_gap_nats": gap})

    def _gained(self, x: Tensor, c: Tensor, h: Tensor, own: Tensor, noise: Noise) -> Tensor:
        """Whether lambda has the higher ELBO, (B,), by draws that neither a step nor the bound sees."""
        first = self.first_draw + DRAWS * self.n_steps
        before, after = (self._log_weights(x, c, q, noise, TRIAL, first=first).mean(0) for q in (h, own))
        return after > before

    def _log_weights(self, x: Tensor, c: Tensor, q: Tensor, noise: Noise, k: int, *, first: int = 0) -> Tensor:
        return log_weights(partial(self.log_weight, x, c, q), noise, k, size=self.size, first=first)

    def _draws(self, noise: Noise, k: NDArray[np.int64]) -> Draws:
        return Draws.of(noise, range(DRAWS)).after(self.first_draw + DRAWS * k)

    def _slope(self, x: Tensor, c: Tensor, own: Tensor, draws: Draws) -> Tensor:
        """The gradient of the ELBO, (B, P)."""
        with with_gradients():
            x, c, own = (rows.detach().clone() for rows in (x, c, own))
            own.requires_grad_()
            (slope,) = torch.autograd.grad(self.ascended(x, c, own, draws).sum() / draws.n_draws, own)
        return slope
