"""The network of flow matching."""

import torch

from pushforward.models import networks
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec

PLANE = DataSpec(shape=(2,))
IMAGE = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
TOLD = PLANE.model_copy(update={"condition": Labels(n_classes=3)})


def test_nothing_moves_before_training() -> None:
    for spec in (PLANE, IMAGE):
        net = networks.velocity_network(spec, width=8, depth=1)
        x = torch.randn(3, *spec.shape)
        assert torch.equal(net(x, torch.rand(3)), torch.zeros_like(x))


def test_no_condition_adds_nothing() -> None:
    torch.manual_seed(0)
    net = networks.velocity_network(TOLD, width=8, depth=1, condition_size=TOLD.condition_size)
    torch.nn.init.normal_(net.backbone.leave.weight)
    x, t = torch.randn(3, 2), torch.rand(3)
    without = net(x, t, torch.zeros(3, 3))
    torch.testing.assert_close(without, net(x, t))
    assert not torch.allclose(without, net(x, t, torch.eye(3)))


def test_times_a_hundredth_apart_have_different_embeddings() -> None:
    torch.manual_seed(0)
    embed = networks.velocity_network(PLANE, width=32, depth=1).embed
    h = embed(torch.linspace(0, 1, 101))
    assert torch.cdist(h, h).fill_diagonal_(torch.inf).min() > 1e-4


def test_fourier_features_separate_points_that_lie_close() -> None:
    torch.manual_seed(0)
    nets = [networks.velocity_network(PLANE, width=32, depth=1, waves=waves) for waves in (None, 50.0)]
    x = torch.tensor([[0.5, 0.0]]).requires_grad_()
    steepness = []
    for net in nets:
        torch.nn.init.normal_(net.backbone.leave.weight)
        (slope,) = torch.autograd.grad(net(x, torch.ones(1)).sum(), x)
        steepness.append(slope.norm().item())
    assert steepness[1] > 2 * steepness[0]
