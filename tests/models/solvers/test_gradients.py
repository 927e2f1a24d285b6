"""Gradients inside inference mode."""

import torch

from pushforward.models.solvers.gradients import with_gradients


def test_a_clone_has_gradients_in_inference_mode() -> None:
    with torch.inference_mode():
        x = torch.tensor([1.0, 2.0])
        with with_gradients():
            own = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(own.square().sum(), own)
        assert torch.is_inference_mode_enabled()
    assert slope.tolist() == [2.0, 4.0]
