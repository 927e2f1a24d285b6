"""The loss of every family in a case small enough to write out: its value, and its gradient by central differences.

The formulas are numpy's, from the papers' equations, with linear networks in float64. A sign that is turned, or a term
that is left out, anywhere in a loss is another number here.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, logsumexp
from torch import Tensor, nn

from pushforward.models.adversarial.games import NonSaturating, Wasserstein
from pushforward.models.adversarial.kernels import IMQ, Distance
from pushforward.models.adversarial.penalties import MMD, Adversarial, Sliced
from pushforward.models.adversarial.regularizers import R1, GradientPenalty
from pushforward.models.data.integrands import ProductPeak
from pushforward.models.families.ae import AE
from pushforward.models.families.ae_ot import AEOT
from pushforward.models.families.autoregressive import Autoregressive
from pushforward.models.families.avb import AVB, REACH
from pushforward.models.families.discrete_vae import DiscreteVAE
from pushforward.models.families.flow import MIN_U01, Flow
from pushforward.models.families.glann import GLANN
from pushforward.models.families.nis import NIS
from pushforward.models.families.vae import VAE
from pushforward.models.families.wae import WAE
from pushforward.models.family import Family
from pushforward.models.flows.dequantization import Uniform, Variational
from pushforward.models.latents.code_densities import GaussianDensity
from pushforward.models.latents.posteriors import FlowPosterior
from pushforward.models.latents.priors import FlowPrior
from pushforward.models.latents.sampled_priors import MixtureCodes
from pushforward.models.likelihoods import Bernoulli
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import CodeTable, Nets, Scalar
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.variational.bounds import ELBO, IWAE
from pushforward.models.variational.discrete_gradients import GumbelSoftmax, Reinforce, StraightThrough

Numbers = NDArray[np.float64]
Formula = Callable[..., float]

PLANE = DataSpec(shape=(2,), shift=(0.3,), scale=(1.7,), n_rows=3)
X = np.array([[0.4, -1.1], [1.9, 0.6], [-0.8, 0.2]])
U = (X - 0.3) / 1.7  # network units
LOG_2PI = math.log(2 * math.pi)


def rng(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(x: Numbers = X, *, step: int = 0, total: int = 1) -> Batch:
    rows = torch.from_numpy(x)
    return Batch(rows, rows[:, :0], rng(), step, total, torch.arange(len(x)))


def linear(n_in: int, n_out: int, seed: int) -> nn.Linear:
    layer = nn.Linear(n_in, n_out).double()
    with torch.no_grad():
        for weights in layer.parameters():
            weights.copy_(0.6 * torch.randn(weights.shape, generator=rng(seed), dtype=torch.float64))
    return layer


def weights(*modules: nn.Module) -> list[nn.Parameter]:
    return [p for module in modules for p in module.parameters()]


def apply(x: Numbers, w: Numbers, b: Numbers) -> Numbers:
    """A linear layer."""
    return x @ w.T + b


def differences(formula: Formula, at: list[Numbers]) -> list[Numbers]:
    """The gradient of a formula by central differences."""
    gradients = []
    for i, values in enumerate(at):
        slope = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            moved = [v.copy() for v in at]
            moved[i][place] += 1e-5
            above = formula(*moved)
            moved[i][place] -= 2e-5
            slope[place] = (above - formula(*moved)) / 2e-5
        gradients.append(slope)
    return gradients


def assert_gradient(loss: Loss, parameters: list[nn.Parameter], formula: Formula) -> None:
    at = [p.detach().numpy().copy() for p in parameters]
    found = torch.autograd.grad(loss.value, parameters, retain_graph=True)
    for slope, expected in zip(found, differences(formula, at), strict=True):
        assert slope.numpy() == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert any(np.abs(expected).max() > 1e-3 for expected in differences(formula, at))


def assert_exact(loss: Loss, parameters: list[nn.Parameter], formula: Formula) -> None:
    """The value, and the gradient of that value."""
    at = [p.detach().numpy().copy() for p in parameters]
    assert loss.value.item() == pytest.approx(formula(*at), rel=1e-9)
    assert_gradient(loss, parameters, formula)


def losses(family: Family, nets: Nets, at: Batch) -> dict[str, Loss]:
    return {loss.name: loss for loss in family.losses(nets.double(), at)}


def normals(generator: torch.Generator, *shape: int) -> Numbers:
    drawn: Numbers = torch.randn(*shape, generator=generator, dtype=torch.float64).numpy()
    return drawn


def log_normal(x: Numbers, mean: Any, log_sigma: Any) -> Numbers:
    density: Numbers = -0.5 * ((x - mean) / np.exp(log_sigma)) ** 2 - log_sigma - 0.5 * LOG_2PI
    return density


# --- without a likelihood ---


def coder(seed: int) -> tuple[nn.Linear, nn.Linear]:
    return linear(2, 1, seed), linear(1, 2, seed + 1)


def squared_error(w: Numbers, b: Numbers, v: Numbers, d: Numbers) -> float:
    """The mean over rows of |u - G(E(u))|^2."""
    return float(((U - apply(apply(U, w, b), v, d)) ** 2).sum(1).mean())


def test_autoencoder() -> None:
    family = AE(latent=1, depth=0, density=GaussianDensity())
    encoder, decoder = coder(0)
    density = GaussianDensity().network(1, 0).double()
    with torch.no_grad():
        density.mean.fill_(0.4)
        density.log_diagonal.fill_(-0.3)
    found = losses(family, Nets(PLANE, encoder=encoder, decoder=decoder, density=density), batch())
    assert_exact(found["squared_error"], weights(encoder, decoder), squared_error)
    z = apply(U, *(p.detach().numpy() for p in encoder.parameters()))[:, 0]
    nll = found["code_nll_nats"]
    assert nll.trains == ("density",)
    assert_exact(nll, [density.mean, density.log_diagonal], lambda m, s: float(-log_normal(z, m[0, 0], s[0, 0]).mean()))


def test_generative_latent_nearest_neighbors() -> None:
    family = GLANN(latent=1, draws=16)
    codes, generator, mapping = CodeTable(3, 1).double(), linear(1, 2, 2), linear(1, 1, 3)
    with torch.no_grad():
        codes.free.copy_(torch.tensor([[0.5], [-0.7], [0.2]], dtype=torch.float64))
    found = losses(family, Nets(PLANE, codes=codes, generator=generator, mapping=mapping), batch())
    assert_exact(
        found["cost"],
        weights(codes, generator),
        lambda z, w, b: float(((U - apply(z, w, b)) ** 2).sum(1).mean()),
    )
    e = normals(rng(), 16, 1)

    def nearest(w: Numbers, b: Numbers) -> float:
        mapped = apply(e, w, b)[:, 0]
        return float(np.mean([min((z - t) ** 2 for t in mapped) for z in (0.5, -0.7, 0.2)]))

    assert_exact(found["nearest_code_square"], weights(mapping), nearest)


def test_autoencoder_with_optimal_transport() -> None:
    family = AEOT(latent=1, depth=0, draws=16)
    nets = family.build(PLANE)
    encoder, decoder = coder(4)
    nets["encoder"], nets["decoder"] = encoder, decoder
    nets.double()
    offsets = next(iter(nets["transport"].parameters()))
    with torch.no_grad():
        offsets.copy_(torch.tensor([0.001, -0.002, 0.0005], dtype=torch.float64))
    found = losses(family, nets, batch())
    assert_exact(found["cost"], weights(encoder, decoder), squared_error)
    z = apply(U, *(p.detach().numpy() for p in encoder.parameters()))[:, 0]
    y = (z - z.mean()) / z.std()
    x = normals(rng(), 16, 1)[:, 0]
    free = nets["transport"].heights(torch.from_numpy(y)[:, None]).detach().numpy() + y**2 / 2
    stride = free / offsets.detach().numpy()
    assert stride == pytest.approx(np.full(3, stride[0]))

    def energy(at: Numbers) -> float:
        h = stride[0] * at - y**2 / 2
        return float(np.mean([max(a * b + c for b, c in zip(y, h, strict=True)) for a in x]) - h.mean())

    assert_exact(found["transport_energy"], [offsets], energy)


def unbiased_discrepancy(kernel: Callable[[Numbers, Numbers], float], z: Numbers, prior: Numbers) -> float:
    """Gretton et al. (2012), equation 3."""
    n = len(z)
    apart = [(i, j) for i in range(n) for j in range(n) if i != j]
    within = sum(kernel(z[i], z[j]) + kernel(prior[i], prior[j]) for i, j in apart) / (n * (n - 1))
    return within - 2 * sum(kernel(a, b) for a in z for b in prior) / n**2


KERNELS: list[tuple[Any, Callable[[Numbers, Numbers], float]]] = [
    (IMQ(sigma=1.3, scales=(0.5, 2.0)), lambda a, b: sum(c / (c + (a - b) @ (a - b)) for c in (1.69, 6.76))),
    (Distance(), lambda a, b: float(np.sqrt(a @ a) + np.sqrt(b @ b) - np.sqrt((a - b) @ (a - b)))),
]


@pytest.mark.parametrize(("kernel", "by_hand"), KERNELS, ids=["imq", "distance"])
def test_wasserstein_autoencoder_with_a_discrepancy(kernel: Any, by_hand: Callable[..., float]) -> None:
    """For codes of one number, C = 2 s sigma^2."""
    family = WAE(latent=1, depth=0, weight=7.0, penalty=MMD(kernel=kernel))
    encoder, decoder = coder(6)
    found = losses(family, Nets(PLANE, encoder=encoder, decoder=decoder), batch())
    prior = normals(rng(), 3, 1)

    def penalized(w: Numbers, b: Numbers, v: Numbers, d: Numbers) -> float:
        return squared_error(w, b, v, d) + 7 * unbiased_discrepancy(by_hand, apply(U, w, b), prior)

    assert_exact(found["penalized_cost"], weights(encoder, decoder), penalized)


def test_wasserstein_autoencoder_with_sliced_distances_and_a_gaussian_posterior() -> None:
    """In one dimension every direction sees the same: the sorted codes beside the sorted draws."""
    family = WAE(latent=1, depth=0, weight=3.0, penalty=Sliced(directions=5), posterior="gaussian")
    encoder, decoder = linear(2, 2, 8), linear(1, 2, 9)
    found = losses(family, Nets(PLANE, encoder=encoder, decoder=decoder), batch())
    generator = rng()
    eps, prior = normals(generator, 3, 1), normals(generator, 3, 1)

    def penalized(w: Numbers, b: Numbers, v: Numbers, d: Numbers) -> float:
        told = apply(U, w, b)
        z = told[:, :1] + np.exp(told[:, 1:] / 2) * eps
        cost = ((U - apply(z, v, d)) ** 2).sum(1).mean()
        return float(cost + 3 * ((np.sort(z[:, 0]) - np.sort(prior[:, 0])) ** 2).mean())

    assert_exact(found["penalized_cost"], weights(encoder, decoder), penalized)


def softplus(x: Numbers) -> Numbers:
    """-log sigmoid(-x)."""
    return np.logaddexp(0, x)


@pytest.mark.parametrize("wasserstein", [False, True], ids=["non_saturating", "wasserstein"])
def test_adversarial_autoencoder(wasserstein: bool) -> None:
    """A linear critic's slope is its weight, so both penalties are plain: R1 = gamma/2 w^2, lambda (|w| - 1)^2."""
    game = Wasserstein() if wasserstein else NonSaturating()
    held = (GradientPenalty(weight=4.0),) if wasserstein else (R1(gamma=0.8),)
    prior_codes = MixtureCodes(components=3, radius=2.0)
    family = WAE(
        latent=2, depth=0, weight=5.0, penalty=Adversarial(game=game, regularizers=held), prior_codes=prior_codes
    )
    encoder, decoder, critic = linear(2, 2, 10), linear(2, 2, 11), linear(2, 1, 12)
    found = losses(family, Nets(PLANE, encoder=encoder, decoder=decoder, critic=critic), batch())
    drawn = torch.from_numpy(normals(rng(), 3, prior_codes.normals(2)))
    real = prior_codes.push(drawn).numpy()
    fake = apply(U, *(p.detach().numpy() for p in encoder.parameters()))

    def critic_loss(w: Numbers, b: Numbers) -> float:
        on_real, on_fake, slope = apply(real, w, b), apply(fake, w, b), math.sqrt((w**2).sum())
        if wasserstein:
            return float(on_fake.mean() - on_real.mean() + 4 * (slope - 1) ** 2)
        return float(softplus(-on_real).mean() + softplus(on_fake).mean() + 0.4 * slope**2)

    assert found["critic"].trains == ("critic",)
    assert_exact(found["critic"], weights(critic), critic_loss)
    c_w, c_b = (p.detach().numpy() for p in critic.parameters())

    def penalized(w: Numbers, b: Numbers, v: Numbers, d: Numbers) -> float:
        score = apply(apply(U, w, b), c_w, c_b)
        return squared_error(w, b, v, d) + 5 * float((-score if wasserstein else softplus(-score)).mean())

    assert_exact(found["penalized_cost"], weights(encoder, decoder), penalized)


# --- variational ---

LOG_SCALE = -0.4


def latent_nets(n_h: int = 2) -> tuple[Nets, list[nn.Parameter]]:
    encoder, decoder, scale = linear(2, n_h, 20), linear(1, 2, 21), Scalar(LOG_SCALE).double()
    return Nets(PLANE, encoder=encoder, decoder=decoder, scale=scale), weights(encoder, decoder, scale)


def parts(eps: Numbers, w: Numbers, b: Numbers, v: Numbers, d: Numbers, s: Numbers) -> tuple[Numbers, ...]:
    """Log p(x|z), log p(z), log q(z|x), each (k, B), and KL(q(z|x) || N(0, 1)), (B,).  eps: (k, B)."""
    mu, log_var = apply(U, w, b).T
    z = mu + np.exp(log_var / 2) * eps
    decoded = np.stack([apply(codes[:, None], v, d) for codes in z])
    log_likelihood = log_normal(U, decoded, s).sum(2) - 2 * math.log(1.7)
    kl = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var)
    return log_likelihood, log_normal(z, 0.0, 0.0), log_normal(z, mu, log_var / 2), kl


@pytest.mark.parametrize(("beta", "warm_up", "weight"), [(1.0, 0.0, 1.0), (2.5, 0.0, 2.5), (2.0, 0.8, 0.75)])
def test_variational_autoencoder(beta: float, warm_up: float, weight: float) -> None:
    """At 3 of 10 steps a warm-up over 8 has come to three eighths of beta."""
    family = VAE(latent=1, depth=0, objective=ELBO(beta=beta, warm_up=warm_up, draws=2))
    nets, parameters = latent_nets()
    (loss,) = losses(family, nets, batch(step=3, total=10)).values()
    eps = normals(rng(), 6, 1).reshape(2, 3)

    def objective(*at: Numbers) -> float:
        log_likelihood, _, _, kl = parts(eps, *at)
        return float(-log_likelihood.mean() + weight * kl.mean())

    assert_exact(loss, parameters, objective)
    at = [p.detach().numpy() for p in parameters]
    log_likelihood, _, _, kl = parts(eps, *at)
    assert loss.terms["distortion_nats"].item() == pytest.approx(-log_likelihood.mean())
    assert loss.terms["kl_nats"].item() == pytest.approx(kl.mean())


def test_importance_weighted_autoencoder() -> None:
    family = VAE(latent=1, depth=0, objective=IWAE(k=3))
    nets, parameters = latent_nets()
    (loss,) = losses(family, nets, batch()).values()
    eps = normals(rng(), 9, 1).reshape(3, 3)

    def objective(*at: Numbers) -> float:
        log_likelihood, log_prior, log_q, _ = parts(eps, *at)
        return float(-(logsumexp(log_likelihood + log_prior - log_q, axis=0) - math.log(3)).mean())

    assert_exact(loss, parameters, objective)
    log_likelihood, log_prior, log_q, _ = parts(eps, *(p.detach().numpy() for p in parameters))
    assert loss.terms["negative_elbo_nats"].item() == pytest.approx(-(log_likelihood + log_prior - log_q).mean())


def test_doubly_reparameterized_gradients() -> None:
    """The encoder: sum_i w~_i^2 dlog w_i/dz_i grad z_i, q's own numbers held; the decoder: sum_i w~_i grad log p."""
    family = VAE(latent=1, depth=0, objective=IWAE(k=3, dreg=True))
    nets, parameters = latent_nets()
    (loss,) = losses(family, nets, batch()).values()
    eps = normals(rng(), 9, 1).reshape(3, 3)
    at = [p.detach().numpy().copy() for p in parameters]
    log_likelihood, log_prior, log_q, _ = parts(eps, *at)
    log_w = log_likelihood + log_prior - log_q
    assert loss.value.item() == pytest.approx(float(-(logsumexp(log_w, axis=0) - math.log(3)).mean()), rel=1e-9)
    share = np.exp(log_w - logsumexp(log_w, axis=0))
    held_mu, held_log_var = apply(U, at[0], at[1]).T

    def by_encoder(w: Numbers, b: Numbers) -> float:
        log_likelihood, log_prior, _, _ = parts(eps, w, b, *at[2:])
        mu, log_var = apply(U, w, b).T
        z = mu + np.exp(log_var / 2) * eps
        log_q = log_normal(z, held_mu, held_log_var / 2)
        return float(-(share**2 * (log_likelihood + log_prior - log_q)).sum(0).mean())

    def by_decoder(*decoder: Numbers) -> float:
        return float(-(share * parts(eps, at[0], at[1], *decoder)[0]).sum(0).mean())

    assert_gradient(loss, parameters[:2], by_encoder)
    assert_gradient(loss, parameters[2:], by_decoder)


def test_reinforced_variational_autoencoder() -> None:
    """(f_i - mean of the others) grad log q(z_i), f = log p(x|z): of a q whose draws are held."""
    family = VAE(latent=1, depth=0, objective=ELBO(estimator="reinforce", draws=3, beta=0.7))
    nets, parameters = latent_nets()
    (loss,) = losses(family, nets, batch()).values()
    eps = normals(rng(), 9, 1).reshape(3, 3)
    at = [p.detach().numpy().copy() for p in parameters]
    f, _, _, kl = parts(eps, *at)
    assert loss.value.item() == pytest.approx(float(-f.mean() + 0.7 * kl.mean()), rel=1e-9)
    advantage = np.stack([f[i] - (f.sum(0) - f[i]) / 2 for i in range(3)])
    mu, log_var = apply(U, at[0], at[1]).T
    z = mu + np.exp(log_var / 2) * eps

    def by_encoder(w: Numbers, b: Numbers) -> float:
        mu, log_var = apply(U, w, b).T
        kl = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var)
        return float(-(advantage * log_normal(z, mu, log_var / 2)).mean() + 0.7 * kl.mean())

    assert_gradient(loss, parameters[:2], by_encoder)
    assert_gradient(loss, parameters[2:], lambda *decoder: float(-parts(eps, at[0], at[1], *decoder)[0].mean()))


class Stretch(nn.Module):
    """z = exp(s) v + t, element by element."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.tensor([0.3, -0.2][:size], dtype=torch.float64))
        self.t = nn.Parameter(torch.tensor([0.1, 0.5][:size], dtype=torch.float64))

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        return self.s.exp() * v + self.t, self.s.sum().expand(len(v))


def test_variational_autoencoder_whose_posterior_is_a_flow() -> None:
    """The divergence is of the draws: log q(z|x) = log N(z_0; mu, sigma^2) - log |det df/dz_0|."""
    family = VAE(latent=1, depth=0, posterior=FlowPosterior(features=0), objective=ELBO(beta=1.5, draws=2))
    nets, parameters = latent_nets()
    nets["posterior"] = flow = Stretch(1)
    (loss,) = losses(family, nets, batch()).values()
    eps = normals(rng(), 6, 1).reshape(2, 3)

    def objective(*at: Numbers) -> float:
        (w, b, v, d, scale), (s, t) = at[:5], at[5:]
        mu, log_var = apply(U, w, b).T
        z0 = mu + np.exp(log_var / 2) * eps
        z = np.exp(s) * z0 + t
        decoded = np.stack([apply(codes[:, None], v, d) for codes in z])
        log_likelihood = log_normal(U, decoded, scale).sum(2) - 2 * math.log(1.7)
        log_q = log_normal(z0, mu, log_var / 2) - s
        return float(-log_likelihood.mean() + 1.5 * (log_q - log_normal(z, 0.0, 0.0)).mean())

    assert_exact(loss, [*parameters, *weights(flow)], objective)


def test_reinforced_variational_autoencoder_whose_prior_is_a_flow() -> None:
    """f = log p(x|z) - beta (log q - log p(z)), the other draws its baseline, log q's own slope left out."""
    objective = ELBO(estimator="reinforce", draws=3, beta=0.7)
    family = VAE(latent=1, depth=0, prior_codes=FlowPrior(), objective=objective)
    nets, parameters = latent_nets()
    nets["prior"] = prior = Stretch(1)
    (loss,) = losses(family, nets, batch()).values()
    eps = normals(rng(), 9, 1).reshape(3, 3)
    at = [p.detach().numpy().copy() for p in parameters]
    log_likelihood, _, log_q, _ = parts(eps, *at)
    mu, log_var = apply(U, at[0], at[1]).T
    z = mu + np.exp(log_var / 2) * eps

    def log_prior(s: Numbers, t: Numbers) -> Numbers:
        density: Numbers = log_normal(np.exp(s) * z + t, 0.0, 0.0) + s
        return density

    f = log_likelihood - 0.7 * (log_q - log_prior(*(p.detach().numpy() for p in prior.parameters())))
    assert loss.value.item() == pytest.approx(float(-f.mean()), rel=1e-9)
    advantage = np.stack([f[i] - (f.sum(0) - f[i]) / 2 for i in range(3)])

    def by_encoder(w: Numbers, b: Numbers) -> float:
        mu, log_var = apply(U, w, b).T
        return float(-(advantage * log_normal(z, mu, log_var / 2)).mean())

    assert_gradient(loss, parameters[:2], by_encoder)
    assert_gradient(loss, parameters[2:], lambda *decoder: float(-parts(eps, at[0], at[1], *decoder)[0].mean()))
    assert_gradient(loss, weights(prior), lambda s, t: float(-0.7 * log_prior(s, t).mean()))


def test_adversarial_variational_bayes() -> None:
    """The fit of the contrast, the adversary's game, and the bound, each with the others held."""
    family = AVB(latent=1, noise=1, depth=0, adversary_steps=1)
    encoder, decoder, scale = linear(2, 2, 30), linear(1, 2, 31), Scalar(LOG_SCALE).double()
    shape, contrast, adversary = linear(3, 1, 32), linear(2, 2, 33), linear(3, 1, 34)
    nets = Nets(
        PLANE, encoder=encoder, decoder=decoder, scale=scale, shape=shape, contrast=contrast, adversary=adversary
    )
    found = losses(family, nets, batch())
    generator = rng()
    eps, other_eps, standard = normals(generator, 3, 2), normals(generator, 3, 2), normals(generator, 3, 1)
    (ew, eb), (sw, sb), (cw, cb), (aw, ab) = (
        [p.detach().numpy() for p in net.parameters()] for net in (encoder, shape, contrast, adversary)
    )

    def draw(eps: Numbers, ew: Numbers, eb: Numbers, sw: Numbers, sb: Numbers) -> Numbers:
        a, b = apply(U, ew, eb).T
        g = REACH * np.tanh(apply(np.concatenate([U, eps[:, :1]], 1), sw, sb)[:, 0])
        z: Numbers = a + np.exp(b) * (eps[:, 1] + g)
        return z

    def moments(cw: Numbers, cb: Numbers) -> tuple[Numbers, Numbers]:
        a, b = apply(U, ew, eb).T
        mean, log_var = apply(U, cw, cb).T
        return a + np.exp(b) * mean, b + log_var / 2

    def adversary_at(z: Numbers, mu: Numbers, log_sigma: Numbers, aw: Numbers, ab: Numbers) -> Numbers:
        return apply(np.stack([*U.T, (z - mu) / np.exp(log_sigma)], 1), aw, ab)[:, 0]

    z, (mu, log_sigma) = draw(eps, ew, eb, sw, sb), moments(cw, cb)
    assert_exact(found["contrast_nll_nats"], weights(contrast), lambda *at: float(-log_normal(z, *moments(*at)).mean()))
    other = draw(other_eps, ew, eb, sw, sb)

    def game(aw: Numbers, ab: Numbers) -> float:
        on_normal = apply(np.concatenate([U, standard], 1), aw, ab)
        return float(softplus(-adversary_at(other, mu, log_sigma, aw, ab)).mean() + softplus(on_normal).mean())

    assert_exact(found["adversary"], weights(adversary), game)

    def bound(*at: Numbers) -> float:
        z = draw(eps, *at[:4])
        log_likelihood = log_normal(U, apply(z[:, None], at[4], at[5]), at[6]).sum(1) - 2 * math.log(1.7)
        log_q = adversary_at(z, mu, log_sigma, aw, ab) + log_normal(z, mu, log_sigma)
        return float(-(log_likelihood - log_q + log_normal(z, 0.0, 0.0)).mean())

    loss = found["estimated_negative_elbo_nats"]
    assert loss.trains == ("encoder", "shape", "decoder", "scale")
    assert_exact(loss, weights(encoder, shape, decoder, scale), bound)


BLACK_AND_WHITE = DataSpec(shape=(2,), low=0, high=1, levels=2, shift=(0.5,), scale=(0.5,))
BITS = np.array([[0.0, 1.0], [1.0, 1.0]])


def discrete(estimator: Any) -> tuple[Loss, nn.Linear, nn.Linear]:
    """One word of three letters, at the middle of a training."""
    family = DiscreteVAE(codes=1, categories=3, depth=0, likelihood=Bernoulli(), estimator=estimator)
    encoder, decoder = linear(2, 3, 40), linear(3, 2, 41)
    nets = Nets(BLACK_AND_WHITE, encoder=encoder, decoder=decoder, scale=Scalar(0.0))
    (loss,) = losses(family, nets, batch(BITS, step=1, total=2)).values()
    return loss, encoder, decoder


def gumbel_noise(*shape: int, generator: torch.Generator | None = None) -> Numbers:
    drawn = torch.empty(*shape, dtype=torch.float64).exponential_(generator=generator or rng())
    noise: Numbers = -np.log(drawn.numpy())
    return noise


def log_pi(w: Numbers, b: Numbers) -> Numbers:
    """The encoder sees network units, -1 and 1."""
    log_p: Numbers = log_softmax(apply(2 * BITS - 1, w, b), axis=1)
    return log_p


def kl_to_uniform(log_p: Numbers) -> float:
    return float((np.exp(log_p) * (log_p + math.log(3))).sum(1).mean())


def of_bits(z: Numbers, v: Numbers, d: Numbers) -> Numbers:
    """Log p(x|z), (B,)."""
    on = expit(apply(z, v, d))
    log_p: Numbers = (BITS * np.log(on) + (1 - BITS) * np.log(1 - on)).sum(1)
    return log_p


def test_discrete_codes_by_gumbel_softmax() -> None:
    """Half way from 1 to 1/4 tau is 1/2."""
    loss, encoder, decoder = discrete(GumbelSoftmax(warmest=1.0, coldest=0.25))
    g = gumbel_noise(2, 1, 3)[:, 0]

    def relaxed(w: Numbers, b: Numbers, v: Numbers, d: Numbers) -> float:
        log_p = log_pi(w, b)
        y = np.exp(log_softmax((log_p + g) / 0.5, axis=1))
        return float(-of_bits(y, v, d).mean()) + kl_to_uniform(log_p)

    assert loss.name == "relaxed_negative_elbo_nats"
    assert_exact(loss, weights(encoder, decoder), relaxed)


def test_discrete_codes_by_the_straight_through_trick() -> None:
    """The slope at the hard code, passed on to the relaxed one."""
    loss, encoder, decoder = discrete(StraightThrough(warmest=1.0, coldest=0.25))
    g = gumbel_noise(2, 1, 3)[:, 0]
    at = [p.detach().numpy().copy() for p in weights(encoder, decoder)]
    hard = np.eye(3)[(log_pi(*at[:2]) + g).argmax(1)]
    value = float(-of_bits(hard, *at[2:]).mean()) + kl_to_uniform(log_pi(*at[:2]))
    assert loss.value.item() == pytest.approx(value, rel=1e-9)
    slope = (BITS - expit(apply(hard, *at[2:]))) @ at[2]  # of log p(x|z) in z

    def by_encoder(w: Numbers, b: Numbers) -> float:
        log_p = log_pi(w, b)
        y = np.exp(log_softmax((log_p + g) / 0.5, axis=1))
        return float(-(slope * y).sum(1).mean()) + kl_to_uniform(log_p)

    assert_gradient(loss, weights(encoder), by_encoder)
    assert_gradient(loss, weights(decoder), lambda v, d: float(-of_bits(hard, v, d).mean()))


def test_discrete_codes_by_reinforce() -> None:
    loss, encoder, decoder = discrete(Reinforce(draws=3))
    generator = rng()
    at = [p.detach().numpy().copy() for p in weights(encoder, decoder)]
    log_p = log_pi(*at[:2])
    z = [np.eye(3)[(log_p + gumbel_noise(2, 1, 3, generator=generator)[:, 0]).argmax(1)] for _ in range(3)]
    f = np.stack([of_bits(codes, *at[2:]) for codes in z])
    assert loss.value.item() == pytest.approx(float(-f.mean()) + kl_to_uniform(log_p), rel=1e-9)
    advantage = np.stack([f[i] - (f.sum(0) - f[i]) / 2 for i in range(3)])

    def by_encoder(w: Numbers, b: Numbers) -> float:
        log_p = log_pi(w, b)
        log_q = np.stack([(codes * log_p).sum(1) for codes in z])
        return float(-(advantage * log_q).mean()) + kl_to_uniform(log_p)

    assert_gradient(loss, weights(encoder), by_encoder)
    assert_gradient(loss, weights(decoder), lambda v, d: float(-np.mean([of_bits(codes, v, d) for codes in z])))


# --- with exact densities ---


def test_flow_of_continuous_data() -> None:
    flow = Stretch(2)
    found = losses(Flow(), Nets(PLANE, flow=flow), batch())

    def nll(s: Numbers, t: Numbers) -> float:
        log_p = log_normal(np.exp(s) * U + t, 0.0, 0.0).sum(1) + s.sum() - 2 * math.log(1.7)
        return float(-log_p.mean())

    assert_exact(found["nll_nats"], weights(flow), nll)


def test_flow_of_levels() -> None:
    """Levels 0, 2 and 4, bins of width 2, the range widened to [-1, 5], alpha = .1, two draws."""
    spec = DataSpec(shape=(2,), low=0, high=4, levels=3, shift=(2.0,), scale=(2.0,))
    x = np.array([[0.0, 4.0], [2.0, 2.0], [4.0, 0.0]])
    flow = Stretch(2)
    found = losses(Flow(alpha=0.1, dequantization=Uniform(draws=2)), Nets(spec, flow=flow), batch(x))
    generator = rng()
    u01 = [torch.rand(3, 2, generator=generator, dtype=torch.float64).clamp_min(MIN_U01).numpy() for _ in range(2)]

    def negative_bound(s: Numbers, t: Numbers) -> float:
        log_w = []
        for u in u01:
            share = 0.1 + 0.8 * (x + 2 * (u - 0.5) + 1) / 6
            v = np.log(share / (1 - share))
            slope = 0.8 / 6 / (share * (1 - share))
            log_p = log_normal(np.exp(s) * v + t, 0.0, 0.0) + s + np.log(slope)
            log_w.append(log_p.sum(1) + 2 * math.log(2))
        return float(-(logsumexp(log_w, axis=0) - math.log(2)).mean())

    loss = found["nll_bound_nats"]
    assert_exact(loss, weights(flow), negative_bound)
    assert loss.terms["bits_per_dim"].item() == pytest.approx(loss.value.item() / (2 * math.log(2)))


class StretchInBins(Stretch):
    """The same, told the level, which it does not look at."""

    def forward(self, v: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return super().forward(v)


def test_flow_of_levels_with_variational_dequantization() -> None:
    """u = sigmoid(f(logit u_0)): log q(u) = -log du/du_0, u_0 being uniform."""
    spec = DataSpec(shape=(2,), low=0, high=4, levels=3, shift=(2.0,), scale=(2.0,))
    x = np.array([[0.0, 4.0], [2.0, 2.0], [4.0, 0.0]])
    flow, dequantizer = Stretch(2), StretchInBins(2)
    nets = Nets(spec, flow=flow, dequantizer=dequantizer)
    found = losses(Flow(alpha=0.1, dequantization=Variational()), nets, batch(x))
    u0 = torch.rand(3, 2, generator=rng(), dtype=torch.float64).clamp_min(MIN_U01).numpy()

    def negative_bound(s: Numbers, t: Numbers, r: Numbers, m: Numbers) -> float:
        u = expit(np.exp(r) * np.log(u0 / (1 - u0)) + m)
        log_q = -(np.log(u * (1 - u)) + r - np.log(u0 * (1 - u0)))
        share = 0.1 + 0.8 * (x + 2 * (u - 0.5) + 1) / 6
        v = np.log(share / (1 - share))
        log_p = log_normal(np.exp(s) * v + t, 0.0, 0.0) + s + np.log(0.8 / 6 / (share * (1 - share))) + math.log(2)
        return float(-(log_p - log_q).sum(1).mean())

    assert_exact(found["nll_bound_nats"], weights(flow, dequantizer), negative_bound)


class Given(nn.Module):
    """Logits of three levels of two elements: a table each, and for the second a slope in the first."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor([[0.2, -0.4], [0.9, 0.3], [-0.5, 0.1]], dtype=torch.float64))
        self.slope = nn.Parameter(torch.tensor([0.7, -0.2, 0.4], dtype=torch.float64))

    def forward(self, u: Tensor) -> Tensor:
        second = self.table[:, 1] + u[:, :1] * self.slope
        return torch.stack([self.table[:, 0].expand_as(second), second], 2)


def test_autoregressive_model() -> None:
    spec = DataSpec(shape=(2,), low=0, high=4, levels=3, shift=(2.0,), scale=(2.0,))
    x = np.array([[0.0, 4.0], [2.0, 2.0], [4.0, 0.0], [4.0, 4.0]])
    given = Given()
    nets = Nets(spec, conditionals=given).double()
    at = batch(x)._replace(c=torch.empty(4, 0, dtype=torch.float64))
    (loss,) = Autoregressive().losses(nets, at)

    def nll(table: Numbers, slope: Numbers) -> float:
        total = 0.0
        for first, second in x:
            u = (first - 2) / 2
            total += log_softmax(table[:, 0])[int(first) // 2] + log_softmax(table[:, 1] + u * slope)[int(second) // 2]
        return float(-total / len(x))

    assert_exact(loss, weights(given), nll)
    assert loss.terms["bits_per_dim"].item() == pytest.approx(loss.value.item() / (2 * math.log(2)))


class Power(nn.Module):
    """Of the cube [-5, 5]: with x = (v / 5 + 1) / 2, u = x^a and the density a x^(a - 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([1.8], dtype=torch.float64))

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        x = (v / 5 + 1) / 2
        return 10 * x**self.a - 5, (self.a.log() + (self.a - 1) * x.log()).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        return 10 * ((z / 5 + 1) / 2) ** (1 / self.a) - 5


@pytest.mark.parametrize("divergence", ["kl", "chi2"])
def test_neural_importance_sampling(divergence: Any) -> None:
    """E_p log p / q' or E_p p / q' - 1, p and its draws' weights held, with q' = alpha + (1 - alpha) q."""
    spec = DataSpec(shape=(1,), low=0, high=1)
    family = NIS(integrand=ProductPeak(a=4.0, u=0.3), divergence=divergence, alpha=0.4)
    x0 = np.array([[0.1], [0.35], [0.6], [0.9], [0.2], [0.45]])
    proposal = Power()
    (loss,) = family.losses(Nets(spec, proposal=proposal).double(), batch(x0))
    generator = rng()
    u = torch.rand(6, 1, generator=generator, dtype=torch.float64).numpy()
    which = torch.rand(6, 1, generator=generator).double().numpy()
    x = np.where(which < 0.4, x0, u ** (1 / 1.8))[:, 0]
    assert 0 < (which < 0.4).sum() < 6  # both parts of the mixture were drawn
    f = 1 / (1 / 16 + (x - 0.3) ** 2)

    def density(a: Any) -> Numbers:
        mixture: Numbers = 0.4 + 0.6 * a * x ** (a - 1)
        return mixture

    w = f / density(1.8)
    total = w.mean()

    def value(a: Numbers) -> float:
        ratio = f / total / density(a[0])
        return float((w / total * (np.log(ratio) if divergence == "kl" else ratio - 1)).mean())

    assert_exact(loss, [proposal.a], value)
    assert loss.terms["log_integral_of_abs_f"].item() == pytest.approx(math.log(total))
