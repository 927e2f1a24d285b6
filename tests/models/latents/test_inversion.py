"""Codes by descent."""

import torch

from pushforward.models.latents.inversion import LatentInversion
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.mapping import apply

SPEC = DataSpec(shape=(3,), shift=(1.0,), scale=(2.0,))
A = torch.tensor([[1.0, 0.5], [0.0, 1.0], [-0.5, 0.2]]).double()


def linear(z: torch.Tensor) -> torch.Tensor:
    return z @ A.to(z).T


def codes(n: int) -> torch.Tensor:
    return 0.4 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_finds_the_code_of_an_image_of_the_generator() -> None:
    z = codes(5)
    x = SPEC.denormalize(linear(z))
    found = apply(LatentInversion(linear, SPEC, 2, 300), x, x[:, :0])
    torch.testing.assert_close(found, z, rtol=0, atol=1e-4)


def test_a_code_outside_the_ball_ends_on_its_rim() -> None:
    x = SPEC.denormalize(linear(10 * codes(5).sign()))
    found = apply(LatentInversion(linear, SPEC, 2, 100), x, x[:, :0])
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5).double(), rtol=0, atol=1e-6)


def test_a_code_does_not_depend_on_batch_mates_and_needs_no_gradients_turned_on() -> None:
    x = SPEC.denormalize(linear(codes(5)))
    together = apply(LatentInversion(linear, SPEC, 2, 20), x, x[:, :0])
    with torch.inference_mode():
        alone = apply(LatentInversion(linear, SPEC, 2, 20), x[2:3] + 0, x[2:3, :0] + 0)
    torch.testing.assert_close(alone, together[2:3])
