"""An encoder of unordered patches: the sum of the features of each.

Addition of floats depends on its order, so features are sorted before they are added: the sum of the same numbers is
the same to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from torch import Tensor, nn

from pushforward.models.networks.mlp import MLP
from pushforward.models.spec.data_spec import Shape

if TYPE_CHECKING:
    from jaxtyping import Float


@final
class PatchEncoder(nn.Module):
    """(B, P, *patch_shape) to (B, n_out), whatever the order of the P patches."""

    def __init__(self, patch_shape: Shape, n_out: int, *, width: int, depth: int) -> None:
        super().__init__()
        self.encoder = MLP(patch_shape, (n_out,), width=width, depth=depth)

    def forward(self, patches: Float[Tensor, " B P *shape"]) -> Float[Tensor, "B N"]:
        features = self.encoder(patches.flatten(0, 1)).unflatten(0, patches.shape[:2])
        return sum_of_set(features)


def sum_of_set(features: Float[Tensor, "B P N"]) -> Float[Tensor, "B N"]:
    """The sum over P, the same to the last bit in whatever order the features come."""
    first, *others = features.sort(1).values.unbind(1)
    return sum(others, first)  # one after the other: a sum over an axis adds in an order of its own
