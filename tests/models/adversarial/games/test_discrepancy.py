"""Games in features: unbiased distances and their witnesses (float64)."""

import torch

from pushforward.models.adversarial.discrepancies import energy_distance, mmd2
from pushforward.models.adversarial.games import Cramer, MMDGame
from pushforward.models.adversarial.kernels import RBF, Distance, LinearKernel, RationalQuadraticKernel, SumKernel
from tests.models.adversarial.gaussians import some

X, Y = some(30, 3, seed=1), some(20, 3, seed=2) + 1


def test_the_energy_distance_is_the_discrepancy_of_the_distance_kernel() -> None:
    """T49, T50."""
    assert torch.allclose(energy_distance(X, Y), mmd2(Distance(), X, Y))


def test_the_energy_distance_of_gaussians_is_twice_cramers() -> None:
    """T49: 2 int (F - G)^2 = .54180658 for N(0, 1) and N(1, 1)."""
    values = torch.stack(
        [energy_distance(some(40, 1, seed=2 * i), some(40, 1, seed=2 * i + 1) + 1) for i in range(400)]
    )
    assert abs(values.mean() - 0.54180658) < 5 * values.std() / 20


def test_a_gradient_of_the_energy_distance_is_unbiased_where_that_of_w1_is_not() -> None:
    """T49: Bernoulli(p) against Bernoulli(t): d/dt E[energy] = 4 (t - p) in the mean of samples; W1's is biased."""
    p, t, n = 0.3, 0.5, 4
    rng = torch.Generator().manual_seed(0)
    x = torch.bernoulli(torch.full((20000, n), p, dtype=torch.float64), generator=rng)
    share = x.mean(1)
    energy_slope = 2 * ((1 - share) - share) - 2 * (1 - 2 * t)  # d/dt of 2 E|x - y| - E|y - y'|, x the sample
    exact = 4 * (t - p)
    assert abs(energy_slope.mean() - exact) < 5 * energy_slope.std() / 20000**0.5
    w1_slope = torch.sign(t - share)  # of |share - t|
    assert abs(w1_slope.mean() - 1.0) > 20 * w1_slope.std() / 20000**0.5


def test_the_critics_of_mmd_climbs_what_its_generator_descends() -> None:
    game = MMDGame(kernel=RBF())
    assert torch.equal(game.critic_loss(X, Y), -game.generator_loss(Y, X))
    assert torch.equal(game.generator_loss(Y, X), mmd2(RBF(), X, Y))


def test_the_witness_of_mmd_is_the_difference_of_mean_kernels() -> None:
    witness = MMDGame(kernel=RBF()).witness(X[:2], X, Y)
    k = RBF()
    assert torch.allclose(witness[0, 0], k.matrix(X[:1], X).mean() - k.matrix(X[:1], Y).mean())


def test_without_the_surrogate_the_critic_climbs_the_energy_distance() -> None:
    assert torch.equal(Cramer(surrogate=False).critic_loss(X, Y), -energy_distance(X, Y))


def test_the_surrogate_compares_real_rows_one_at_a_time() -> None:
    """f(x) = E |h(x) - h(x')| - |h(x)|: the loss of all real rows is the mean of their losses alone."""
    game = Cramer()
    alone = torch.stack([game.critic_loss(X[i : i + 1], Y) for i in range(len(X))])
    assert torch.allclose(game.critic_loss(X, Y), alone.mean())
    assert game.critic_loss(X, Y) < 0 < game.generator_loss(Y, X)


def test_the_surrogate_is_half_the_energy_distance_but_for_what_the_real_rows_have_of_their_own() -> None:
    """E_p f - E_q f = E|x - x'| - E|x' - x''| - E|x| + E|x'|, of features."""
    of_real = torch.cdist(X, Y).mean() - X.norm(dim=1).mean()
    within = torch.cdist(Y, Y)
    of_fake = within.sum() / (20 * 19) - Y.norm(dim=1).mean()
    assert torch.allclose(Cramer().critic_loss(X, Y), of_fake - of_real)


def test_a_single_row_has_no_pairs_and_no_loss() -> None:
    for game in (MMDGame(), Cramer(surrogate=False)):
        assert game.critic_loss(X[:1], Y[:1]) == 0


def test_kernels_add_up() -> None:
    parts = (RationalQuadraticKernel(length=2.0, powers=(0.5,)), LinearKernel())
    total = sum(part.matrix(X, Y) for part in parts)
    assert torch.allclose(SumKernel(kernels=parts).matrix(X, Y), torch.as_tensor(total))
    d2 = ((X[0] - Y[0]) ** 2).sum()
    assert torch.allclose(parts[0].matrix(X[:1], Y[:1])[0, 0], (1 + d2 / (2 * 0.5 * 4)) ** -0.5)
    assert torch.allclose(parts[1].matrix(X, Y), X @ Y.T)


def test_a_rational_quadratic_of_a_great_power_is_a_gaussian_bump() -> None:
    near = RationalQuadraticKernel(powers=(1e6,)).matrix(X, Y)
    assert torch.allclose(near, RBF().matrix(X, Y), atol=1e-5)
