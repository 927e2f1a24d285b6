"""The autoencoder against principal component analysis (float64), and what it refuses."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from pushforward.models.capabilities import capabilities
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidInput
from pushforward.models.families.ae import AE
from pushforward.models.latents.code_densities import GaussianDensity, MixtureDensity
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample

D, Z, N = 5, 2, 400
SPACE = DataSpec(shape=(D,))
LABELED = DataSpec(shape=(D,), condition=Labels(n_classes=3))
LINEAR = AE(latent=Z, depth=0)


def built(family: AE, spec: DataSpec) -> Nets:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return family.build(spec).double()


def data() -> Tensor:
    """Centered rows whose covariance has eigenvalues well apart."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(N, D, generator=rng, dtype=torch.float64) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.2])
    x = x @ torch.linalg.qr(torch.randn(D, D, generator=rng, dtype=torch.float64)).Q
    return x - x.mean(0)


def principal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of the covariance, rising, and their directions as columns."""
    values, directions = torch.linalg.eigh(x.T @ x / len(x))
    return values, directions


def batch(x: Tensor, c: Tensor | None = None) -> Batch:
    c = no_condition(x) if c is None else c
    return Batch(x, c, torch.Generator().manual_seed(0), 0, 1, torch.arange(len(x)))


def squared_error(nets: Nets, x: Tensor, c: Tensor | None = None) -> Tensor:
    return next(iter(LINEAR.losses(nets, batch(x, c)))).value


def minimized(nets: Nets, x: Tensor, c: Tensor | None = None) -> Nets:
    descent = torch.optim.LBFGS(nets.parameters(), max_iter=400, line_search_fn="strong_wolfe", tolerance_change=1e-14)

    def closure() -> Tensor:
        descent.zero_grad()
        value = squared_error(nets, x, c)
        value.backward()
        return value

    descent.step(closure)
    return nets


def test_principal_components_are_where_a_linear_autoencoder_rests() -> None:
    """T15: the error there is the sum of the eigenvalues left out, and its gradient is zero."""
    x = data()
    values, directions = principal(x)
    nets = built(LINEAR, SPACE)
    with torch.no_grad():
        for name, weight in (("encoder", directions[:, -Z:].T), ("decoder", directions[:, -Z:])):
            matrix, bias = nets[name].parameters()
            matrix.copy_(weight)
            bias.zero_()
    value = squared_error(nets, x)
    assert value.item() == pytest.approx(float(values[:-Z].sum()), rel=1e-9)
    gradients = torch.autograd.grad(value, list(nets.parameters()))
    assert max(float(gradient.abs().max()) for gradient in gradients) < 1e-10


def test_training_finds_the_principal_subspace() -> None:
    """T15: from random weights, to the same error and the same plane."""
    x = data()
    values, directions = principal(x)
    nets = minimized(built(LINEAR, SPACE), x)
    assert squared_error(nets, x).item() == pytest.approx(float(values[:-Z].sum()), rel=1e-6)
    matrix = next(nets["decoder"].parameters()).detach()
    found = matrix @ torch.linalg.pinv(matrix)  # projects onto the span of the decoder
    wanted = directions[:, -Z:] @ directions[:, -Z:].T
    assert torch.allclose(found, wanted, atol=1e-4)


def labeled() -> tuple[Tensor, Tensor, Tensor]:
    """Rows, their labels one-hot, and the rows less the means of their labels."""
    c = torch.eye(3, dtype=torch.float64)[torch.arange(N) % 3]
    x = data() + c @ torch.tensor([[4.0, 0, 0, -1, 2], [0, -3, 5, 0, 0], [0, 1, 0, 2, -4]], dtype=torch.float64)
    means = (c.T @ x) / c.sum(0)[:, None]
    return x, c, x - c @ means


def test_told_the_labels_a_linear_autoencoder_keeps_the_principal_components_within_them() -> None:
    """What it is told costs it no code: the error is that of the rows less the means of their labels."""
    x, c, within = labeled()
    values, directions = principal(within)
    nets = minimized(built(LINEAR, LABELED), x, c)
    assert squared_error(nets, x, c).item() == pytest.approx(float(values[:-Z].sum()), rel=1e-6)
    matrix = next(nets["decoder"].parameters()).detach()[:, :Z]
    wanted = directions[:, -Z:] @ directions[:, -Z:].T
    assert torch.allclose(matrix @ torch.linalg.pinv(matrix), wanted, atol=1e-3)
    z = LINEAR.encode(nets, x, c)
    error = (x - LINEAR.decode(nets, z, c)).square().sum(1).mean()
    assert error.item() == pytest.approx(float(values[:-Z].sum()), rel=1e-6)


def test_codes_of_a_label_are_drawn_with_the_moments_of_its_codes() -> None:
    family = AE(latent=1, depth=0, density=GaussianDensity())
    x, c, _ = labeled()
    x = x * (1 + c[:, 1:2])  # another spread
    nets = built(family, LABELED)
    descent = torch.optim.LBFGS(nets["density"].parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        descent.zero_grad()
        value = list(family.losses(nets, batch(x, c)))[1].value
        value.backward()
        return value

    descent.step(closure)
    z, noise = family.encode(nets, x, c).detach(), Noise.rows(0, 20_000)
    nets = nets.float()
    for label in range(3):
        drawn = family.prior(nets, noise, torch.eye(3)[[label]].expand(20_000, -1)).detach()
        of_label = z[c[:, label] == 1]
        spread = of_label.std(correction=0)
        assert float((drawn.mean() - of_label.mean()).abs() / spread) < 0.05
        assert float(drawn.std() / spread) == pytest.approx(1, abs=0.03)


def test_covariances_that_would_fill_the_memory_are_refused() -> None:
    assert AE(latent=128, density=MixtureDensity(components=1000)).latent == 128
    with pytest.raises(ValidationError, match=r"lower density\.components or latent"):
        AE(latent=1024, density=MixtureDensity(components=1000))


def test_a_density_of_codes_moves_neither_encoder_nor_decoder() -> None:
    family = AE(latent=Z, depth=1, width=8, density=MixtureDensity(components=3))
    nets = built(family, SPACE)
    first, second = family.losses(nets, batch(data()))
    assert first.trains == ("encoder", "decoder")
    assert second.trains == ("density",)
    others = [weight for name in ("encoder", "decoder") for weight in nets[name].parameters()]
    assert set(torch.autograd.grad(second.value, others, allow_unused=True)) == {None}


def test_the_fitted_gaussian_has_the_moments_of_the_codes() -> None:
    family = AE(latent=Z, depth=0, density=GaussianDensity())
    nets, x = built(family, SPACE), data()
    descent = torch.optim.LBFGS(nets["density"].parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        descent.zero_grad()
        value = list(family.losses(nets, batch(x)))[1].value
        value.backward()
        return value

    descent.step(closure)
    z = family.encode(nets, x, no_condition(x)).detach()
    noise = Noise.rows(0, 20_000)
    drawn = family.prior(nets.float(), noise, no_condition(noise)).detach().double()
    assert torch.allclose(drawn.mean(0), z.mean(0), atol=0.05)
    assert torch.allclose(drawn.T.cov(), z.T.cov(), rtol=0.05, atol=0.02)


def test_without_a_density_it_reconstructs_and_does_not_generate() -> None:
    nets = built(LINEAR, SPACE).float()
    assert capabilities(LINEAR) == ("encode", "decode", "reconstruct", "interpolate")
    assert "does not generate" in LINEAR.notes[0]
    noise = Noise.rows(0, 2)
    with pytest.raises(InvalidInput, match="no density of codes") as refusal:
        sample(LINEAR.sampler(nets, Options()), noise)
    assert refusal.value.field == "start_seed"


def test_with_a_density_it_samples_and_says_what_from() -> None:
    family = AE(latent=Z, density=GaussianDensity())
    assert "sample" in capabilities(family)
    assert "not a generative one" in family.notes[0]
    assert sample(family.sampler(built(family, SPACE).float(), Options()), Noise.rows(0, 3)).shape == (3, D)
