r"""Holds on what the critic sees.

    instance_noise       rows and fakes plus sigma(t) eps, eps ~ N(0, I), with sigma falling linearly to 0
    label_smoothing      a real row counts as fake with weight `share`: its label is 1 - share; fakes stay fake
    packing              the critic scores m rows at once: one mode after another no longer looks like the data
    minibatch_deviation  the critic also sees the mean deviation of its features over the batch

References:
    | Improved Techniques for Training GANs (Salimans et al., 2016), https://arxiv.org/abs/1606.03498: smoothing
    | Amortised MAP Inference for Image Super-resolution (Sønderby et al., 2016), arXiv:1610.04490: noise
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2017), arXiv:1712.04086
    | Progressive Growing of GANs (Karras et al., 2017), https://arxiv.org/abs/1710.10196: deviation
"""

from __future__ import annotations

from typing import Literal, final

from pydantic import Field, PositiveFloat

from pushforward.models.adversarial.regularizers.regularizer import Regularizer


@final
class InstanceNoise(Regularizer):
    """Blurs real and fake rows alike, so that their distributions overlap; the noise fades during the training."""

    regularizer: Literal["instance_noise"] = "instance_noise"
    sigma: PositiveFloat = 0.1
    """Standard deviation at the first step, in network units."""
    until: float = Field(1.0, gt=0.0, le=1.0)
    """Share of the training after which there is none."""

    def scale(self, step: int, total_steps: int) -> float:
        """The standard deviation at a step."""
        return self.sigma * max(0.0, 1 - step / (self.until * total_steps))


@final
class LabelSmoothing(Regularizer):
    """One-sided label smoothing: the critic is never sure of real rows."""

    regularizer: Literal["label_smoothing"] = "label_smoothing"
    share: float = Field(0.1, gt=0.0, lt=0.5)
    """How much of a real row counts as fake."""


@final
class Packing(Regularizer):
    """The critic judges several rows together."""

    regularizer: Literal["packing"] = "packing"
    rows: int = Field(2, ge=2, le=16)
    """Rows that are judged together, m."""


@final
class MinibatchDeviation(Regularizer):
    """Shows the critic how much rows of a batch differ."""

    regularizer: Literal["minibatch_deviation"] = "minibatch_deviation"
