r"""Which noise goes to which data: joint distributions pi(x_0, x_1) with marginals N(0, I) and the data's.

    independent:   x_0 as it was drawn
    minibatch_ot:  of the B! ways to pair a batch, the one of least cost sum_i |x_0^(sigma i) - x_1^(i)|^2

Any coupling gives a velocity field with the right marginals. Under the second one the paths of a batch do not cross, so
the field is straighter and its regression less noisy: for batches that grow, dx/dt of the optimal transport map itself.

A pairing that looks at the data but not at their conditions c makes x_0 tell something of c: the field given c is then
trained from another noise than N(0, I), which it is asked with (Cheng & Schwing). So rows are paired within equal c,
those whose c was dropped among themselves, and the noise given any c is N(0, I) again. Vectors, seldom equal, are
refused.

References:
    | Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport (Tong et al., 2023),
      https://arxiv.org/abs/2302.00482
    | Multisample Flow Matching (Pooladian et al., 2023), https://arxiv.org/abs/2304.14772
    | The Curse of Conditions (Cheng & Schwing, 2025), https://arxiv.org/abs/2503.10636
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field, PositiveInt

from pushforward.models.config.config import Config
from pushforward.models.errors import InvalidData
from pushforward.models.geometry.distances import optimal_assignment
from pushforward.models.lazy import torch
from pushforward.models.spec.conditions import Vector

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.spec.data_spec import DataSpec


class Coupling(Config, ABC):
    """A way to pair noise with data."""

    coupling: str  # a Literal with a default in each final coupling

    def check(self, spec: DataSpec) -> None:
        """Raises InvalidData where the data's conditions do not allow this pairing."""

    @abstractmethod
    def pair(self, x0: Tensor, x1: Tensor, c: Tensor) -> Tensor:
        """The noise of each row of data: the rows of x0, reordered.  x0, x1: (B, *shape), c: (B, C)."""


@final
class Independent(Coupling):
    """Any noise with any data."""

    coupling: Literal["independent"] = "independent"

    def pair(self, x0: Tensor, x1: Tensor, c: Tensor) -> Tensor:
        return x0


@final
class MinibatchOT(Coupling):
    """Exact optimal transport within blocks of a batch: the assignment problem, cubic in the block."""

    coupling: Literal["minibatch_ot"] = "minibatch_ot"
    block: PositiveInt = Field(256, le=1024)
    """Rows that are paired among themselves, at most."""

    def check(self, spec: DataSpec) -> None:
        if isinstance(spec.condition, Vector):
            raise InvalidData(
                "minibatch_ot pairs rows of equal conditions, and vectors are seldom equal; take independent",
                field="run.family.coupling",
            )

    def pair(self, x0: Tensor, x1: Tensor, c: Tensor) -> Tensor:
        paired = x0.clone()
        kind = torch.unique(c, dim=0, return_inverse=True)[1] if c.shape[1] else c.new_zeros(len(c))
        for value in kind.unique():
            for rows in (kind == value).nonzero()[:, 0].split(self.block):
                paired[rows] = x0[rows[optimal_assignment(x1[rows], x0[rows])]]
        return paired


AnyCoupling = Annotated[Independent | MinibatchOT, Field(discriminator="coupling")]
