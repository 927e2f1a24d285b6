"""Configurations build the bijection they describe."""

import pytest
import torch

from pushforward.models.families.nis import NIS
from pushforward.models.flows.bijection import Chain, bijection
from pushforward.models.flows.latent import LatentFlow
from pushforward.models.flows.univariate import Spline

CHAINS = [LatentFlow(width=8), LatentFlow(transform=Spline(bins=4), width=8, depth=1), NIS(width=8, bins=4)]


@pytest.mark.parametrize("chain", CHAINS)
def test_a_fresh_bijection_is_the_identity_and_has_as_many_transforms_as_the_configuration(chain: Chain) -> None:
    built = bijection(chain, 3, passes=2, condition_size=2)
    v, c = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.ones(5, 2)
    z, log_det = built(v, c)
    torch.testing.assert_close(z, v)
    torch.testing.assert_close(log_det, torch.zeros(5))
    assert len(built.layers.transforms) == chain.n_transforms
