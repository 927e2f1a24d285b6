"""Denoisers see each row on its own, at its own level."""

import pytest
import torch

from pushforward.models.networks import denoising_network, mixed_denoising_network
from pushforward.models.spec.data_spec import DataSpec

SPECS = [DataSpec(shape=(2,)), DataSpec(shape=(1, 8, 8)), DataSpec(shape=(3, 7, 12)), DataSpec(shape=(1, 32, 32))]


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: str(s.shape))
def test_a_row_does_not_see_its_batch_mates(spec: DataSpec) -> None:
    torch.manual_seed(0)
    net = denoising_network(spec, width=8, depth=1)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    x, log_snr = torch.randn(4, *spec.shape), torch.tensor([-9.0, -1.0, 2.0, 9.0])
    together = net(x, log_snr)
    assert together.shape == x.shape
    torch.testing.assert_close(together[2:3], net(x[2:3], log_snr[2:3]), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[:1], net(x[:1], log_snr[1:2]))


def test_pure_noise_is_predicted_to_be_itself() -> None:
    torch.manual_seed(0)
    net = denoising_network(DataSpec(shape=(2,)), width=8, depth=1)
    for weight in net.parameters():
        torch.nn.init.normal_(weight)
    x = torch.randn(3, 2)
    torch.testing.assert_close(net(x, torch.full((3,), -60.0)), x)


@pytest.mark.parametrize("spec", SPECS[:2], ids=lambda s: str(s.shape))
def test_no_condition_is_a_condition_of_zeros(spec: DataSpec) -> None:
    torch.manual_seed(0)
    net = denoising_network(spec, width=8, depth=1, condition_size=3)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    x, log_snr = torch.randn(2, *spec.shape), torch.tensor([-1.0, 2.0])
    torch.testing.assert_close(net(x, log_snr, torch.zeros(2, 3)), net(x, log_snr))
    assert not torch.allclose(net(x, log_snr, torch.ones(2, 3)), net(x, log_snr))


def test_a_mixed_denoiser_begins_with_normal_numbers_and_even_choices() -> None:
    """The noise in x is sigma x where data are N(0, 1); logits are 0."""
    net = mixed_denoising_network(DataSpec(shape=(5,)), n_numbers=2, width=8, depth=1)
    v, log_snr = torch.randn(4, 5), torch.tensor([-9.0, -1.0, 2.0, 9.0])
    out = net(v, log_snr)
    torch.testing.assert_close(out[:, :2], (-log_snr).sigmoid().sqrt()[:, None] * v[:, :2])
    assert torch.equal(out[:, 2:], torch.zeros(4, 3))


def test_a_mixed_denoiser_reads_numbers_choices_and_the_condition_of_its_own_row() -> None:
    torch.manual_seed(0)
    net = mixed_denoising_network(DataSpec(shape=(5,)), n_numbers=2, width=8, depth=1, condition_size=3)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    v, log_snr, c = torch.randn(4, 5), torch.zeros(4), torch.randn(4, 3)
    out = net(v, log_snr, c)
    torch.testing.assert_close(out[2:3], net(v[2:3], log_snr[2:3], c[2:3]), rtol=1e-4, atol=1e-5)
    for other in ((v + torch.eye(5)[0], c), (v + torch.eye(5)[4], c), (v, c + 1)):
        assert not torch.allclose(net(other[0], log_snr, other[1]), out)
