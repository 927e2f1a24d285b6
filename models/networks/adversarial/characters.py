r"""An encoder of texts, by convolutions over characters.

    e = embedding of each character, h = two convolutions of K characters each, phi = W max_t h_t + b

The maximum is over the characters of the text alone, so what stands behind its end has no part in phi. A text without
characters, c = 0, has phi = b.

References:
    | Character-level Convolutional Networks for Text Classification (Zhang et al., 2015), arXiv:1509.01626
    | Convolutional Neural Networks for Sentence Classification (Kim, 2014), arXiv:1408.5882: maximum over time
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Float

K = 5  # characters that a convolution sees


@final
class CharacterEncoder(nn.Module):
    """Numbers of characters, (B, V) with 0 behind the end of a text, to (B, n_out).

    Arguments:
        n_characters: of the alphabet, numbered from 1.
        width: numbers of a character.
    """

    def __init__(self, n_characters: int, n_out: int, *, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_characters + 1, width, padding_idx=0)
        self.first = nn.Conv1d(width, width, K, padding=K // 2)
        self.second = nn.Conv1d(width, width, K, padding=K // 2)
        self.out = nn.Linear(width, n_out)

    def forward(self, text: Float[Tensor, "B V"]) -> Float[Tensor, "B N"]:
        there = (text > 0).unsqueeze(1)  # (B, 1, V)
        h = self.embedding(text.long()).transpose(1, 2)  # (B, W, V)
        h = F.relu(self.first(h)) * there
        h = F.relu(self.second(h)) * there
        phi: Tensor = self.out(h.amax(2))  # not negative, so that zeros behind the end do not exceed it
        return phi
