r"""Training objectives of models with latent codes. With weights w = p(x, z) / q(z|x) of draws z_1, ..., z_k ~ q(z|x),

    elbo:   E (1/k) sum_i log p(x|z_i) - beta KL(q(z|x) || p(z))
    iwae:   E log (1/k) sum_i w_i

The bound at beta = 1 is the ELBO; beta may rise to its value over the first share of the steps (warm-up), since a
decoder that does not yet use the codes lets the posterior collapse to the prior. With beta > 1 codes carry less
information, spread more evenly. The divergence is exact where posterior and prior are Gaussian, else of the draws.
(Free bits, max(KL, floor), is no bound and is left out.)

The gradient of the importance-weighted bound weighs each draw by w~_i = w_i / sum w:

    grad = sum_i w~_i grad log w_i.

For the encoder its signal vanishes beside its noise as k grows (Rainforth et al., 2018). By reparameterizing twice
(DReG, Tucker et al., 2018) the same expectation is

    grad_phi = sum_i w~_i^2 (d log w_i / d z_i) grad_phi z_i,

the density's own parameters left out. The logged value is the bound, not sum_i w~_i log w_i, whose gradient looks
alike.

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
    | Ladder Variational Autoencoders (Sonderby et al., 2016), https://arxiv.org/abs/1602.02282: warm-up
    | beta-VAE (Higgins et al., 2017), openreview Sy2fzU9gl
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519
    | Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives (Tucker et al., 2018), arXiv:1810.04152
    | Tighter Variational Bounds are Not Necessarily Better (Rainforth et al., 2018), https://arxiv.org/abs/1802.04537
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self, final

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pushforward.models.config.config import Config
from pushforward.models.latents.posteriors import Coded, GaussianPosterior, Posterior
from pushforward.models.variational.importance import importance_weighted_bound
from pushforward.models.variational.score_function import leave_one_out, score_function

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets


class Drawn(NamedTuple):
    """k codes of each row and their log-densities, nats."""

    z: Tensor  # (k B, Z)
    log_likelihood: Tensor  # log p(x|z), (k, B)
    log_prior: Tensor  # log p(z), (k, B)
    log_q: Tensor  # log q(z|x), (k, B)
    kl: Tensor | None  # KL(q(z|x) || p(z)), (B,), where it is known

    @property
    def log_w(self) -> Tensor:
        """Log p(x, z) / q(z|x), (k, B)."""
        return self.log_likelihood + self.log_prior - self.log_q


class Objective(Config, ABC):
    """A training objective: a bound of log p(x), or one with other weights, and the estimator of its gradient."""

    objective: str  # a Literal with a default in each final objective

    @property
    @abstractmethod
    def loss_name(self) -> str:
        """The name of the loss."""

    @property
    @abstractmethod
    def n_codes(self) -> int:
        """Codes of a row, k."""

    @property
    def needs_gaussian(self) -> bool:
        """Whether it needs the density of any code, not only that of a draw."""
        return False

    def draw(self, posterior: Posterior, nets: Nets, h: Tensor, eps: Tensor) -> Coded:
        """Codes with the gradients that `loss` needs.  h, eps: (k B, ...)."""
        return posterior.draw(nets, h, eps)

    @abstractmethod
    def loss(self, drawn: Drawn, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss, a scalar, and terms to chart.  progress: share of the steps that are done."""


@final
class ELBO(Objective):
    """The evidence lower bound, or with beta a distortion and a rate that are weighed otherwise."""

    objective: Literal["elbo"] = "elbo"
    beta: PositiveFloat = 1.0
    """Weight of the divergence between posterior and prior."""
    warm_up: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the steps over which beta rises from 0."""
    estimator: Literal["reparameterized", "reinforce"] = "reparameterized"
    """Gradient estimator of the encoder."""
    draws: PositiveInt = Field(1, le=64)
    """Codes drawn for each row; reinforce needs several: the others are its baseline."""

    @model_validator(mode="after")
    def _has_a_baseline(self) -> Self:
        if self.estimator == "reinforce" and self.draws < 2:
            raise ValueError("reinforce needs draws of at least 2: the other draws are a draw's baseline")
        return self

    @property
    def loss_name(self) -> str:
        plain = self.beta == 1 and self.warm_up == 0
        return "negative_elbo_nats" if plain else "distortion_and_weighted_kl_nats"

    @property
    def n_codes(self) -> int:
        return self.draws

    @property
    def needs_gaussian(self) -> bool:
        return self.estimator == "reinforce"

    def draw(self, posterior: Posterior, nets: Nets, h: Tensor, eps: Tensor) -> Coded:
        if self.estimator == "reinforce" and isinstance(posterior, GaussianPosterior):
            return posterior.draw_by_score(h, eps)
        return posterior.draw(nets, h, eps)

    def beta_at(self, progress: float) -> float:
        """The weight after a share of the steps."""
        return self.beta * min(1.0, progress / self.warm_up) if self.warm_up else self.beta

    def loss(self, drawn: Drawn, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        beta = self.beta_at(progress)
        distortion, kl = -self._log_likelihood(drawn).mean(), self._kl(drawn).mean()
        terms = {"distortion_nats": distortion, "kl_nats": kl}
        if self.loss_name != "negative_elbo_nats":
            terms["negative_elbo_nats"] = distortion + kl
        return distortion + beta * kl, terms

    def _log_likelihood(self, drawn: Drawn) -> Tensor:
        """log p(x|z) of each draw, (k, B), with the gradient of the estimator."""
        return _by_score(drawn.log_likelihood, drawn) if self.estimator == "reinforce" else drawn.log_likelihood

    def _kl(self, drawn: Drawn) -> Tensor:
        """The divergence, (B,), or of each draw, (k, B), where it has no closed form."""
        if drawn.kl is not None:
            return drawn.kl
        if self.estimator == "reinforce":  # log q's own gradient is zero on average and left out
            return _by_score(drawn.log_q.detach() - drawn.log_prior, drawn)
        return drawn.log_q - drawn.log_prior


@final
class IWAE(Objective):
    """The importance-weighted bound of k draws."""

    objective: Literal["iwae"] = "iwae"
    k: int = Field(16, ge=1, le=1000)
    """Importance samples of the bound."""
    dreg: bool = False
    """Doubly reparameterized gradients: less noise in the encoder's gradient at large k."""

    @property
    def loss_name(self) -> str:
        return "negative_importance_weighted_bound_nats"

    @property
    def n_codes(self) -> int:
        return self.k

    @property
    def needs_gaussian(self) -> bool:
        return self.dreg

    def draw(self, posterior: Posterior, nets: Nets, h: Tensor, eps: Tensor) -> Coded:
        if self.dreg and isinstance(posterior, GaussianPosterior):
            return posterior.draw_by_path(h, eps)
        return posterior.draw(nets, h, eps)

    def loss(self, drawn: Drawn, progress: float) -> tuple[Tensor, Mapping[str, Tensor]]:
        log_w = drawn.log_w
        bound = importance_weighted_bound(log_w).mean()
        terms = {"negative_elbo_nats": -log_w.mean()}
        if not self.dreg:
            return -bound, terms
        share = log_w.detach().softmax(0)  # w~, (k, B)
        if drawn.z.requires_grad:
            _scale_gradient(drawn.z, share.view(-1, 1))  # w~ log w below gives the other w~
        weighted = (share * log_w).sum(0).mean()
        return -(bound.detach() + weighted - weighted.detach()), terms


def _by_score(f: Tensor, drawn: Drawn) -> Tensor:
    """F of each draw, (k, B), with REINFORCE's gradient."""
    return score_function(f, drawn.log_q, leave_one_out(f))


def _scale_gradient(z: Tensor, by: Tensor) -> None:
    """Multiply the gradient that reaches z, before it is propagated further."""
    z.register_hook(lambda gradient: (gradient * by).to(gradient))  # type: ignore[no-untyped-call]  # torch leaves it untyped


AnyObjective = Annotated[ELBO | IWAE, Field(discriminator="objective")]
