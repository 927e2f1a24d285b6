r"""Holds on the critic's weights, and on how both players move.

    spectral_norm         every layer's W is divided by its largest singular value
    weight_clipping       every weight is clipped to [-limit, limit] after each step of the critic
    historical_averaging  adds weight |theta - mean of the player's past theta|^2 to the loss of each player
    unrolled              the generator descends its loss against the critic that K further steps would give, with its
                          penalties and clipped where it is

References:
    | Wasserstein GAN (Arjovsky et al., 2017), https://arxiv.org/abs/1701.07875: clipping
    | Improved Techniques for Training GANs (Salimans et al., 2016), https://arxiv.org/abs/1606.03498: averaging
    | Unrolled Generative Adversarial Networks (Metz et al., 2016), https://arxiv.org/abs/1611.02163
    | Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from typing import Literal, final

from pydantic import Field, PositiveFloat, PositiveInt

from pushforward.models.adversarial.regularizers.regularizer import Regularizer


@final
class SpectralNorm(Regularizer):
    """Divides each of the critic's weight matrices by its spectral norm, so that no layer is steeper than one."""

    regularizer: Literal["spectral_norm"] = "spectral_norm"


@final
class WeightClipping(Regularizer):
    """Clips the critic's weights after each of its steps."""

    regularizer: Literal["weight_clipping"] = "weight_clipping"
    limit: PositiveFloat = 0.01
    """Greatest absolute value of a weight."""


@final
class HistoricalAveraging(Regularizer):
    """Pulls each player to the mean of its past weights, against circling."""

    regularizer: Literal["historical_averaging"] = "historical_averaging"
    weight: PositiveFloat = 1e-3
    """Weight of the squared distance."""


@final
class Unrolled(Regularizer):
    """The generator looks ahead: its loss is differentiated through further steps of the critic."""

    regularizer: Literal["unrolled"] = "unrolled"
    steps: PositiveInt = Field(5, le=20)
    """Steps of gradient descent of the critic that the generator looks ahead."""
    lr: PositiveFloat = 0.1
    """Learning rate of these steps."""
