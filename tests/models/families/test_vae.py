"""The VAE against probabilistic PCA, whose likelihood, posterior and bounds are known in closed form (float64)."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.errors import InvalidData
from pushforward.models.families.vae import VAE, ImportanceOptions
from pushforward.models.latents.closed_forms import kl_nats
from pushforward.models.likelihoods import Bernoulli, Gaussian
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample

PLANE = DataSpec(shape=(2,))
LINEAR = VAE(latent=1, depth=0, likelihood=Gaussian())
W, VARIANCE, X = (1.0, 0.5), 0.25, (0.7, -0.3)
LOG_P, ELBO_AT_PRIOR = -2.10412911, -4.11158271  # T01, T03


def set_affine(net: torch.nn.Module, weight: list[list[float]], bias: list[float]) -> None:
    """Set the one layer of a perceptron of depth 0."""
    w, b = net.parameters()
    with torch.no_grad():
        w.copy_(torch.tensor(weight, dtype=torch.float64))
        b.copy_(torch.tensor(bias, dtype=torch.float64))


def ppca(*, posterior: bool, variance: float = VARIANCE) -> Nets:
    """Nets of x = W z + sigma eps, with the true posterior or the prior for an encoder."""
    nets = LINEAR.build(PLANE).double().requires_grad_(False)
    set_affine(nets["decoder"], [[W[0]], [W[1]]], [0.0, 0.0])
    precision = W[0] ** 2 + W[1] ** 2 + variance
    rows = [[W[0] / precision, W[1] / precision], [0.0, 0.0]] if posterior else [[0.0, 0.0], [0.0, 0.0]]
    set_affine(nets["encoder"], rows, [0.0, math.log(variance / precision) if posterior else 0.0])
    with torch.no_grad():
        nets["scale"].value.fill_(0.5 * math.log(variance))
    return nets


def points(n: int) -> Tensor:
    return torch.tensor(X, dtype=torch.float64).expand(n, 2)


def bound(nets: Nets, *, n: int, k: int, seed: int = 0) -> Tensor:
    return LINEAR.log_prob(nets, points(n), no_condition(points(n)), Noise.rows(seed, n), ImportanceOptions(k=k)).value


def z_score(values: Tensor, mean: float) -> float:
    return abs(float((values.mean() - mean) / (values.std() / math.sqrt(len(values)))))


def untold_points(n: int) -> tuple[Tensor, Tensor]:
    """Points and their conditions, which are none."""
    return points(n), no_condition(points(n))


def batch(x: Tensor, seed: int = 0) -> Batch:
    return Batch(x, no_condition(x), torch.Generator().manual_seed(seed), 0, 1, torch.arange(len(x)))


def test_the_bound_at_the_exact_posterior_is_the_marginal_likelihood_whatever_the_draw() -> None:
    """T01, T02."""
    nets = ppca(posterior=True)
    covariance = np.outer(W, W) + VARIANCE * np.eye(2)
    x = np.array(X)
    exact = -0.5 * (x @ np.linalg.solve(covariance, x) + math.log(np.linalg.det(2 * math.pi * covariance)))
    assert exact == pytest.approx(LOG_P, abs=1e-8)
    for k in (1, 2, 7):
        assert bound(nets, n=20, k=k).numpy() == pytest.approx(exact, rel=1e-9)


def test_the_bound_at_the_exact_posterior_has_no_error() -> None:
    """T02: the integrand is constant."""
    answer = LINEAR.log_prob(ppca(posterior=True), *untold_points(3), Noise.rows(0, 3), ImportanceOptions(k=50))
    assert answer.kind == "lower_bound"
    assert answer.std_error is not None
    assert float(answer.std_error.max()) < 1e-12


def test_the_code_is_the_posterior_mean() -> None:
    """T01: the posterior is N(.36667, .16667)."""
    nets = ppca(posterior=True)
    mu, log_var = LINEAR.infer(nets, points(1), no_condition(points(1)))[0].tolist()
    assert float(LINEAR.encode(nets, points(1), no_condition(points(1)))) == mu == pytest.approx(0.55 / 1.5)
    assert math.exp(log_var) == pytest.approx(0.25 / 1.5)


def test_the_mean_of_the_likelihood_in_the_place_of_its_logarithm_is_no_bound() -> None:
    """Erratum of the notes (S1): E_q p(x|z) - KL, at the exact posterior, lies above log p(x)."""
    nets = ppca(posterior=True)
    h = LINEAR.infer(nets, points(10_000), no_condition(points(10_000)))
    eps = torch.randn(10_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = LINEAR.posterior.draw(nets, h, eps).z
    log_likelihood = LINEAR.log_likelihood(nets, points(10_000), z, no_condition(z))
    kl = kl_nats(LINEAR.posterior, LINEAR.prior_codes, h, LINEAR.latent)
    assert kl is not None
    printed, bound = log_likelihood.exp().mean() - kl[0], log_likelihood.mean() - kl[0]
    assert float(printed) > LOG_P + 1
    assert float(bound) == pytest.approx(LOG_P, abs=0.05)


def test_the_elbo_of_the_prior_is_below_the_likelihood_by_its_divergence() -> None:
    """T03."""
    values = bound(ppca(posterior=False), n=50_000, k=1)
    assert z_score(values, ELBO_AT_PRIOR) < 5
    mean, variance = 0.55 / 1.5, 0.25 / 1.5
    gap = 0.5 * ((1 + mean**2) / variance - 1 + math.log(variance))  # KL(N(0, 1) || posterior)
    assert pytest.approx(gap, abs=1e-8) == LOG_P - ELBO_AT_PRIOR


def test_the_training_loss_is_the_negative_elbo() -> None:
    """T03, by the closed divergence: zero here, so all is distortion."""
    (loss,) = LINEAR.losses(ppca(posterior=False), batch(points(100_000)))
    # The integrand's variance is Var(a z^2 + b z) = 2 a^2 + b^2 with a = |W|^2 / 2 sigma^2, b = W x / sigma^2.
    spread = math.sqrt(2 * 2.5**2 + 2.2**2)
    assert abs(float(loss.value) + ELBO_AT_PRIOR) < 5 * spread / math.sqrt(100_000)
    assert float(loss.terms["kl_nats"]) == 0
    assert float(loss.terms["distortion_nats"]) == float(loss.value)


def test_the_training_loss_at_the_exact_posterior_is_the_negative_likelihood() -> None:
    """T02, for a batch: the draws cancel in the mean only, the divergence being closed."""
    (loss,) = LINEAR.losses(ppca(posterior=True), batch(points(100_000)))
    # log p(x|z) = -(a z^2 - b z) + c with z ~ N(m, v): variance 2 a^2 v^2 + (2 a m - b)^2 v.
    m, v = 0.55 / 1.5, 0.25 / 1.5
    spread = math.sqrt(2 * 2.5**2 * v**2 + (5 * m - 2.2) ** 2 * v)
    assert abs(float(loss.value) + LOG_P) < 5 * spread / math.sqrt(100_000)


@pytest.mark.parametrize(("k", "expected"), [(1, -4.112), (2, -2.706), (5, -2.234), (10, -2.1585), (50, -2.1136)])
def test_the_bound_rises_with_k(k: int, expected: float) -> None:
    """T04."""
    values = bound(ppca(posterior=False), n=2000, k=k, seed=k)
    error = float(values.std()) / math.sqrt(len(values))
    assert abs(float(values.mean()) - expected) < 5 * error


def test_the_naive_estimate_is_unbiased_and_its_logarithm_is_not() -> None:
    """T05."""
    values = bound(ppca(posterior=False), n=10_000, k=10)
    assert z_score(values.exp(), math.exp(LOG_P)) < 5
    assert float(values.mean()) < LOG_P - 5 * float(values.std()) / math.sqrt(len(values))


def test_the_standard_error_tells_the_spread() -> None:
    """Delta method: over repetitions, the bound spreads as it says."""
    answer = LINEAR.log_prob(ppca(posterior=False), *untold_points(1000), Noise.rows(1, 1000), ImportanceOptions(k=200))
    assert answer.std_error is not None
    assert float(answer.std_error.mean()) == pytest.approx(float(answer.value.std()), rel=0.15)


def test_one_draw_does_not_tell_its_error() -> None:
    answer = LINEAR.log_prob(ppca(posterior=False), *untold_points(2), Noise.rows(0, 2), ImportanceOptions(k=1))
    assert answer.std_error is None


def test_the_gradient_of_the_bound_weighs_the_draws_by_their_normalized_weights() -> None:
    """T12, for the decoder's bias c: grad log p(x|z_i) = (x - W z_i - c) / sigma^2."""
    nets, k = ppca(posterior=False), 20
    noise = Noise.rows(3, 1)
    bias = list(nets["decoder"].parameters())[1].requires_grad_()
    value = LINEAR.log_prob(nets, points(1), no_condition(points(1)), noise, ImportanceOptions(k=k)).value
    (gradient,) = torch.autograd.grad(value.sum(), bias)
    z = torch.stack([noise.normal(i, (1,)).double().view(()) for i in range(k)])
    residual = points(1) - z[:, None] * torch.tensor(W, dtype=torch.float64)  # (k, 2)
    log_w = -(residual**2).sum(1) / (2 * VARIANCE) - math.log(2 * math.pi * VARIANCE)
    assert float(value.detach()) == pytest.approx(float(log_w.logsumexp(0)) - math.log(k), rel=1e-9)
    expected = (log_w.softmax(0)[:, None] * residual / VARIANCE).sum(0)
    assert gradient.numpy() == pytest.approx(expected.numpy(), rel=1e-9)


def test_the_bound_of_a_row_does_not_depend_on_its_batch_or_the_chunks() -> None:
    nets = ppca(posterior=False)
    rows = torch.linspace(-1, 1, 600, dtype=torch.float64).repeat_interleave(2).view(600, 2)
    options = ImportanceOptions(k=9)
    together = LINEAR.log_prob(nets, rows, no_condition(rows), Noise.rows(5, 600), options).value  # one draw a chunk
    alone = LINEAR.log_prob(
        nets, rows[77:78], no_condition(rows[77:78]), Noise.rows(5, 1, start=77), options
    ).value  # one chunk
    assert float(alone) == pytest.approx(float(together[77]), rel=1e-12)


def test_a_change_of_units_changes_the_density_by_its_jacobian() -> None:
    nets = ppca(posterior=True)
    scaled = ppca(posterior=True)
    scaled.spec = DataSpec(shape=(2,), shift=(3.0, -1.0), scale=(10.0, 0.1))
    x = scaled.spec.denormalize(points(1))
    value = LINEAR.log_prob(scaled, x, no_condition(x), Noise.rows(0, 1), ImportanceOptions(k=3)).value
    expected = float(bound(nets, n=1, k=3)) - math.log(10.0) - math.log(0.1)
    assert float(value) == pytest.approx(expected, rel=1e-9)


def test_samples_have_the_covariance_of_the_model() -> None:
    x = sample(LINEAR.sampler(ppca(posterior=True).float(), LINEAR.SampleOptions()), Noise.rows(0, 100_000))
    covariance = np.outer(W, W) + VARIANCE * np.eye(2)
    assert np.cov(x.numpy().T) == pytest.approx(covariance, abs=0.03)
    assert x.mean(0).numpy() == pytest.approx([0, 0], abs=0.02)


LEVELS = DataSpec(shape=(1,), low=-4, high=4, levels=9, scale=(0.5,), shift=(0.2,))


def constant_decoder(y: float, log_sigma: float) -> Nets:
    """On LEVELS: u ~ N(y, sigma^2) in network units whatever the code; the encoder is the prior."""
    nets = LINEAR.build(LEVELS).double().requires_grad_(False)
    set_affine(nets["decoder"], [[0.0]], [y])
    set_affine(nets["encoder"], [[0.0], [0.0]], [0.0, 0.0])
    with torch.no_grad():
        nets["scale"].value.fill_(log_sigma)
    return nets


@pytest.mark.parametrize("k", [1, 2, 20])
def test_the_probability_of_a_level_is_that_of_its_bin(k: int) -> None:
    """T31, T33: p = N(.3, .8^2) on the bin [0, 1), which is N(-.2, .8^2) on the centered bin of the level 0."""
    nets = constant_decoder((-0.2 - 0.2) / 0.5, math.log(0.8 / 0.5))
    x = torch.zeros(10, 1, dtype=torch.float64)
    values = LINEAR.log_prob(nets, x, no_condition(x), Noise.rows(k, 10), ImportanceOptions(k=k)).value
    assert values.numpy() == pytest.approx(np.full(10, -0.78661686), abs=1e-6)
    all_levels = torch.linspace(-4, 4, 9, dtype=torch.float64)[:, None]
    values = LINEAR.log_prob(nets, all_levels, no_condition(all_levels), Noise.rows(k, 9), ImportanceOptions(k=k)).value
    assert float(values.exp().sum()) == pytest.approx(1, rel=1e-6)


def test_a_wider_bin_holds_more_probability() -> None:
    """The number is of the level: with bins of width 2, log P gains log 2 where the density is flat."""
    nets = constant_decoder(0.0, math.log(1000.0))
    x, noise, options = torch.zeros(1, 1).double(), Noise.rows(0, 1), ImportanceOptions(k=4)
    fine = LINEAR.log_prob(nets, x, no_condition(x), noise, options).value
    nets.spec = LEVELS.model_copy(update={"levels": 5})
    coarse = LINEAR.log_prob(nets, x, no_condition(x), noise, options).value
    assert float(coarse - fine) == pytest.approx(math.log(2), abs=1e-5)


def test_samples_have_the_noise_of_the_likelihood_and_reconstructions_its_mean() -> None:
    nets = constant_decoder(0.0, 0.0).float()
    x = sample(LINEAR.sampler(nets, LINEAR.SampleOptions()), Noise.rows(0, 1000))
    assert len(LEVELS.quantize(x).unique()) > 3
    z = torch.zeros(2, 1)
    assert torch.equal(LINEAR.decode(nets, z, no_condition(z)), nets.spec.denormalize(z))


GRAY = DataSpec(shape=(2,), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
BINARY = VAE(latent=1, depth=0, likelihood=Bernoulli())


def test_bernoulli_gives_probabilities_without_a_jacobian() -> None:
    """With a decoder that ignores the code the bound is the cross entropy, and on black and white the probabilities of
    all pictures add up to 1."""
    nets = BINARY.build(GRAY).double().requires_grad_(False)
    set_affine(nets["decoder"], [[0.0], [0.0]], [0.4, -1.3])
    set_affine(nets["encoder"], [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0])
    pictures = torch.tensor([[0.0, 0.0], [0.0, 16.0], [16.0, 0.0], [16.0, 16.0], [4.0, 8.0]], dtype=torch.float64)
    answer = BINARY.log_prob(nets, pictures, no_condition(pictures), Noise.rows(0, 5), ImportanceOptions(k=3))
    assert answer.kind == "lower_bound"
    assert float(answer.value[:4].exp().sum()) == pytest.approx(1, rel=1e-9)
    on = 1 / (1 + np.exp([-0.4, 1.3]))
    gray = np.array([0.25, 0.5])
    expected = float((gray * np.log(on) + (1 - gray) * np.log(1 - on)).sum())
    assert float(answer.value[4]) == pytest.approx(expected, rel=1e-9)


def test_bernoulli_scores_gray_values_between_levels_and_gaussian_does_not() -> None:
    assert not BINARY.scores_only_levels(GRAY)
    assert LINEAR.scores_only_levels(GRAY)
    assert not LINEAR.scores_only_levels(PLANE)


def test_bernoulli_refuses_unbounded_data_and_says_what_to_do() -> None:
    with pytest.raises(InvalidData, match="gaussian") as caught:
        BINARY.build(PLANE)
    assert caught.value.field == "run.family.likelihood"


def test_a_likelihood_without_a_scale_does_not_train_one() -> None:
    (loss,) = BINARY.losses(BINARY.build(GRAY), batch(torch.full((4, 2), 8.0)))
    assert loss.trains == ("encoder", "decoder")
    (loss,) = LINEAR.losses(LINEAR.build(GRAY), batch(torch.full((4, 2), 8.0)))
    assert loss.trains == ("encoder", "decoder", "scale")
