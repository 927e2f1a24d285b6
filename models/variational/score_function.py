r"""Gradients of an expectation under a distribution that is itself trained, from draws z_i ~ q.

    grad E_q f(z) = E_q [(f(z) - b) grad log q(z) + grad f(z)]                (REINFORCE)

for any baseline b that does not look at z: E_q grad log q = 0. The mean of the other draws' values is one, and with a
f that is constant nothing is left of the noise. It needs no gradient of f in z, at the price of variance: for
f(z) = z^2 under N(m, 1) both ways have the mean 2 m, at m = 1 with variance 30 (b = 0) against 4 by z = m + eps.

References:
    | Simple Statistical Gradient-Following Algorithms (Williams, 1992), doi:10.1007/BF00992696
    | Buy 4 REINFORCE Samples, Get a Baseline for Free! (Kool et al., 2019), openreview r1lgTGL5DE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def leave_one_out(f: Tensor) -> Tensor:
    """For each draw the mean of the others, (k, B).  f: (k, B), k at least 2."""
    return (f.sum(0) - f) / (len(f) - 1)


def score_function(f: Tensor, log_q: Tensor, baseline: Tensor | float) -> Tensor:
    """The value of f with REINFORCE's gradient.

    Arguments:
        f: (k, B); its own gradient is kept.
        log_q: log q of the draws, (k, B), the draws being detached.
        baseline: (k, B), independent of the draw itself.
    """
    return f + (f - baseline).detach() * (log_q - log_q.detach())
