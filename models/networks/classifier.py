"""A small classifier of labels, whose last hidden layer is its features."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch.nn.functional as F
from torch import Tensor, nn

from pushforward.models.networks.builders import encoder
from pushforward.models.spec.data_spec import DataSpec

if TYPE_CHECKING:
    from jaxtyping import Float

FEATURES = 64
CHANNELS = 16  # of the first convolution


@final
class Classifier(nn.Module):
    """Rows in data units, (B, *shape), to logits, (B, L). `flat`: a perceptron for images and series too."""

    def __init__(self, spec: DataSpec, n_classes: int, *, flat: bool) -> None:
        super().__init__()
        self.spec = spec
        width = CHANNELS if len(spec.shape) > 1 and not flat else None
        self.encoder = encoder(spec, FEATURES, width=width, backbone="perceptron" if flat else "auto")
        self.head = nn.Linear(FEATURES, n_classes)

    def features(self, x: Float[Tensor, " B *shape"]) -> Float[Tensor, "B F"]:
        """What the labels are read from."""
        return F.silu(self.encoder(self.spec.normalize(x).float()))

    def forward(self, x: Float[Tensor, " B *shape"]) -> Float[Tensor, "B L"]:
        logits: Tensor = self.head(self.features(x))
        return logits
