r"""The variational bound of a diffusion of a table's rows.

Numbers u dissolve by Gaussian, choices k by multinomial diffusion, at the same T levels. Given a noisy row the reverse
process draws all of them independently, so its bound is a sum. Of the choices it is

    -KL(q(k_T|k_0) || uniform) - sum_{t=1}^T E KL(q(k_{t-1}|k_t, k_0) || p_theta(k_{t-1}|u_t, k_t)),

where for t = 1 the divergence is -log p_theta(k_0|u_1, k_1). For choices of D_i even cases the reverse process is exact
with the even distribution e in the place of the network's, so with p_e the bound is -sum_i log D_i. As for the numbers
(`models.samplers.variational_bound`) this determines the constant:

    log p(u, k) >= log N(u; 0, I) - sum_i log D_i
                   + sum_{t=1}^T E { w_t [ || eps - eps_N ||^2 - || eps - eps_theta ||^2 ]
                                     + sum_i [ KL(q || p_e) - KL(q || p_theta) ] }.

**Absent numbers** are filled with noise a ~ N(0, I), in training as well: a variable of its own that the model has a
density for, and

    log p(u, k) >= E_a [log p(u, a, k) - log N(a; 0, I)].

The difference is the same bound with log N of the numbers that are there alone. The network learns that nothing is to
be found there, and sampling needs to know which numbers are absent only at its end.

**Numbers on a grid** are spread over their cells (`models.tables.coding`): log P >= E_w log p(r + s (w - 1/2)) + log s.

The sum is estimated from M levels of a draw, drawn with probabilities p_t, one from each M-th of their distribution:
every draw is unbiased. p_t is a mixture, by how many numbers and choices there are, of the share for numbers, prop. to
w_t alpha_t^2, and that for choices, prop. to (alpha_bar_{t-1} - alpha_bar_t) / sigma_t. The latter has the least
variance near the data, where a choice has changed with a probability of about sigma_t^2 and then has a term of about
beta_t / sigma_t^2.

References:
    | TabDDPM: Modelling Tabular Data with Diffusion Models (Kotelnikov et al., 2022), https://arxiv.org/abs/2209.15421
    | Argmax Flows and Multinomial Diffusion (Hoogeboom et al., 2021), https://arxiv.org/abs/2102.05379
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log, pi
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.paths import multinomial
from pushforward.models.paths.schedules import Floats, Level
from pushforward.models.samplers.mixed_steps import MixedPredictor
from pushforward.models.samplers.variational_bound import noise_weights
from pushforward.models.stepwise.program import State
from pushforward.models.stepwise.scoring import LogProb, Scorer
from pushforward.models.tables import choices
from pushforward.models.tables.coding import coder

if TYPE_CHECKING:
    from torch import Tensor


class Filled(NamedTuple):
    """Rows to dissolve."""

    u: Tensor  # (B, P), noise where there is no number
    k: Tensor  # (B, Q)
    given: Tensor  # (B,) float64: the bound of a network that knows nothing


class Noised(NamedTuple):
    """Rows at level t, and the noise that is in them."""

    u: Tensor  # (B, P)
    k: Tensor  # (B, Q)
    eps: Tensor  # (B, P)


@final
@dataclass(frozen=True)
class MixedBound(Scorer):
    """State: cells, (B, C); the condition; the bound of each draw so far, (B, J)."""

    predict: MixedPredictor
    log_snr: Floats  # (T,), least noisy first
    levels: int  # M, of a draw
    draws: int  # J

    @property
    def steps(self) -> int:
        return self.draws * self.levels

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        x, c = given
        return x, c, torch.zeros(len(x), self.draws, dtype=torch.float64, device=x.device)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c, values = state
        j, i = k // self.levels, k % self.levels
        first = j * (2 + 3 * self.levels)  # of a draw's own random arrays
        rows = self._filled(x, noise, first)
        t = self._level(i, noise.uniform(first + 2 + 3 * i, (1,))[:, 0].cpu())
        at_t = self._noisy(rows, t, noise, first + 3 + 3 * i)
        term = self._term(rows, at_t, t, c) * torch.from_numpy(1 / (self.levels * self._share))[t].to(x.device)
        values = values.clone()
        values[torch.arange(len(values)), j] += term + rows.given / self.levels
        return x, c, values

    def finish(self, state: State, noise: Noise) -> LogProb:
        values = state[2]
        std_error = values.std(1) / self.draws**0.5 if self.draws > 1 else None
        return LogProb(values.mean(1), "lower_bound", std_error)

    def _filled(self, x: Tensor, noise: Noise, first: Tensor) -> Filled:
        shape = (len(self.predict.table.numbers),)
        coded = coder(self.predict.table, x.device).encode(x, noise.uniform(first, shape))
        base = torch.where(coded.present, -0.5 * (coded.u.double() ** 2 + log(2 * pi)), 0.0)
        u = torch.where(coded.present, coded.u, noise.normal(first + 1, shape))
        even = sum(log(size) for size in self.predict.table.sizes)
        return Filled(u, coded.k, (base + coded.log_derivative).sum(1) - even)

    def _level(self, i: Tensor, u01: Tensor) -> Tensor:
        """The level of each row, counted from 0: one from the i-th M-th of p_t."""
        at = ((i + u01.double()) / self.levels).numpy()
        return torch.from_numpy(np.searchsorted(np.cumsum(self._share)[:-1], at, side="right"))

    def _noisy(self, rows: Filled, t: Tensor, noise: Noise, draw: Tensor) -> Noised:
        """Rows at level t."""
        sizes = self.predict.table.sizes
        log_snr, alpha_bar, _ = self._at(t, rows.u.device)
        eps = noise.normal(draw, rows.u.shape[1:]).to(rows.u)
        q = multinomial.noisy(self.predict.one_hot(rows.k), alpha_bar, sizes)
        k = choices.draw(q, noise.uniform(draw + 1, (len(sizes),)), sizes)
        return Noised(Level.at(log_snr, rows.u).noisy(rows.u, eps), k, eps)

    def _term(self, rows: Filled, at_t: Noised, t: Tensor, c: Tensor) -> Tensor:
        """What level t adds to the bound, (B,)."""
        log_snr, later, earlier = self._at(t, rows.u.device)
        predicted = self.predict(at_t.u, at_t.k, log_snr, c)
        sigma = Level.at(log_snr, at_t.u).sigma
        normal, learned = sigma * at_t.u - at_t.eps, predicted.eps - at_t.eps
        gain = (normal.double().square() - learned.double().square()).sum(1)
        even = multinomial.uniform(predicted.p, self.predict.table.sizes)
        of_even, of_learned = (
            reverse_divergence(self.predict, rows.k, at_t.k, p, later, earlier).sum(1) for p in (even, predicted.p)
        )
        return torch.from_numpy(self._weights)[t].to(gain) * gain + of_even - of_learned

    def _at(self, t: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Lambda and alpha_bar of level t, and alpha_bar of the level before, (B,) each."""
        before = np.append(1.0, self._alpha_bar[:-1])
        log_snr, later, earlier = (
            torch.from_numpy(each)[t].to(device) for each in (self.log_snr, self._alpha_bar, before)
        )
        return log_snr, later, earlier

    @cached_property
    def _alpha_bar(self) -> Floats:
        """(T,)."""
        alpha_bar: Floats = 1 / (1 + np.exp(-self.log_snr))
        return alpha_bar

    @cached_property
    def _weights(self) -> Floats:
        """w_t, (T,)."""
        return noise_weights(self.log_snr)

    @cached_property
    def _share(self) -> Floats:
        """p_t, (T,)."""
        of_numbers = self._weights * self._alpha_bar
        of_choices = -np.diff(self._alpha_bar, prepend=1.0) / np.sqrt(1 - self._alpha_bar)
        p, q = len(self.predict.table.numbers), len(self.predict.table.sizes)
        share: Floats = (p * of_numbers / of_numbers.sum() + q * of_choices / of_choices.sum()) / (p + q)
        return share


def reverse_divergence(
    predict: MixedPredictor, k0: Tensor, kt: Tensor, p: Tensor, later: Tensor, earlier: Tensor
) -> Tensor:
    """KL(q(k_s|k_t, k_0) || p(k_s|k_t)) of each choice, (B, Q) nats: a step from level t back to level s.

    Arguments:
        k0, kt: (B, Q).
        p: (B, sum of sizes), the distribution of k_0 by the network.
        later, earlier: (B,), alpha_bar of level t and of level s; 1 for the data.
    """
    sizes, hot = predict.table.sizes, predict.one_hot(kt)
    q = multinomial.posterior(hot, predict.one_hot(k0), later, earlier, sizes)
    return multinomial.divergence(q, multinomial.posterior(hot, p, later, earlier, sizes), sizes)
