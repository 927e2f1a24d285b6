"""The batch of a training step, its losses, and the optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator

from pushforward.models.config.config import Config

if TYPE_CHECKING:
    from torch import Generator, Tensor


Precision = Literal["float32", "bfloat16"]


class Adam(Config):
    """How losses are descended: Adam, one instance for each loss name.

    With `weight_decay` = d each step also shrinks the weights by the learning rate times d (AdamW). With
    `weight_decay_rows` = k it shrinks them by the learning rate times k / N, where N is the number of training rows: a
    Gaussian prior of the weights counts as k rows, so it holds where rows are few and vanishes where they are many.
    Rows that are drawn afresh have no N and no such decay. The two add.

    With `accumulate` = k, a batch is computed in k parts of its rows, one after another, and their gradients are summed
    before the one step: the memory of a part, the step of a batch. Where rows are compared with each other (maximum
    mean discrepancies, minibatch statistics, couplings by optimal transport, batch normalization) they are compared
    within a part.

    With `precision` = bfloat16 networks multiply numbers of 8 bits where float32 has 24, and sum in float32. Weights,
    losses and Adam stay in float32, so the model is served as any other. It is faster where the processor has such
    products, in networks of some width.

    References:
        | Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), https://arxiv.org/abs/1412.6980
        | Decoupled Weight Decay Regularization (Loshchilov & Hutter, 2017), https://arxiv.org/abs/1711.05101
        | A Study of BFLOAT16 for Deep Learning Training (Kalamkar et al., 2019), https://arxiv.org/abs/1905.12322
    """

    lr: PositiveFloat = 1e-3
    """Learning rate."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the first and of the second moment."""
    batch_size: PositiveInt = Field(128, le=65536)
    """Rows of a step."""
    accumulate: PositiveInt = Field(1, le=65536)
    """Parts that a batch is computed in, one after another: less memory for the same step."""
    warmup: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the steps in which the learning rate rises to `lr`."""
    decay: Literal["constant", "cosine"] = "constant"
    """Learning rate over the training: constant, or a cosine to zero at its end."""
    weight_decay: float = Field(0.0, ge=0.0)
    """Decoupled weight decay (AdamW): each step shrinks the weights by the learning rate times this."""
    weight_decay_rows: float = Field(0.0, ge=0.0)
    """Decoupled weight decay (AdamW) times the number of training rows: it fades as rows become many."""
    clip_norm: PositiveFloat = 1.0
    """Greatest norm of each loss's gradient."""
    ema: float | None = Field(None, ge=0.0, lt=1.0)
    """Decay of the moving average of the weights, which is what is served; left out: 1 - 10 / steps."""
    precision: Precision = "float32"
    """Numbers that networks compute in while they train; weights, losses and Adam are float32 either way."""

    @field_validator("accumulate")
    @classmethod
    def _parts_have_rows(cls, k: int, fields: ValidationInfo) -> int:
        if k > (rows := fields.data.get("batch_size", k)):
            raise ValueError(f"is {k}, and a batch has {rows} rows; give at most as many parts as rows")
        return k


class Batch(NamedTuple):
    """What one training step sees."""

    x: Tensor  # (B, *shape), data units
    c: Tensor  # (B, C) conditions, C = 0 where data have none
    rng: Generator  # the only source of randomness of the step; lives on x's device
    step: int
    total_steps: int
    row: Tensor  # (B,) int64, which of the training rows each is
    least_rows: int | None = None  # of a part of a larger batch: the rows of the smallest one

    def divided(self, rows: Tensor, steps: int) -> tuple[Tensor, ...]:
        """Rows of the batch for steps in turn: as many as asked for, or fewer, so that none is without rows.

        All parts of a batch have equally many, because they take their steps together.
        """
        return rows.chunk(steps) if self.least_rows is None else rows.tensor_split(min(steps, self.least_rows))


class Loss(NamedTuple):
    """One loss of a training step."""

    name: str  # also names its optimizer
    value: Tensor  # scalar
    trains: tuple[str, ...]  # the networks that descend on it, or parts of one (`critic.blocks.8`), and no others
    terms: Mapping[str, Tensor] = {}  # what to chart: scalars, the unit in the name (`kl_nats`)
    lr_ratio: float = 1.0  # its learning rate, as a multiple of the run's
