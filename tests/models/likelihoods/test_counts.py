"""Likelihoods of counts: from data units to masses, draws and gradients, and the VAE that has them."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from pushforward.models import Run, log_prob, sample, train
from pushforward.models.data.npy import Npy
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.families.autoregressive import Autoregressive
from pushforward.models.families.flow import Flow
from pushforward.models.families.gan import GAN
from pushforward.models.families.vae import VAE, ImportanceOptions
from pushforward.models.family import Family
from pushforward.models.form import form_of
from pushforward.models.likelihoods import Bernoulli, Binomial, Gaussian, NegativeBinomial, Poisson
from pushforward.models.likelihoods.base import ConditionalLikelihood
from pushforward.models.likelihoods.counts import CountLikelihood
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition
from tests.models.families.test_vae import set_affine

SPEC = DataSpec(shape=(3,), counts=True, shift=(0.7, 3.0, 12.0), scale=(0.5, 1.0, 2.0))
LIKELIHOODS = [Poisson(), NegativeBinomial()]
BOTH = pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda each: each.likelihood)
DISPERSION = torch.tensor([0.3, 0.01, 2.0], dtype=torch.float64)


def means(y: Tensor) -> Tensor:
    """The means that the decoder's output stands for, (B, 3)."""
    shift, scale = (torch.tensor(each, dtype=torch.float64) for each in (SPEC.shift, SPEC.scale))
    return torch.expm1(shift + scale.square() / 2) * y.exp()


@BOTH
def test_a_row_has_the_product_of_the_masses_of_its_elements(likelihood: CountLikelihood) -> None:
    y = torch.tensor([[0.2, -1.0, 0.5], [0.0, 0.0, -9.0]], dtype=torch.float64)
    x = torch.tensor([[0.0, 12.0, 5e6], [3.0, 40.0, 90.0]], dtype=torch.float64)
    mu, k, a = means(y).numpy(), x.numpy(), DISPERSION.numpy()
    of_each = (
        stats.poisson.logpmf(k, mu) if likelihood == Poisson() else stats.nbinom.logpmf(k, 1 / a, 1 / (1 + a * mu))
    )
    found = likelihood.log_prob(SPEC, x, y, DISPERSION.log())
    assert found.numpy() == pytest.approx(of_each.sum(1), rel=1e-7)
    assert likelihood.mean(SPEC, y).numpy() == pytest.approx(mu, rel=1e-12)


@BOTH
@pytest.mark.parametrize("held", [torch.float32, torch.float64])
def test_extreme_counts_and_rates_have_finite_values_and_gradients(
    likelihood: CountLikelihood, held: torch.dtype
) -> None:
    for k in (0.0, 1.0, 1e6, 2.0**24):
        for at in (-1e30, -60.0, 0.0, 15.0, 1e30):
            y = torch.full((1, 3), at, dtype=held, requires_grad=True)
            log_scale = torch.tensor([-99.0, 0.0, 99.0], dtype=held, requires_grad=True)
            value = likelihood.log_prob(SPEC, torch.full((1, 3), k, dtype=held), y, log_scale)
            gradients = torch.autograd.grad(value.sum(), (y, log_scale), allow_unused=True)
            assert value.isfinite().all()
            assert all(each is None or each.isfinite().all() for each in gradients)
            drawn = likelihood.draw(SPEC, y.detach(), log_scale.detach(), Noise.rows(0, 1))
            SPEC.check(drawn.numpy(), on_levels=True)


@BOTH
def test_draws_are_counts_of_the_right_mean_and_variance_and_of_their_row_alone(likelihood: CountLikelihood) -> None:
    n, y = 20_000, torch.tensor([0.3, -0.5, -8.0])
    x = likelihood.draw(SPEC, y.expand(n, 3), DISPERSION.log(), Noise.rows(3, n))
    SPEC.check(x.numpy(), on_levels=True)
    mu = means(y.double()[None])[0]
    variance = mu if likelihood == Poisson() else mu + DISPERSION * mu.square()
    assert (x.double().mean(0) - mu).abs().lt(5 * (variance / n).sqrt()).all()
    assert (x.double().var(0) / variance - 1).abs().lt(0.2).all()
    later = likelihood.draw(SPEC, y.expand(5, 3), DISPERSION.log(), Noise.rows(3, 5, start=100))
    assert torch.equal(later, x[100:105])


def test_networks_see_the_logarithm_of_one_more_and_samples_are_whole() -> None:
    x = torch.tensor([[0.0, 19.0, 1e6]], dtype=torch.float64)
    u = SPEC.normalize(x)
    assert u[0].tolist() == pytest.approx([-1.4, math.log(20) - 3, (math.log(1e6 + 1) - 12) / 2])
    assert SPEC.denormalize(u)[0].tolist() == pytest.approx(x[0].tolist())
    assert SPEC.quantize(torch.tensor([-0.7, 2.4, 1e9])).tolist() == [0.0, 2.0, 2.0**24]
    assert SPEC.normalize(torch.tensor([[-1.0, -1.0, -1.0]])).isfinite().all()
    with pytest.raises(ValueError, match="no density"):
        SPEC.log_jacobian  # noqa: B018
    with pytest.raises(ValueError, match="counts have no low"):
        DataSpec(shape=(2,), counts=True, low=0, high=9)


def linear(weight: list[float], bias: list[float]) -> tuple[VAE, Nets]:
    """A code of one dimension whose log-rates are linear in it; the posterior is about right."""
    spec = DataSpec(shape=(2,), counts=True, shift=(1.0,), scale=(1.0,))
    family = VAE(latent=1, depth=0, likelihood=Poisson())
    nets = family.build(spec).double().requires_grad_(False)
    set_affine(nets["decoder"], [[w] for w in weight], bias)
    set_affine(nets["encoder"], [[0.5, 0.2], [0.0, 0.0]], [0.0, -1.0])
    return family, nets


def test_the_bounds_of_a_poisson_with_linear_log_rates_rise_to_its_likelihood() -> None:
    """By quadrature over the code."""
    family, nets = linear([0.8, -0.4], [0.1, -0.6])
    x = torch.tensor([[0.0, 0.0], [5.0, 1.0], [30.0, 0.0]], dtype=torch.float64)
    z = torch.linspace(-9, 9, 4001, dtype=torch.float64)[:, None]
    prior = stats.norm.pdf(z[:, 0]) * 18 / 4000
    base = math.log(math.expm1(1.5))
    rates = np.exp(base + np.array([0.1, -0.6]) + z.numpy() * [0.8, -0.4])
    exact = np.log([(stats.poisson.pmf(row, rates).prod(1) * prior).sum() for row in x.numpy()])
    n = 400
    elbo = family.log_prob(
        nets, x.repeat(n, 1), no_condition(x.repeat(n, 1)), Noise.rows(0, 3 * n), ImportanceOptions(k=1)
    )
    below = elbo.value.view(n, 3).mean(0).numpy() - exact
    assert (below < -0.01).all()
    many = family.log_prob(nets, x, no_condition(x), Noise.rows(1, 3), ImportanceOptions(k=5000))
    assert many.std_error is not None
    assert ((many.value.numpy() - exact) < 5 * many.std_error.numpy()).all()
    assert many.value.numpy() == pytest.approx(exact, abs=0.1)


@pytest.mark.parametrize("family", [Flow(), Autoregressive()], ids=["flow", "autoregressive"])
def test_a_family_whose_likelihood_is_not_of_counts_is_refused_with_a_remedy(family: Family) -> None:
    with pytest.raises(
        InvalidData, match=r"train avb, discrete_vae, vae with .*poisson.* leave out data\.counts"
    ) as caught:
        form_of(family, SPEC)
    assert caught.value.field == "run.family"
    assert form_of(GAN(), SPEC) == GAN()


@pytest.mark.parametrize("likelihood", [Gaussian(), Bernoulli(), Binomial()])
def test_a_likelihood_that_is_not_of_counts_is_refused_with_a_remedy(likelihood: ConditionalLikelihood) -> None:
    with pytest.raises(InvalidData, match=r'\{"likelihood": "poisson"\} .* leave out data\.counts') as caught:
        VAE.model_validate({"likelihood": likelihood.model_dump()}).check(SPEC)
    assert caught.value.field == "run.family.likelihood"


@BOTH
def test_data_that_are_not_told_to_be_counts_are_refused_with_a_remedy(likelihood: CountLikelihood) -> None:
    with pytest.raises(InvalidData, match=r"give data\.counts true") as caught:
        likelihood.check(DataSpec(shape=(2,)))
    assert caught.value.field == "run.family.likelihood"


def counts(folder: Path, x: np.ndarray, **fields: object) -> DataSpec:
    np.save(folder / "x.npy", x)
    source = Npy.model_validate({"path": "x.npy", "counts": True, **fields})
    assert source.outline(folder).counts
    return source.spec(source.rows(folder))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_a_file_of_whole_numbers_is_normalized_by_the_logarithms_of_its_columns(tmp_path: Path, dtype: type) -> None:
    x = np.stack([np.arange(20), np.full(20, 7), np.arange(20) % 3], 1).astype(dtype)
    spec = counts(tmp_path, x)
    logs = np.log1p(x.astype(np.float64))
    assert (spec.counts, spec.levels, spec.low, spec.dtype, spec.constants) == (
        True,
        None,
        None,
        "float32",
        ((1, 7.0),),
    )
    assert [spec.shift[i] for i in (0, 2)] == pytest.approx(logs.mean(0)[[0, 2]])
    assert [spec.scale[i] for i in (0, 2)] == pytest.approx(logs.std(0)[[0, 2]])
    images = counts(tmp_path, x.reshape(20, 3, 1))
    assert (images.shape, images.shift) == ((1, 3, 1), (pytest.approx(logs.mean()),))


@pytest.mark.parametrize("wrong", [2.5, -1.0, 2.0**25])
def test_a_file_that_holds_no_counts_is_refused_by_the_first_number_that_is_none(tmp_path: Path, wrong: float) -> None:
    x = np.arange(40.0).reshape(20, 2)
    x[3, 1] = wrong
    with pytest.raises(InvalidData, match=rf"holds {wrong:.9g} in row 3, column 1; counts are whole numbers") as caught:
        counts(tmp_path, x)
    assert caught.value.field == "counts"


def test_counts_have_no_range(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(40).reshape(20, 2))
    with pytest.raises(InvalidData, match="leave these out") as caught:
        Npy(path="x.npy", counts=True, low=0, high=40).outline(tmp_path)
    assert caught.value.field == "counts"


MIXED = {False: (1.0, 30.0), True: (9.0, 10.0)}  # rates of two elements, in rows of two kinds


def mixture(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(np.where(rng.random(n)[:, None] < 0.5, MIXED[False], MIXED[True]))


def entropy() -> float:
    """Of the mixture of two pairs of rates, nats."""
    k = np.arange(100)
    joint = [np.outer(*(stats.poisson.pmf(k, rate) for rate in rates)) for rates in MIXED.values()]
    p = np.mean(joint, axis=0)
    return float(stats.entropy(p.flatten()))


@BOTH
def test_a_mixture_of_rates_is_learned_near_its_entropy_and_sampled_in_whole_numbers(
    likelihood: CountLikelihood, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", mixture(2000, rng))
    run = Run.model_validate(
        {
            "family": {"family": "vae", "latent": 1, "width": 16, "likelihood": likelihood.model_dump()},
            "data": {"source": "npy", "path": "x.npy", "counts": True},
            "budget": {"steps": 150},
            "optimizer": {"lr": 2e-2},
        }
    )
    model = train(run, tmp_path / "model", data_root=tmp_path)
    x = mixture(1000, rng)
    scored = log_prob(model, x)
    gap = float(scored.value.mean()) + entropy()
    assert -0.35 < gap < 0.15  # independent columns: -0.65
    metrics = model.card.metrics
    assert metrics["nats_above_independent_columns"] > 5 * metrics["nats_above_independent_columns_std_error"] > 0
    assert metrics["validation_bits_per_dim_upper_bound"] > 0
    drawn = sample(model, 500)
    assert torch.equal(drawn, drawn.round())
    assert drawn.mean(0).tolist() == pytest.approx([5.0, 20.0], rel=0.15)
    with pytest.raises(InvalidInput, match=r"holds 2\.5 in row 1, column 0; counts are whole numbers"):
        log_prob(model, [[1, 2], [2.5, 2]])


def test_other_families_sample_whole_numbers_of_counts(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", mixture(200, np.random.default_rng(0)))
    data = {"source": "npy", "path": "x.npy", "counts": True}
    run = {"family": {"family": "gan", "width": 8}, "data": data, "budget": {"steps": 3}}
    drawn = sample(train(Run.model_validate(run), tmp_path / "model", data_root=tmp_path), 50)
    assert torch.equal(drawn, drawn.round())
    assert (drawn >= 0).all()
