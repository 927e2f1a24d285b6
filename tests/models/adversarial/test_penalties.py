"""Penalties and their kernels against closed forms (float64)."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Generator, Tensor

from pushforward.models.adversarial.games import NonSaturating, Wasserstein
from pushforward.models.adversarial.kernels import IMQ, RBF, Distance, Kernel
from pushforward.models.adversarial.penalties import MMD, Adversarial, Divergence, Sliced
from pushforward.models.adversarial.regularizers.weights import WeightClipping
from pushforward.models.families.wae import WAE
from pushforward.models.geometry.distances import squared_distances
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.spec.data_spec import DataSpec

KERNELS = (IMQ(), RBF(), Distance())


def rng(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def normal(n: int, d: int, seed: int, mean: float = 0.0) -> Tensor:
    return mean + torch.randn(n, d, generator=rng(seed), dtype=torch.float64)


def draws(kernel: Kernel, mean: float, *, n: int = 40, repeats: int = 400) -> Tensor:
    """The U-statistic of N(0, 1) and N(mean, 1), many times."""
    penalty = MMD(kernel=kernel)
    return torch.stack(
        [penalty.value(normal(n, 1, 2 * i), normal(n, 1, 2 * i + 1, mean), none(n), rng(0)) for i in range(repeats)]
    )


def none(n: int) -> Tensor:
    """C of n rows without a condition."""
    return torch.empty(n, 0, dtype=torch.float64)


def batch(n: int) -> Batch:
    return Batch(torch.zeros(n, 1), none(n), rng(0), 0, 1, torch.arange(n))


def with_critic(penalty: Adversarial, latent: int) -> Nets:
    none = torch.nn.Identity()
    nets = Nets(DataSpec(shape=(2,)), encoder=none, decoder=none)
    penalty.add_critic(nets, latent)
    return nets


def z_score(values: Tensor, mean: float) -> float:
    return abs(float((values.mean() - mean) / (values.std() / math.sqrt(len(values)))))


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.kernel)
def test_the_discrepancy_of_equal_distributions_is_zero_on_average_and_may_be_negative(kernel: Kernel) -> None:
    """T50."""
    values = draws(kernel, 0.0)
    assert z_score(values, 0.0) < 5
    assert float(values.min()) < 0


def test_the_discrepancy_of_shifted_gaussians_is_its_closed_form() -> None:
    """T50: 2 (1 - exp(-1/6)) / sqrt(3)."""
    exact = 2 / math.sqrt(3) * (1 - math.exp(-1 / 6))
    assert exact == pytest.approx(0.17726763, abs=1e-8)
    assert z_score(draws(RBF(), 1.0), exact) < 5


def test_the_distance_kernel_measures_the_energy_distance() -> None:
    """T50, T49: 2 E|X - Y| - E|X - X'| - E|Y - Y'| = .54180658."""
    assert z_score(draws(Distance(), 1.0), 0.54180658) < 5


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.kernel)
def test_the_discrepancy_with_its_diagonal_is_never_negative(kernel: Kernel) -> None:
    """T50: kernels are positive definite."""
    x, y = normal(20, 3, 0), normal(20, 3, 1)
    v = kernel.matrix(x, x).mean() + kernel.matrix(y, y).mean() - 2 * kernel.matrix(x, y).mean()
    assert float(v) >= 0
    assert float(torch.linalg.eigvalsh(kernel.matrix(x, x)).min()) > -1e-9


def test_the_u_statistic_is_the_sum_over_distinct_pairs() -> None:
    z, prior, n, kernel = normal(4, 2, 0), normal(4, 2, 1), 4, IMQ()

    def k(a: Tensor, b: Tensor) -> float:
        square = float(((a - b) ** 2).sum())
        return sum(4 * s / (4 * s + square) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    expected = sum(k(z[i], z[j]) + k(prior[i], prior[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    expected -= 2 * sum(k(a, b) for a in z for b in prior) / n**2
    assert float(MMD(kernel=kernel).value(z, prior, none(n), rng(0))) == pytest.approx(expected, rel=1e-9)


def test_distances_are_exact_and_their_gradients_finite_where_points_coincide() -> None:
    x = normal(5, 3, 0).requires_grad_()
    assert squared_distances(x, x).detach().numpy() == pytest.approx(
        torch.cdist(x, x).square().detach().numpy(), abs=1e-9
    )
    for kernel in KERNELS:
        (gradient,) = torch.autograd.grad(kernel.matrix(x, x).sum(), x)
        assert bool(gradient.isfinite().all())


def test_sliced_is_the_wasserstein_distance_on_the_line() -> None:
    """For a shift of the same points, W_2^2 is the shift's square; over directions in D dimensions, that over D."""
    z = normal(50, 1, 0)
    assert float(Sliced().value(z, z.flip(0) + 0.7, none(50), rng(0))) == pytest.approx(0.49, rel=1e-9)
    z = normal(50, 4, 0)
    value = float(Sliced(directions=4096).value(z, z + 0.5, none(50), rng(0)))  # |shift|^2 = 1
    assert value == pytest.approx(1 / 4, rel=0.05)


def test_the_critic_of_codes_measures_the_wasserstein_distance() -> None:
    """The steepest critic of slope one tells a shift: E_P f - E_Q f = |m| = W1(P, Q)."""
    prior, z = normal(1000, 1, 0), normal(1000, 1, 0, mean=0.7)

    class Down(torch.nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return -z

    penalty, nets = Adversarial(game=Wasserstein()), Nets(DataSpec(shape=(1,)), critic=Down())
    (loss,) = penalty.critic_losses(nets, z, prior, batch(1000))
    assert float(loss.value.detach()) == pytest.approx(-0.7, rel=1e-9)  # no penalty: the slope is one everywhere
    encoder_pays = penalty.value(nets, z, prior, batch(1000))
    assert float(encoder_pays - prior.mean()) == pytest.approx(0.7, rel=1e-9)


def test_the_critic_of_codes_takes_each_step_on_its_own_part_of_the_batch() -> None:
    penalty = Adversarial(steps=3, width=8)
    nets, z = with_critic(penalty, 2), normal(10, 2, 0).float().requires_grad_()
    losses = list(penalty.critic_losses(nets, z, normal(10, 2, 1).float(), batch(10)))
    assert [(loss.name, loss.trains) for loss in losses] == [("critic", ("critic",))] * 3
    assert len({loss.value.item() for loss in losses}) == 3
    assert torch.autograd.grad(losses[0].value, z, allow_unused=True) == (None,)


def test_the_prior_is_real_to_the_critic_and_codes_are_fake() -> None:
    penalty = Adversarial(game=NonSaturating(), regularizers=())
    prior, z = torch.full((4, 1), 9.0), torch.full((4, 1), -9.0)

    class Up(torch.nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z

    nets = Nets(DataSpec(shape=(1,)), critic=Up())
    (right,), (wrong,) = (list(penalty.critic_losses(nets, *pair, batch(4))) for pair in ((z, prior), (prior, z)))
    assert right.value.item() < 0.01 < wrong.value.item()


def test_a_penalty_and_its_kernel_are_chosen_by_name() -> None:
    family = WAE.model_validate({"family": "wae", "penalty": {"penalty": "mmd", "kernel": {"kernel": "rbf"}}})
    assert family.penalty == MMD(kernel=RBF())
    assert WAE().penalty == MMD(kernel=IMQ())
    with pytest.raises(ValidationError):
        WAE.model_validate({"family": "wae", "penalty": {"penalty": "none"}})


def test_a_critic_of_codes_gives_each_one_score() -> None:
    assert with_critic(Adversarial(), 3)["critic"](normal(5, 3, 0).float()).shape == (5, 1)


def labels(n: int) -> Tensor:
    """Rows of two labels in turn, one-hot."""
    return torch.eye(2, dtype=torch.float64).repeat(n // 2, 1)


def test_the_discrepancy_given_conditions_is_its_sum_over_pairs_of_rows() -> None:
    kernel, n = RBF(length=1.3), 6
    z, prior, c = normal(n, 2, 0), normal(n, 2, 1), normal(n, 3, 2)

    def k(a: Tensor, b: Tensor) -> float:
        return math.exp(-float(((a - b) ** 2).sum()) / (2 * 1.3**2))

    total = 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                of_rows = k(z[i], z[j]) + k(prior[i], prior[j]) - k(z[i], prior[j]) - k(prior[i], z[j])
                total += math.exp(-float(((c[i] - c[j]) ** 2).sum()) / 2) * of_rows
    value = float(MMD(kernel=kernel).value(z, prior, c, rng(0)))
    assert value == pytest.approx(total / (n * (n - 1)), rel=1e-9)


@pytest.mark.parametrize("means", [(0.0, 0.0), (0.9, 0.9), (0.6, -0.6)])
def test_the_discrepancy_given_labels_has_its_closed_form_in_the_mean(means: tuple[float, float]) -> None:
    """For N(m_l, 1) against N(0, 1) and exp(-d^2 / 2): <mu_a, mu_b> = exp(-(a - b)^2 / 6) / sqrt(3)."""
    n, repeats = 40, 400

    def product(a: float, b: float) -> float:
        return math.exp(-((a - b) ** 2) / 6) / math.sqrt(3)

    def away(a: float, b: float) -> float:
        """<mu_a - mu_0, mu_b - mu_0>."""
        return product(a, b) - product(a, 0) - product(0, b) + product(0, 0)

    alike, other = (n / 2 - 1) / (n - 1), n / 2 / (n - 1)  # shares of pairs, the labels being fixed
    expected = alike * sum(away(m, m) for m in means) / 2 + other * math.exp(-1) * away(*means)
    shift = labels(n) @ torch.tensor(means, dtype=torch.float64)[:, None]
    values = torch.stack([
        MMD(kernel=RBF()).value(normal(n, 1, 2 * i) + shift, normal(n, 1, 2 * i + 1), labels(n), rng(0))
        for i in range(repeats)
    ])  # fmt: skip
    assert z_score(values, expected) < 5
    assert (float(values.min()) < 0) == (abs(means[0]) < 0.9)


@pytest.mark.parametrize("penalty", [MMD(), MMD(kernel=RBF()), Sliced()], ids=["imq", "rbf", "sliced"])
def test_codes_that_tell_the_label_are_penalized_though_all_of_them_follow_the_prior(penalty: Divergence) -> None:
    n = 1000
    c, side = labels(n), 2 * labels(n)[:, :1] - 1
    fair, prior = normal(n, 1, 0), normal(n, 1, 1)
    telling = side * normal(n, 1, 0).abs()  # N(0, 1) where labels are not looked at
    given = [float(penalty.value(z, prior, c, rng(0))) for z in (fair, telling)]
    overall = float(penalty.value(telling, prior, none(n), rng(0)))
    assert given[1] > 10 * max(abs(given[0]), abs(overall))


def test_the_critic_of_codes_sees_their_condition() -> None:
    """The mean of |z| of a normal is sqrt(2 / pi): a critic of slope one that knows the side finds it."""
    n = 1000
    c, side, e = labels(n), 2 * labels(n)[:, :1] - 1, normal(n, 1, 0)

    class KnowsTheSide(torch.nn.Module):
        def forward(self, told: Tensor) -> Tensor:
            z, c = told[:, :1], told[:, 1:]
            return -z * (2 * c[:, :1] - 1)

    penalty, nets = Adversarial(game=Wasserstein(), regularizers=(WeightClipping(),)), Nets(DataSpec(shape=(2,)))
    nets["critic"] = KnowsTheSide()
    told = batch(n)._replace(c=c)
    (loss,) = penalty.critic_losses(nets, side * e.abs(), side * side.new_zeros(n, 1), told)
    assert float(loss.value) == pytest.approx(-float(e.abs().mean()), rel=1e-9)
    assert float(penalty.value(nets, side * e.abs(), e, told)) == pytest.approx(float(e.abs().mean()), rel=1e-9)
