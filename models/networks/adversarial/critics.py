r"""What a critic has beyond an encoder: heads that see a condition or a whole batch, and an autoencoder's error.

    projection           f(x, c) = w^T phi(x) + b + (V c)^T phi(x)
    auxiliary classes    logits of the classes beside the score, from the same features
    minibatch deviation  phi(x) and one number, the mean over features of their deviation over the batch
    autoencoding         f(x, c) = mean |x - D(x, c)|

References:
    | cGANs with Projection Discriminator (Miyato & Koyama, 2018), https://arxiv.org/abs/1802.05637
    | Conditional Image Synthesis With Auxiliary Classifier GANs (Odena et al., 2016), https://arxiv.org/abs/1610.09585
    | Progressive Growing of GANs (Karras et al., 2017), https://arxiv.org/abs/1710.10196: deviation
    | BEGAN: Boundary Equilibrium Generative Adversarial Networks (Berthelot et al., 2017), arXiv:1703.10717
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.networks.nets import concat_condition

if TYPE_CHECKING:
    from jaxtyping import Float

LEAKY_SLOPE = 0.2
EPS = 1e-8  # of a variance, so that the deviation of equal rows has a gradient


@final
class CriticHead(nn.Module):
    """Features phi of a body, and what is made of them.

    Arguments:
        body: (B, ...) to (B, n_features).
        n_out: scores of a row.
        condition_size: of a condition that is projected; 0 for none.
        n_classes: of the auxiliary classifier; 0 for none.
        deviation: whether the score sees how much rows of the batch differ.
    """

    def __init__(
        self,
        body: nn.Module,
        n_features: int,
        n_out: int,
        *,
        condition_size: int = 0,
        n_classes: int = 0,
        deviation: bool = False,
    ) -> None:
        super().__init__()
        self.body, self.deviation = body, deviation
        self.score = nn.Linear(n_features + deviation, n_out)
        self.projection = nn.Linear(condition_size, n_features, bias=False) if condition_size else None
        self.classes = nn.Linear(n_features, n_classes) if n_classes else None

    def features(self, x: Float[Tensor, " B *shape"]) -> Float[Tensor, "B N"]:
        """phi(x)."""
        h: Tensor = self.body(x)
        return F.leaky_relu(h, LEAKY_SLOPE)

    def forward(self, x: Float[Tensor, " B *shape"], c: Float[Tensor, "B C"] | None = None) -> Float[Tensor, "B K"]:
        phi = self.features(x)
        seen = torch.cat([phi, batch_deviation(phi).expand(len(phi), 1)], 1) if self.deviation else phi
        score: Tensor = self.score(seen)
        if self.projection is not None and c is not None:
            score = score + (self.projection(c) * phi).sum(1, keepdim=True)
        return score

    def classify(self, x: Float[Tensor, " B *shape"]) -> Float[Tensor, "B C"]:
        """Logits of the classes. Raises TypeError where there are none."""
        if self.classes is None:
            raise TypeError("the critic has no classes")
        logits: Tensor = self.classes(self.features(x))
        return logits


def batch_deviation(phi: Float[Tensor, "B N"]) -> Float[Tensor, ""]:
    """The mean over features of their standard deviation over the batch; 0 where all rows are equal."""
    deviation: Tensor = (phi.var(0, unbiased=False) + EPS).sqrt() - EPS**0.5
    return deviation.mean()


@final
class AutoencodingCritic(nn.Module):
    """(B, ...) to (B, 1): how badly an autoencoder reconstructs a row."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Float[Tensor, " B *shape"], c: Float[Tensor, "B C"]) -> Float[Tensor, "B 1"]:
        return (x - self.reconstruct(x, c)).abs().flatten(1).mean(1, keepdim=True)

    def reconstruct(self, x: Float[Tensor, " B *shape"], c: Float[Tensor, "B C"]) -> Float[Tensor, " B *shape"]:
        """D(x, c), whose encoder sees the condition."""
        y: Tensor = self.decoder(self.encoder(concat_condition(x, c)))
        return y
