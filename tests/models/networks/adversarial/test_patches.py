"""`models.networks.adversarial.patches`: a set of patches, and what is read of it."""

from itertools import permutations

import torch

from pushforward.models.networks import PatchEncoder
from pushforward.models.networks.adversarial.patches import sum_of_set


def test_a_sum_of_a_set_is_the_same_to_the_last_bit_in_any_order() -> None:
    """T56."""
    features = torch.randn(5, 4, 7, generator=torch.Generator().manual_seed(0)) * 1e3
    total = sum_of_set(features)
    torch.testing.assert_close(total, features.sum(1), rtol=1e-5, atol=1e-3)
    for order in permutations(range(4)):
        assert torch.equal(sum_of_set(features[:, order]), total)


def test_an_encoder_of_patches_knows_no_order_but_every_patch() -> None:
    torch.manual_seed(0)
    net = PatchEncoder((1, 3, 3), 6, width=16, depth=1)
    patches = torch.randn(2, 3, 1, 3, 3)
    code = net(patches)
    assert code.shape == (2, 6)
    torch.testing.assert_close(net(patches[:, [2, 0, 1]]), code)
    changed = patches.clone()
    changed[0, 1] = 0
    assert not torch.allclose(net(changed)[0], code[0])
    torch.testing.assert_close(net(changed)[1], code[1])
