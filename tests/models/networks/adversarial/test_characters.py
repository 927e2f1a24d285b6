"""`models.networks.adversarial.characters`: what a network makes of a text."""

import numpy as np
import torch

from pushforward.models.networks import CharacterEncoder
from pushforward.models.spec.text import ALPHABET, Text


def encoder() -> CharacterEncoder:
    torch.manual_seed(0)
    return CharacterEncoder(len(ALPHABET), 6, width=16)


def numbers(*texts: str, length: int = 24) -> torch.Tensor:
    return torch.from_numpy(Text(max_length=length).read(np.array(texts)))


def test_texts_that_differ_are_told_apart() -> None:
    phi = encoder()(numbers("a thick seven", "a thin seven", "seven, thick"))
    assert phi.shape == (3, 6)
    assert torch.pdist(phi).min() > 1e-3


def test_what_is_behind_the_end_of_a_text_has_no_part_in_it() -> None:
    net = encoder()
    torch.testing.assert_close(net(numbers("a seven", length=7)), net(numbers("a seven", length=24)))


def test_no_text_has_a_code_of_its_own() -> None:
    net = encoder()
    torch.testing.assert_close(net(torch.zeros(1, 24)), net.out.bias[None])
