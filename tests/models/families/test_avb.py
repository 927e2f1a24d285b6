"""Adversarial variational Bayes where every density is Gaussian and all is known (float64)."""

import math

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor, nn

from pushforward.models.adversarial.divergences import KL, JensenShannon
from pushforward.models.adversarial.game import RatioGame
from pushforward.models.adversarial.games import NonSaturating, RatioFGAN
from pushforward.models.distributions.gaussians import Diagonal, kl_to_prior_nats, standard_log_prob
from pushforward.models.families.avb import AVB, ProposalOptions
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition

PLANE = DataSpec(shape=(2,))
FAMILY = AVB(latent=1, noise=1, depth=0)
W, VARIANCE, X = (1.0, 0.5), 0.25, (0.7, -0.3)  # probabilistic PCA: x | z ~ N(W z, variance I), as in T01
LOG_P, MEAN, POSTERIOR_VARIANCE = -2.10412911, 0.36666667, 0.16666667
ELBO_OF_PRIOR = -4.11158271  # T03


class Ratio(nn.Module):
    """T(x, z~) = log q(z|x) - log r(z|x) + shift for q = N(mean, variance) at every x and r = N(0, 1)."""

    def __init__(self, mean: float, variance: float, shift: float = 0.0) -> None:
        super().__init__()
        self.mean, self.variance, self.shift = mean, variance, shift

    def forward(self, told: Tensor) -> Tensor:
        z = told[:, -1:]
        log_q = -0.5 * ((z - self.mean) ** 2 / self.variance + math.log(self.variance))
        return log_q + 0.5 * z**2 + self.shift


def linear(layer: nn.Module, weight: list[list[float]], bias: list[float]) -> None:
    matrix, offset = layer.parameters()
    matrix.copy_(torch.tensor(weight))
    offset.copy_(torch.tensor(bias))


def gaussian(mean: float, variance: float, *, contrast: tuple[float, float], adversary: nn.Module) -> Nets:
    """p of T01, q(z|x) = N(mean, variance) for every x, and a contrast of this mean and variance."""
    nets = FAMILY.build(PLANE).double().requires_grad_(False)
    linear(nets["encoder"], [[0, 0], [0, 0]], [mean, 0.5 * math.log(variance)])
    linear(nets["shape"], [[0, 0, 0]], [0])
    linear(nets["decoder"], [[W[0]], [W[1]]], [0, 0])
    beside = [(contrast[0] - mean) / math.sqrt(variance), math.log(contrast[1] / variance)]  # from where q is
    linear(nets["contrast"], [[0, 0], [0, 0]], beside)
    nets["scale"].value.fill_(0.5 * math.log(VARIANCE))
    nets["adversary"] = adversary
    return nets


def rows(n: int) -> Tensor:
    return torch.tensor(X, dtype=torch.float64).expand(n, -1)


def scored(nets: Nets, n: int, k: int = 1, proposal: str = "implicit") -> Tensor:
    options = ProposalOptions.model_validate({"k": k, "proposal": proposal})
    return FAMILY.log_prob(nets, rows(n), no_condition(rows(n)), Noise.rows(0, n), options).value


def z_score(values: Tensor, mean: float) -> float:
    return abs(float((values.mean() - mean) / (values.std() / math.sqrt(len(values)))))


def scores(game: RatioGame, log_ratio: Tensor) -> Tensor:
    """The scores that tell a ratio: games' ratios are affine in their scores."""
    at = game.log_ratio(torch.tensor([[0.0], [1.0]], dtype=log_ratio.dtype))
    return (log_ratio - at[0]) / (at[1] - at[0])


@pytest.mark.parametrize("game", [NonSaturating(), RatioFGAN(divergence=KL()), RatioFGAN(divergence=JensenShannon())])
def test_the_best_adversary_is_the_log_ratio_of_the_posterior(game: RatioGame) -> None:
    """T58: among quadratics in z, log q - log p is where the loss is flat, in every game that tells a ratio."""
    mean, variance, n = 0.4, 0.3, 400_000
    z = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]  # midpoints of equal cells
    weights = torch.tensor(
        [-0.5 * (mean**2 / variance + math.log(variance)), mean / variance, 0.5 - 0.5 / variance],
        dtype=torch.float64,
        requires_grad=True,
    )

    def quadratic(z: Tensor) -> Tensor:
        return weights[0] + weights[1] * z + weights[2] * z**2

    assert torch.allclose(quadratic(z[:9]), Ratio(mean, variance)(z[:9]))
    assert torch.allclose(game.log_ratio(scores(game, quadratic(z[:9]))), quadratic(z[:9]))
    loss = game.critic_loss(*(scores(game, quadratic(x)) for x in (mean + math.sqrt(variance) * z, z)))
    (gradient,) = torch.autograd.grad(loss, weights)
    assert float(gradient.abs().max()) < 1e-4


def test_the_best_adversary_gives_the_elbo() -> None:
    """T58, T02: at the exact posterior every draw weighs log p(x), whatever the contrast."""
    for contrast, adversary in (
        ((0.0, 1.0), Ratio(MEAN, POSTERIOR_VARIANCE)),
        ((MEAN, POSTERIOR_VARIANCE), Ratio(0.0, 1.0)),  # r = q: T = 0
    ):
        nets = gaussian(MEAN, POSTERIOR_VARIANCE, contrast=contrast, adversary=adversary)
        assert scored(nets, 50) == pytest.approx(torch.full((50,), LOG_P).numpy(), abs=1e-5)


def test_a_posterior_that_is_the_prior_has_its_elbo() -> None:
    """T58, T03."""
    nets = gaussian(0.0, 1.0, contrast=(0.0, 1.0), adversary=Ratio(0.0, 1.0))
    assert z_score(scored(nets, 20_000), ELBO_OF_PRIOR) < 5


def last_loss(nets: Nets, n: int) -> Loss:
    """What encoder and decoder descend on, for this point n times."""
    batch = Batch(rows(n), no_condition(rows(n)), torch.Generator().manual_seed(0), 0, 1, torch.arange(n))
    *_, loss = FAMILY.losses(nets, batch)
    assert loss.trains == ("encoder", "shape", "decoder", "scale")
    return loss


def slope(nets: Nets, name: str, n: int) -> Tensor:
    """Of the last loss by the biases of a network."""
    *_, bias = nets[name].parameters()
    bias.requires_grad_()
    (gradient,) = torch.autograd.grad(last_loss(nets, n).value, bias)
    return gradient


def test_what_is_descended_on_is_the_negative_elbo_and_flat_at_the_posterior() -> None:
    """T58, T02: no noise is left in either."""
    nets = gaussian(MEAN, POSTERIOR_VARIANCE, contrast=(0.0, 1.0), adversary=Ratio(MEAN, POSTERIOR_VARIANCE))
    assert float(last_loss(nets, 50).value) == pytest.approx(-LOG_P, abs=1e-5)
    assert slope(nets, "encoder", 50).numpy() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.8, 0.4)])
def test_what_is_descended_on_leads_to_the_posterior(mean: float, variance: float) -> None:
    """T58, T02: -log p(x) + KL(q || posterior), and its slope by the mean and the log of the spread of q."""
    nets, n = gaussian(mean, variance, contrast=(0.0, 1.0), adversary=Ratio(mean, variance)), 20_000
    away, wider = mean - MEAN, variance / POSTERIOR_VARIANCE
    kl = 0.5 * (away**2 / POSTERIOR_VARIANCE + wider - 1 - math.log(wider))
    error = float(scored(nets, n).std()) / math.sqrt(n)
    assert float(last_loss(nets, n).value) == pytest.approx(kl - LOG_P, abs=5 * error)
    assert slope(nets, "encoder", n).numpy() == pytest.approx([away / POSTERIOR_VARIANCE, wider - 1], abs=0.3)
    expected = [(w * mean - value) / VARIANCE for w, value in zip(W, X, strict=True)]
    assert slope(nets, "decoder", n).numpy() == pytest.approx(expected, abs=0.2)


def test_another_adversary_exceeds_the_likelihood() -> None:
    """T58: so the number is an estimate and no bound."""
    nets = gaussian(
        MEAN, POSTERIOR_VARIANCE, contrast=(0.0, 1.0), adversary=Ratio(MEAN, POSTERIOR_VARIANCE, shift=-0.7)
    )
    assert bool((scored(nets, 50) > LOG_P + 0.6).all())
    options = ProposalOptions()
    assert FAMILY.log_prob(nets, rows(2), no_condition(rows(2)), Noise.rows(0, 2), options).kind == "estimate"
    assert "can exceed" in FAMILY.notes[0]


def test_draws_of_the_contrast_bound_the_likelihood_whatever_the_adversary() -> None:
    nets = gaussian(0.0, 2.0, contrast=(0.2, 0.5), adversary=Ratio(9.0, 0.1, shift=50.0))
    few, many = scored(nets, 4000, 1, "contrast"), scored(nets, 20, 5000, "contrast")
    assert float(few.mean()) < LOG_P
    assert many.numpy() == pytest.approx(LOG_P, abs=0.02)
    options = ProposalOptions(proposal="contrast")
    assert FAMILY.log_prob(nets, rows(2), no_condition(rows(2)), Noise.rows(0, 2), options).kind == "lower_bound"


@pytest.mark.parametrize(("mu", "variance"), [(0.0, 1.0), (0.4, 0.3), (-1.0, 2.5)])
def test_any_contrast_splits_the_divergence(mu: float, variance: float) -> None:
    """T58: KL(q || p) = KL(q || r) + E_q log r / p, by quadrature, for any r."""
    q_mean, q_variance = 0.6, 0.2

    def at(z: float) -> Tensor:
        return torch.tensor([[z]], dtype=torch.float64)

    def log_normal(z: float, mean: float, variance: float) -> float:
        return float(Diagonal(at(mean), at(math.log(variance))).log_prob(at(z)))

    def expected(ratio: str) -> float:
        def integrand(z: float) -> float:
            log_q, log_r = log_normal(z, q_mean, q_variance), log_normal(z, mu, variance)
            log_p = float(standard_log_prob(at(z)))
            return math.exp(log_q) * (log_q - log_r if ratio == "q/r" else log_r - log_p)

        return quad(integrand, -8, 8, epsabs=1e-10)[0]

    kl = float(kl_to_prior_nats(at(q_mean), at(math.log(q_variance))))
    assert expected("q/r") + expected("r/p") == pytest.approx(kl, rel=1e-7)


def test_the_contrast_descends_to_the_moments_of_the_posterior() -> None:
    nets = gaussian(0.4, 0.3, contrast=(0.4, 0.3), adversary=Ratio(0.4, 0.3))
    for weight in nets["contrast"].parameters():
        weight.requires_grad_()
    n = 100_000
    batch = Batch(rows(n), no_condition(rows(n)), torch.Generator().manual_seed(0), 0, 1, torch.arange(n))
    loss = next(FAMILY.losses(nets, batch))
    assert (loss.name, loss.trains) == ("contrast_nll_nats", ("contrast",))
    gradients = torch.autograd.grad(loss.value, list(nets["contrast"].parameters()))
    assert max(float(gradient.abs().max()) for gradient in gradients) < 0.02


def test_the_adversary_moves_twice_before_the_autoencoder_does() -> None:
    nets = FAMILY.build(PLANE).double()
    batch = Batch(rows(8), no_condition(rows(8)), torch.Generator().manual_seed(0), 0, 1, torch.arange(8))
    assert [loss.trains for loss in FAMILY.losses(nets, batch)] == [
        ("contrast",),
        ("adversary",),
        ("adversary",),
        ("encoder", "shape", "decoder", "scale"),
    ]


def test_the_code_of_data_is_the_mean_of_the_posterior() -> None:
    nets = gaussian(0.4, 0.3, contrast=(0.4, 0.3), adversary=Ratio(0.4, 0.3))
    assert FAMILY.encode(nets, rows(3), no_condition(rows(3))).numpy() == pytest.approx(0.4)


# --- given a label: x | z, c ~ N(W z + m_c, variance I), so x | c ~ N(m_c, W W^T + variance I) ---

MEANS = torch.tensor([[1.0, -2.0], [-0.5, 0.3]], dtype=torch.float64)
LABELED = DataSpec(shape=(2,), condition=Labels(n_classes=2))
LABELS = torch.eye(2, dtype=torch.float64)
GAIN = torch.tensor(W, dtype=torch.float64) / (VARIANCE + W[0] ** 2 + W[1] ** 2)  # the posterior mean is GAIN (x - m_c)


class RatioGivenTheLabel(nn.Module):
    """log q(z|x, c) - log r(z) for q the posterior and r = N(0, 1): what the best adversary says."""

    def forward(self, told: Tensor) -> Tensor:
        x, c, z = told[:, :2], told[:, 2:4], told[:, 4:]
        mean = (x - c @ MEANS) @ GAIN
        return Ratio(0.0, POSTERIOR_VARIANCE)(z - mean[:, None]) - 0.5 * (z - mean[:, None]) ** 2 + 0.5 * z**2


def gaussian_given_labels(*, exact_contrast: bool) -> Nets:
    """p of above and its posterior, against which r is the posterior itself or the prior."""
    nets = FAMILY.build(LABELED).double().requires_grad_(False)
    of_mean, spread = [*GAIN.tolist(), *(-MEANS @ GAIN).tolist()], math.sqrt(POSTERIOR_VARIANCE)
    linear(nets["encoder"], [of_mean, [0] * 4], [0, math.log(spread)])
    linear(nets["shape"], [[0] * 5], [0])
    linear(nets["decoder"], [[W[0], *MEANS[:, 0].tolist()], [W[1], *MEANS[:, 1].tolist()]], [0, 0])
    to_prior = ([[-w / spread for w in of_mean], [0] * 4], [0, -math.log(POSTERIOR_VARIANCE)])
    linear(nets["contrast"], *(([[0] * 4] * 2, [0, 0]) if exact_contrast else to_prior))
    nets["scale"].value.fill_(0.5 * math.log(VARIANCE))
    nets["adversary"] = Ratio(0.0, 1.0) if exact_contrast else RatioGivenTheLabel()
    return nets


@pytest.mark.parametrize("exact_contrast", [True, False])
@pytest.mark.parametrize("proposal", ["implicit", "contrast"])
def test_given_a_label_the_likelihood_is_that_of_its_gaussian(exact_contrast: bool, proposal: str) -> None:
    nets, x, w = gaussian_given_labels(exact_contrast=exact_contrast), rows(2), torch.tensor([W], dtype=torch.float64)
    covariance = w.T @ w + VARIANCE * torch.eye(2)
    expected = torch.distributions.MultivariateNormal(MEANS, covariance).log_prob(x)
    options = ProposalOptions.model_validate({"k": 4000, "proposal": proposal})
    found = FAMILY.log_prob(nets, x, LABELS, Noise.rows(0, 2), options)
    within = 0.05 if proposal == "contrast" and not exact_contrast else 1e-5  # draws of the prior weigh differently
    assert found.value.numpy() == pytest.approx(expected.numpy(), abs=within)


def test_given_labels_what_is_descended_on_is_the_negative_likelihood_at_the_posterior() -> None:
    nets, x = gaussian_given_labels(exact_contrast=False), rows(2)
    *_, loss = FAMILY.losses(nets, Batch(x, LABELS, torch.Generator().manual_seed(0), 0, 1, torch.arange(2)))
    scored = FAMILY.log_prob(nets, x, LABELS, Noise.rows(0, 2), ProposalOptions(k=2)).value
    assert float(loss.value) == pytest.approx(-float(scored.mean()), abs=1e-5)


def test_given_a_label_codes_and_rows_are_those_of_the_label() -> None:
    nets, x = gaussian_given_labels(exact_contrast=True), rows(2)
    z = FAMILY.encode(nets, x, LABELS)
    assert torch.allclose(z[:, 0], ((x - MEANS) * GAIN).sum(1), atol=1e-6)
    expected = MEANS + z * torch.tensor(W, dtype=torch.float64)
    assert torch.allclose(FAMILY.decode(nets, z, LABELS), expected, atol=1e-6)
