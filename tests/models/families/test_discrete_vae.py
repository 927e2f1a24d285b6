"""The discrete autoencoder against sums over all its codes (float64)."""

import math

import pytest
import torch
from torch import Tensor

from pushforward.models.capabilities import capabilities
from pushforward.models.distributions.categorical import relaxed_codes
from pushforward.models.families.discrete_vae import DiscreteVAE, HardCodeOptions
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.variational.discrete_gradients import AnyEstimator, GumbelSoftmax, Reinforce, StraightThrough

N, K = 2, 3
LINE = DataSpec(shape=(2,))
SMALL = DiscreteVAE(codes=N, categories=K, width=8, depth=1)
WORDS = torch.eye(K, dtype=torch.float64)[torch.cartesian_prod(torch.arange(K), torch.arange(K))]  # (9, N, K)
X = torch.tensor([[0.3, -0.8], [1.2, 0.4], [-2.0, 0.1]], dtype=torch.float64)


def built(family: DiscreteVAE = SMALL, spec: DataSpec = LINE) -> Nets:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets = family.build(spec).double().requires_grad_(False)
    for weight in nets["encoder"].parameters():
        weight *= 2  # posteriors far from uniform
    next(iter(nets["decoder"].parameters()))[:, N * K :] *= 5  # labels that count
    nets["scale"].value.zero_()
    return nets


def exact(nets: Nets, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Log p(x|c) and the ELBO, (B,) each, over all nine words."""
    c = no_condition(X) if c is None else c
    log_pi = SMALL.posterior(nets, X, c)
    log_q = torch.einsum("bnk,wnk->bw", log_pi, WORDS)
    joint = torch.stack([SMALL.log_likelihood(nets, X, word.expand(len(X), -1, -1), c) for word in WORDS], 1)
    joint = joint - N * math.log(K)
    return joint.logsumexp(1), (log_q.exp() * (joint - log_q)).sum(1)


def batch(x: Tensor, c: Tensor | None = None) -> Batch:
    return Batch(x, no_condition(x) if c is None else c, torch.Generator().manual_seed(0), 0, 10, torch.arange(len(x)))


def scored(nets: Nets, k: int, repeats: int, c: Tensor | None = None) -> Tensor:
    """Bounds of k draws, (repeats, B), each with noise of its own."""
    x, noise = X.repeat(repeats, 1), Noise.rows(0, repeats * len(X))
    c = no_condition(x) if c is None else c.repeat(repeats, 1)
    return SMALL.log_prob(nets, x, c, noise, HardCodeOptions(k=k)).value.view(repeats, -1)


def test_one_draw_estimates_the_elbo_of_hard_codes() -> None:
    nets = built()
    log_p, elbo = exact(nets)
    assert bool((elbo < log_p).all())
    values = scored(nets, 1, 20_000)
    assert float(((values.mean(0) - elbo) / (values.std(0) / math.sqrt(20_000))).abs().max()) < 5


def test_the_bound_rises_to_the_likelihood_with_its_draws() -> None:
    nets = built()
    log_p, elbo = exact(nets)
    few, many = scored(nets, 8, 500).mean(0), scored(nets, 5000, 10).mean(0)
    assert bool((elbo < few).all())
    assert bool((few < many).all())
    assert torch.allclose(many, log_p, atol=0.02)


def test_the_bound_of_relaxed_codes_is_none() -> None:
    """A decoder that reconstructs from soft codes only lifts the relaxed objective above log p(x)."""
    nets = built()

    class OfSoftCodes(torch.nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            softness = 1 - (z.view(-1, N, K) ** 2).sum((1, 2)) / N  # 0 where codes are hard
            return 2 * softness[:, None] * X[:1]

    nets["decoder"] = OfSoftCodes()
    x = X[:1].repeat(4000, 1)
    log_pi = torch.zeros(4000, N, K, dtype=torch.float64).log_softmax(2)
    family = SMALL.model_copy(update={"estimator": GumbelSoftmax(warmest=2.0, coldest=2.0)})
    relaxed = family.estimator.expectation(
        lambda z: family.log_likelihood(nets, x, z, no_condition(x)), log_pi, torch.Generator().manual_seed(0), 0.0
    )
    log_p = family.log_likelihood(
        nets, X[:1], WORDS[:1], no_condition(X[:1])
    )  # the decoder does not tell hard codes apart
    assert float(relaxed.mean()) > float(log_p)


@pytest.mark.parametrize("estimator", [GumbelSoftmax(), StraightThrough(), Reinforce()])
def test_only_the_objective_of_hard_codes_is_called_an_elbo(estimator: AnyEstimator) -> None:
    family = SMALL.model_copy(update={"estimator": estimator})
    (loss,) = family.losses(built().requires_grad_(True), batch(X))
    assert (loss.name == "negative_elbo_nats") == (not estimator.relaxes)
    assert (len(family.notes) == 1) == estimator.relaxes
    assert torch.equal(loss.value, loss.terms["distortion_nats"] + loss.terms["kl_nats"])


@pytest.mark.parametrize("estimator", [StraightThrough(), Reinforce()])
def test_the_objective_of_hard_codes_is_the_elbo_in_the_mean(estimator: AnyEstimator) -> None:
    nets = built()
    family, repeats = SMALL.model_copy(update={"estimator": estimator}), 20_000
    _, elbo = exact(nets)
    (loss,) = family.losses(nets, batch(X.repeat(repeats, 1)))
    assert float(loss.value) == pytest.approx(-float(elbo.mean()), abs=0.05)


def test_codes_are_one_hot_and_the_most_probable() -> None:
    nets = built()
    z = SMALL.encode(nets, X, no_condition(X))
    assert z.shape == (3, N, K) == (3, *SMALL.latent_shape(LINE))
    assert torch.equal(z.argmax(2), SMALL.posterior(nets, X, no_condition(X)).argmax(2))
    assert torch.equal(z.sum(2), torch.ones(3, N).double())
    assert torch.equal(z, relaxed_codes(SMALL.posterior(nets, X, no_condition(X)), 1e-6).round())


def test_codes_of_the_prior_are_uniform_words() -> None:
    noise = Noise.rows(0, 9000)
    z = SMALL.prior(built(), noise, no_condition(noise))
    counts = torch.einsum("bnk,wnk->bw", z, WORDS.float()).eq(N).sum(0).double()
    assert float(((counts - 1000) / math.sqrt(1000 * 8 / 9)).abs().max()) < 5


def test_there_is_nothing_between_two_letters() -> None:
    assert capabilities(SMALL) == ("sample", "likelihood", "encode", "decode", "reconstruct")
    nets = built().float()
    assert sample(SMALL.sampler(nets, SMALL.SampleOptions()), Noise.rows(0, 4)).shape == (4, 2)


def test_its_diagnosis_takes_the_kl_apart() -> None:
    nets = built()
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = SMALL.diagnose(nets, x, no_condition(x), Noise.rows(0, 200))
    assert found["average_kl_nats"] == pytest.approx(found["mutual_information_nats"] + found["marginal_kl_nats"])
    assert 0 <= found["active_units"] <= N


def test_its_diagnosis_draws_codes_of_their_posteriors() -> None:
    """Rows that are all one: they tell nothing of themselves, and log q at a draw is minus an entropy on average."""
    nets, n = built(), 5000
    x, log_pi = X[:1].expand(n, -1), SMALL.posterior(nets, X[:1], no_condition(X[:1]))
    found = SMALL.diagnose(nets, x, no_condition(x), Noise.rows(0, n))
    mean = (log_pi.exp() * log_pi).sum(2)
    spread = float(((log_pi.exp() * log_pi**2).sum(2) - mean**2).sum().sqrt())
    assert found["mutual_information_nats"] == pytest.approx(0, abs=1e-9)
    expected = float(mean.sum()) + N * math.log(K)
    assert found["average_kl_nats"] == pytest.approx(expected, abs=5 * spread / math.sqrt(n))


TOLD = DataSpec(shape=(2,), condition=Labels(n_classes=2))
LABELS = torch.eye(2, dtype=torch.float64)[[0, 1, 0]]  # of the rows X, and the other one of each


@pytest.mark.parametrize("c", [LABELS, LABELS.flip(1)])
def test_given_a_label_the_bound_rises_to_the_likelihood_given_it(c: Tensor) -> None:
    nets = built(spec=TOLD)
    log_p, elbo = exact(nets, c)
    assert bool((elbo < log_p).all())
    assert float((log_p - exact(nets, c.flip(1))[0]).abs().min()) > 0.01  # the label counts
    one, many = scored(nets, 1, 20_000, c), scored(nets, 5000, 10, c).mean(0)
    assert float(((one.mean(0) - elbo) / (one.std(0) / math.sqrt(20_000))).abs().max()) < 5
    assert torch.allclose(many, log_p, atol=0.02)


@pytest.mark.parametrize("estimator", [StraightThrough(), Reinforce()])
def test_given_labels_the_objective_of_hard_codes_is_the_elbo_given_them_in_the_mean(estimator: AnyEstimator) -> None:
    nets, repeats = built(spec=TOLD), 20_000
    family = SMALL.model_copy(update={"estimator": estimator})
    _, elbo = exact(nets, LABELS)
    (loss,) = family.losses(nets, batch(X.repeat(repeats, 1), LABELS.repeat(repeats, 1)))
    assert float(loss.value) == pytest.approx(-float(elbo.mean()), abs=0.05)


def test_given_a_label_the_code_of_a_row_is_the_most_probable_given_it() -> None:
    nets = built(spec=TOLD)
    z = SMALL.encode(nets, X, LABELS)
    assert torch.equal(z.argmax(2), SMALL.posterior(nets, X, LABELS).argmax(2))
    assert not torch.equal(SMALL.decode(nets, z, LABELS), SMALL.decode(nets, z, LABELS.flip(1)))
