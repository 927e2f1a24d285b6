"""The VAE with other likelihoods, posteriors, priors and objectives, against probabilistic PCA (float64)."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from pushforward.models.families.vae import VAE, ImportanceOptions
from pushforward.models.flows.univariate import Affine, Spline, Transform
from pushforward.models.latents.posteriors import CholeskyPosterior, DiagonalPosterior, FlowPosterior, Posterior
from pushforward.models.latents.priors import FlowPrior, Standard
from pushforward.models.likelihoods import Categorical, DiscretizedLogistic, Gaussian
from pushforward.models.likelihoods.base import ConditionalLikelihood
from pushforward.models.losses import Batch, Loss
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.variational.bounds import ELBO, IWAE
from pushforward.models.variational.refinement import SemiAmortizedBound
from tests.models.families.test_vae import LINEAR, LOG_P, PLANE, VARIANCE, W, points, ppca, set_affine, z_score

MEAN, SPREAD = 0.55 / 1.5, 0.25 / 1.5  # of the posterior at X: T01
GAP = 2.00745360  # T03: of the prior as a posterior


@pytest.fixture(autouse=True)
def _the_same_initial_weights() -> None:
    torch.manual_seed(0)


class Table(nn.Module):
    """An encoder that has learned each row's numbers by heart."""

    def __init__(self, h: Tensor) -> None:
        super().__init__()
        self.h = nn.Parameter(h)

    def forward(self, x: Tensor) -> Tensor:
        return self.h


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scrambled(net: nn.Module, *, std: float = 0.3, seed: int = 0) -> None:
    """Weights that make flows other than the identity."""
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=std, generator=rng(seed))


def loss_of(family: VAE, nets: Nets, x: Tensor, *, seed: int = 0, step: int = 0, total: int = 1) -> Loss:
    (loss,) = family.losses(nets, Batch(x, no_condition(x), rng(seed), step, total, torch.arange(len(x))))
    return loss


def row_gradients(family: VAE, h: Tensor, n: int, seed: int = 0) -> Tensor:
    """What the loss's gradient is in each row's own numbers, (n, P), all rows being the same point."""
    nets = ppca(posterior=False)
    table = nets["encoder"] = Table(h.expand(n, -1).clone())
    (gradient,) = torch.autograd.grad(loss_of(family, nets, points(n), seed=seed).value * n, table.h)
    return gradient


H = torch.tensor([[0.1, -0.6]], dtype=torch.float64)


def test_reinforce_and_reparameterization_agree_on_the_gradient() -> None:
    """T08."""
    path = row_gradients(VAE(latent=1, depth=0), H, 100_000)
    score = row_gradients(VAE(latent=1, depth=0, objective=ELBO(estimator="reinforce", draws=8)), H, 100_000, 1)
    for j in range(2):
        error = math.hypot(float(path[:, j].std()), float(score[:, j].std())) / math.sqrt(100_000)
        assert abs(float((path[:, j] - score[:, j]).mean())) < 5 * error


def test_doubly_reparameterized_gradients_have_the_mean_of_the_others_and_less_noise() -> None:
    """T12 (Tucker et al., 2018): at the exact posterior nothing of the noise is left."""
    plain = row_gradients(VAE(latent=1, depth=0, objective=IWAE(k=8)), H, 50_000)
    doubly = row_gradients(VAE(latent=1, depth=0, objective=IWAE(k=8, dreg=True)), H, 50_000, 1)
    for j in range(2):
        error = math.hypot(float(plain[:, j].std()), float(doubly[:, j].std())) / math.sqrt(50_000)
        assert abs(float((plain[:, j] - doubly[:, j]).mean())) < 5 * error
        assert float(doubly[:, j].std()) < float(plain[:, j].std())
    exact = torch.tensor([[MEAN, math.log(SPREAD)]], dtype=torch.float64)
    assert float(row_gradients(VAE(latent=1, depth=0, objective=IWAE(k=8, dreg=True)), exact, 10).abs().max()) < 1e-12


@pytest.mark.parametrize("dreg", [False, True])
def test_the_logged_bound_is_the_logarithm_of_the_mean_weight(dreg: bool) -> None:
    """T12: not the sum of the normalized weights times the logarithms."""
    family = VAE(latent=1, depth=0, objective=IWAE(k=5, dreg=dreg))
    nets = ppca(posterior=False)
    loss = loss_of(family, nets, points(1))
    eps = torch.randn(5, 1, generator=rng(0), dtype=torch.float64)
    log_w = LINEAR.log_likelihood(nets, points(5), eps, no_condition(eps))  # the encoder is the prior
    weighted = float((log_w.softmax(0) * log_w).sum())
    assert float(loss.value) == pytest.approx(-float(log_w.logsumexp(0)) + math.log(5), rel=1e-9)
    assert abs(float(loss.value) + weighted) > 0.05
    assert float(loss.terms["negative_elbo_nats"]) == pytest.approx(-float(log_w.mean()), rel=1e-9)


def test_after_its_warm_up_the_loss_is_the_elbo() -> None:
    """T13."""
    nets = ppca(posterior=True)
    plain = loss_of(LINEAR, nets, points(50))
    warm = VAE(latent=1, depth=0, objective=ELBO(warm_up=0.25))
    done = loss_of(warm, nets, points(50), step=25, total=100)
    assert torch.equal(done.value, plain.value)
    assert torch.equal(done.terms["negative_elbo_nats"], plain.value)
    first = loss_of(warm, nets, points(50), step=0, total=100)
    assert torch.equal(first.value, plain.terms["distortion_nats"])
    assert first.name == done.name != plain.name  # what is descended on meanwhile is no bound, and not called one


def test_beta_weighs_the_divergence() -> None:
    """T13."""
    nets = ppca(posterior=True)
    plain, heavy = (loss_of(family, nets, points(9)) for family in (LINEAR, VAE(latent=1, objective=ELBO(beta=4))))
    assert float(heavy.value) == pytest.approx(float(plain.terms["distortion_nats"] + 4 * plain.terms["kl_nats"]))
    assert "beta = 4" in VAE(objective=ELBO(beta=4)).notes[0]
    assert VAE().notes == ()


def refined(nets: Nets, x: Tensor, noise: Noise, steps: int) -> Tensor:
    """The numbers of the posterior that was fitted to each row."""
    scorer = LINEAR.scorer(nets, ImportanceOptions(refine=steps))
    assert isinstance(scorer, SemiAmortizedBound)
    state = scorer.init((x, no_condition(x)), noise)
    for k in range(steps):
        state = scorer.step(state, torch.full((len(x),), k), noise)
    return state[3]


def test_refinement_reaches_the_exact_posterior() -> None:
    """T14."""
    h = refined(ppca(posterior=False), points(3), Noise.rows(0, 3), 300)
    assert h[:, 0].numpy() == pytest.approx(MEAN, abs=1e-3)
    assert h[:, 1].exp().numpy() == pytest.approx(SPREAD, abs=1e-3)


def test_refinement_closes_the_gap_it_tells() -> None:
    """T14, T03: also where an engine has turned gradients off."""
    nets, noise, options = ppca(posterior=False), Noise.rows(0, 2000), ImportanceOptions(k=2, refine=200)
    with torch.inference_mode():
        x = points(2000).clone()
        answer = LINEAR.log_prob(nets, x, no_condition(x), noise, options)
    assert answer.kind == "lower_bound"
    assert answer.value.numpy() == pytest.approx(LOG_P, abs=1e-2)
    assert z_score(answer.terms["amortization_gap_nats"], GAP) < 5


@pytest.mark.parametrize("steps", [1, 5, 50])
def test_a_posterior_that_cannot_gain_loses_nothing_by_few_steps(steps: int) -> None:
    """Each step is some widths of it long; rounding is slope enough."""
    nets, x = ppca(posterior=True, variance=1e-3).float(), points(200).float()
    amortized, answer = (
        LINEAR.log_prob(nets, x, no_condition(x), Noise.rows(0, 200), ImportanceOptions(refine=n)) for n in (0, steps)
    )
    assert float((answer.value - amortized.value).min()) > -0.1
    assert float(answer.terms["amortization_gap_nats"].mean()) > -0.01


def test_refinement_of_a_row_does_not_depend_on_its_batch_mates() -> None:
    nets, x = ppca(posterior=False), torch.linspace(-2, 2, 10, dtype=torch.float64).view(5, 2)
    together = refined(nets, x, Noise.rows(0, 5), 20)
    alone = refined(nets, x[3:4], Noise.rows(0, 1, start=3), 20)
    assert together[3].numpy() == pytest.approx(alone[0].numpy(), rel=1e-9)


POSTERIORS = [
    DiagonalPosterior(),
    CholeskyPosterior(),
    FlowPosterior(scheme="coupling", features=3, width=8),
    FlowPosterior(scheme="inverse_autoregressive", features=3, width=8, transform=Spline()),
]


@pytest.mark.parametrize("prior", [Standard(), FlowPrior(width=8)], ids=["standard", "flow"])
@pytest.mark.parametrize("posterior", POSTERIORS, ids=["diagonal", "cholesky", "realnvp", "iaf"])
def test_weights_under_every_posterior_have_the_mean_of_the_prior(posterior: Posterior, prior: Standard) -> None:
    """T05: E_q p(x, z) / q(z|x) = E_p p(x|z), which also says that log q is the density of the draws."""
    family = VAE(latent=2, depth=1, width=6, posterior=posterior, prior_codes=prior, likelihood=Gaussian(scale=1.0))
    nets = family.build(PLANE).double().requires_grad_(False)
    for seed, name in enumerate(sorted(nets.keys() - {"scale"})):
        scrambled(
            nets[name], std=0.1 if name == "encoder" else 0.2, seed=seed
        )  # near the prior: weights without a tail
    n = 300
    x, noise, options = points(n), Noise.rows(0, n), ImportanceOptions(k=100)
    weights = family.log_prob(nets, x, no_condition(x), noise, options).value.exp()
    e = torch.randn(50_000, 2, generator=rng(5), dtype=torch.float64)
    z = prior.push(nets, e, no_condition(e))
    p = family.log_likelihood(nets, points(len(z)), z, no_condition(z)).exp()
    error = math.hypot(float(weights.std()) / math.sqrt(n), float(p.std()) / math.sqrt(len(p)))
    assert abs(float(weights.mean() - p.mean())) < 5 * error


class Composed(nn.Module):
    """A decoder of the base's codes: g(f^{-1}(e))."""

    def __init__(self, decoder: nn.Module, flow: nn.Module) -> None:
        super().__init__()
        self.decoder, self.flow = decoder, flow

    def forward(self, e: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.flow.inverse(e))
        return out


@pytest.mark.parametrize("transform", [Affine(), Spline()], ids=["affine", "spline"])
def test_a_flow_in_the_prior_is_a_flow_in_the_posterior(transform: Transform) -> None:
    """T11: the same draws give the same integrand, codes and reconstructions."""
    flow = {"transform": transform, "scheme": "coupling", "width": 8}
    in_prior = VAE(latent=2, depth=1, width=8, prior_codes=FlowPrior.model_validate(flow))
    in_posterior = VAE(latent=2, depth=1, width=8, posterior=FlowPosterior.model_validate(flow | {"features": 0}))
    nets = in_prior.build(PLANE).double().requires_grad_(False)
    scrambled(nets["prior"])
    others = Nets(
        PLANE,
        encoder=nets["encoder"],
        decoder=Composed(nets["decoder"], nets["prior"]),
        scale=nets["scale"],
        posterior=nets["prior"],
    )
    x = torch.randn(20, 2, generator=rng(1), dtype=torch.float64)
    noise, options = Noise.rows(3, 20), ImportanceOptions(k=3)
    first = in_prior.log_prob(nets, x, no_condition(x), noise, options).value
    second = in_posterior.log_prob(others, x, no_condition(x), noise, options).value
    assert first.numpy() == pytest.approx(second.numpy(), rel=1e-6)
    e = in_prior.encode(nets, x, no_condition(x))
    assert e.numpy() == pytest.approx(in_posterior.encode(others, x, no_condition(x)).numpy(), rel=1e-6)
    back, same = in_prior.decode(nets, e, no_condition(x)), in_posterior.decode(others, e, no_condition(x))
    assert back.numpy() == pytest.approx(same.numpy(), rel=1e-5)


def test_codes_of_a_flow_prior_are_those_of_its_base() -> None:
    family = VAE(latent=2, depth=1, width=8, prior_codes=FlowPrior(width=8, scheme="autoregressive"))
    nets = family.build(PLANE).double().requires_grad_(False)
    scrambled(nets["prior"])
    x = torch.randn(4, 2, generator=rng(1), dtype=torch.float64)
    mu = family.infer(nets, x, no_condition(x))[:, :2]
    decoded = family.decode(nets, family.encode(nets, x, no_condition(x)), no_condition(x))
    assert decoded.numpy() == pytest.approx(nets.spec.denormalize(nets["decoder"](mu)).numpy(), rel=1e-5)


def test_a_condition_shifts_data_and_posterior_alike() -> None:
    """T01 with x = W z + A c + sigma eps: the bound at the exact posterior is log p(x|c)."""
    spec = DataSpec(shape=(2,), condition=Labels(n_classes=2))
    shift = torch.tensor([[1.0, -2.0], [0.3, 4.0]], dtype=torch.float64)  # A
    nets = LINEAR.build(spec).double().requires_grad_(False)
    told = ppca(posterior=True)
    w, gain = (told[name].layers[-1].weight for name in ("decoder", "encoder"))
    set_affine(nets["decoder"], torch.cat([w, shift], 1).tolist(), [0.0, 0.0])
    set_affine(nets["encoder"], torch.cat([gain, -gain @ shift], 1).tolist(), [0.0, math.log(SPREAD)])
    nets["scale"].value.fill_(0.5 * math.log(VARIANCE))
    label = torch.tensor([[0.0], [1.0], [1.0]])
    c = Labels(n_classes=2).code(label).double()
    x = points(3) + c @ shift.T
    answer = LINEAR.log_prob(nets, x, c, Noise.rows(0, 3), ImportanceOptions(k=2))
    assert answer.value.numpy() == pytest.approx(LOG_P, abs=1e-7)
    drawn = sample(
        LINEAR.sampler(nets.float(), LINEAR.SampleOptions()), Noise.rows(0, 50_000), c[:1].float().expand(50_000, 2)
    )
    assert drawn.mean(0).numpy() == pytest.approx(shift[:, 0].numpy(), abs=0.03)


def test_a_linear_vae_learns_the_covariance_of_probabilistic_pca() -> None:
    """T16: the marginal covariance W W^T + sigma^2 I goes to the fit of Tipping and Bishop (1999)."""
    mixing = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.4, 0.0], [-0.5, 0.2, 0.3]], dtype=torch.float64)
    x = torch.randn(400, 3, generator=rng(0), dtype=torch.float64) @ mixing.T
    x = x - x.mean(0)
    value, vector = torch.linalg.eigh(x.T @ x / len(x))
    noise = value[:2].mean()
    fit = (value[2] - noise) * vector[:, 2:] @ vector[:, 2:].T + noise * torch.eye(3, dtype=torch.float64)
    nets = LINEAR.build(DataSpec(shape=(3,))).double()
    nets["scale"].value.data.fill_(0.0)  # narrow noise first would make the way long
    adam = torch.optim.Adam(nets.parameters(), lr=0.05)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 400)
    for step in range(400):
        adam.zero_grad()
        loss_of(LINEAR, nets, x, seed=step).value.backward()
        adam.step()
        decay.step()
    w, _ = (p.detach() for p in nets["decoder"].parameters())
    learned = w @ w.T + (2 * nets["scale"]().detach()).exp() * torch.eye(3, dtype=torch.float64)
    assert learned.numpy() == pytest.approx(fit.numpy(), abs=0.03)


SQUARES = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))


@pytest.mark.parametrize(
    "likelihood",
    [Gaussian(scale="per_element"), Categorical(), DiscretizedLogistic(components=2)],
    ids=lambda likelihood: likelihood.likelihood,
)
@pytest.mark.parametrize("network", ["auto", "perceptron"])
def test_a_decoder_tells_each_element_what_its_likelihood_reads(
    likelihood: ConditionalLikelihood, network: str
) -> None:
    family = VAE.model_validate({"latent": 3, "width": 8, "likelihood": likelihood, "network": network})
    nets, noise = family.build(SQUARES), Noise.rows(0, 5)
    x = sample(family.sampler(nets, family.SampleOptions()), noise)
    assert x.shape == (5, 1, 8, 8)
    x = SQUARES.quantize(x)
    answer = family.log_prob(nets, x, no_condition(x), noise, ImportanceOptions(k=2))
    assert answer.value.isfinite().all()
    assert family.decode(nets, torch.zeros(2, 3), torch.empty(2, 0)).shape == (2, 1, 8, 8)
    loss = loss_of(family, nets, x)
    assert loss.trains == ("encoder", "decoder")
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss.value, list(nets["decoder"].parameters())))


def test_what_a_code_tells_adds_up() -> None:
    """T09, on the card; where the posterior is no diagonal normal, units in use only."""
    family = VAE(latent=3, width=8)
    x, noise = torch.randn(200, 2, generator=rng(0)), Noise.rows(0, 200)
    metrics = family.diagnose(family.build(PLANE).requires_grad_(False), x, no_condition(x), noise)
    parts = metrics["mutual_information_nats"] + metrics["marginal_kl_nats"]
    assert metrics["average_kl_nats"] == pytest.approx(parts, abs=1e-9)
    assert 0 <= metrics["active_units"] <= 3
    flow = VAE(latent=3, width=8, posterior=FlowPosterior(width=8))
    assert set(flow.diagnose(flow.build(PLANE).requires_grad_(False), x, no_condition(x), noise)) == {"active_units"}


class Stretched(nn.Module):
    """A flow prior of narrow codes."""

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return 1000 * z, z.new_full((len(z),), z.shape[1] * math.log(1000))


def test_units_in_use_are_those_of_the_base_of_the_prior() -> None:
    """A flow prior leaves the scale of z free."""
    family = VAE(latent=3, width=8, prior_codes=FlowPrior(width=8))
    nets, x = family.build(PLANE).requires_grad_(False), torch.zeros(200, 2)
    nets["encoder"] = Table(1e-3 * torch.randn(200, 6, generator=rng(0)) * torch.tensor([1, 1, 0, 1, 1, 1]))
    nets["prior"] = Stretched()
    assert family.diagnose(nets, x, no_condition(x), Noise.rows(0, 200)) == {"active_units": 2}


def test_a_perceptron_reads_images_no_convolution_covers() -> None:
    spec = DataSpec(shape=(1, 40, 40))
    nets = VAE(latent=2, width=8, network="perceptron").build(spec)
    assert nets["encoder"](torch.zeros(3, 1, 40, 40)).shape == (3, 4)
    assert nets["decoder"](torch.zeros(3, 2)).shape == (3, 1, 40, 40)


def test_a_run_of_an_earlier_release_builds_the_networks_it_was_saved_with() -> None:
    run = {
        "family": {"family": "vae", "latent": 4, "width": 8, "depth": 2, "likelihood": {"likelihood": "gaussian"}},
        "data": {"source": "two_moons"},
    }
    nets = Run.model_validate(run).family.build(PLANE)
    assert list(nets) == ["encoder", "decoder", "scale"]
    assert float(nets["scale"]().detach()) == -2


@pytest.mark.parametrize("objective", [{"objective": "iwae", "dreg": True}, {"estimator": "reinforce", "draws": 4}])
def test_gradients_that_ask_for_a_density_refuse_a_flow_posterior(objective: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="diagonal or cholesky"):
        VAE.model_validate({"objective": {"objective": "elbo"} | objective, "posterior": {"posterior": "flow"}})


def test_reinforce_wants_draws_for_its_baseline() -> None:
    with pytest.raises(ValidationError, match="draws of at least 2"):
        ELBO(estimator="reinforce")


def test_a_full_covariance_of_many_dimensions_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 128"):
        VAE(latent=200, posterior=CholeskyPosterior())


def test_the_decoder_mean_of_linear_weights_is_the_one_of_the_model() -> None:
    nets = ppca(posterior=True)
    z = torch.tensor([[2.0]], dtype=torch.float64)
    assert LINEAR.decode(nets, z, no_condition(z)).tolist() == [[2 * W[0], 2 * W[1]]]


def test_the_largest_tensor_of_a_row_is_what_tells_its_pixels_or_its_posterior() -> None:
    assert VAE(likelihood=Categorical()).row_size(SQUARES) == 17 * 64
    assert VAE(latent=128, posterior=CholeskyPosterior()).row_size(SQUARES) == 128 * 131 // 2
