"""Flow matching against Gaussians, whose fields and flows have closed forms."""

from math import log, pi

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.capabilities import capabilities
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.families.flow_matching import FlowMatching
from pushforward.models.flows.options import MatchingLikelihoodOptions, MatchingSampleOptions, MatchingSolverOptions
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.paths.couplings import Independent, MinibatchOT
from pushforward.models.paths.guidance import dropped
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.mapping import apply
from pushforward.models.stepwise.sampling import sample

M, S = 0.8, 0.4
LINE = DataSpec(shape=(1,))
PLANE = DataSpec(shape=(2,), shift=(1.0, -1.0), scale=(2.0, 0.5))
DIGITS = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, n_classes=10, shift=(8.0,), scale=(8.0,))
TINY = FlowMatching(width=8, depth=1)
NONE = torch.zeros(5, 0)


def column(t: Tensor, x: Tensor) -> Tensor:
    return t.view(-1, *[1] * (x.ndim - 1))


class ToGaussian(nn.Module):
    """E[x_1 - x_0 | x_t] for data N(m, s^2 I) paired independently; c shifts the mean by its first element."""

    def __init__(self, m: float = M, s: float = S) -> None:
        super().__init__()
        self.m, self.s = m, s

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        t, s = column(t, x), self.s
        m = self.m if c is None else self.m + c[:, :1]
        return m + (t * s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * s**2) * (x - t * m)


class ToGaussianByTransport(nn.Module):
    """The same where each noise goes to its optimal place, m + s x_0."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        t = column(t, x)
        return M + (S - 1) * (x - t * M) / (1 - t + t * S)


class Still(nn.Module):
    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        return torch.zeros_like(x)


def reals(n: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch(x: Tensor, c: Tensor | None = None, seed: int = 0) -> Batch:
    c = x.new_zeros(len(x), 0) if c is None else c
    return Batch(x, c, torch.Generator().manual_seed(seed), 0, 10, torch.arange(len(x)))


def told(field: nn.Module) -> Nets:
    return Nets(LINE.model_copy(update={"condition": Labels(n_classes=2)}), velocity=field)


def test_it_samples_scores_and_walks_both_ways() -> None:
    assert capabilities(FlowMatching) == ("sample", "likelihood", "encode", "decode", "reconstruct", "interpolate")


@pytest.mark.parametrize("solver", ["rk4", "adaptive"])
def test_the_field_of_independent_pairs_carries_noise_to_its_quantile(solver: str) -> None:
    """T70: x_1 = m + s x_0."""
    nets, z = Nets(LINE, velocity=ToGaussian()), reals(5, 1)
    tolerance = {"tolerance": 1e-6} if solver == "adaptive" else {}
    options = MatchingSolverOptions.model_validate({"solver": solver, "steps": 400} | tolerance)
    x = apply(FlowMatching().decoder(nets, options), z, NONE.double())
    torch.testing.assert_close(x, M + S * z, rtol=0, atol=1e-9 if solver == "rk4" else 1e-5)


@pytest.mark.parametrize("solver", ["euler", "heun", "rk4"])
def test_a_tolerance_without_the_adaptive_solver_is_refused(solver: str) -> None:
    with pytest.raises(ValueError, match=f"tolerance belongs to the solver adaptive; leave it out for {solver}"):
        MatchingSolverOptions.model_validate({"solver": solver, "tolerance": 1e-3})


def test_the_field_of_transported_pairs_is_straight_one_step_of_euler_is_exact() -> None:
    """T70: u = m + (s - 1) (x - t m) / (1 - t + t s) is constant along its paths."""
    nets, z = Nets(LINE, velocity=ToGaussianByTransport()), reals(5, 1)
    once = MatchingSolverOptions(solver="euler", steps=1)
    torch.testing.assert_close(apply(FlowMatching().decoder(nets, once), z, NONE.double()), M + S * z)
    bent = apply(FlowMatching().decoder(Nets(LINE, velocity=ToGaussian()), once), z, NONE.double())
    assert (bent - (M + S * z)).abs().max() > 0.1


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_solvers_have_their_order(solver: str, order: int) -> None:
    nets, z = Nets(LINE, velocity=ToGaussian()), reals(20, 1)
    errors = []
    for steps in (100, 200):
        options = MatchingSolverOptions.model_validate({"solver": solver, "steps": steps})
        x = apply(FlowMatching().decoder(nets, options), z, z[:, :0])
        errors.append((x - (M + S * z)).abs().max().item())
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.25)


@pytest.mark.parametrize("path", [{"path": "linear"}, {"path": "lipman", "sigma_min": 0.3}])
def test_the_least_loss_belongs_to_the_expected_velocity(path: dict[str, object]) -> None:
    """T70: E[u | x_t] by the joint Gaussian of x_t and u, where the loss is stationary, z-score below 5."""
    family = FlowMatching.model_validate({"path": path})
    x0, x1, t = reals(200_000, 1, seed=1), M + S * reals(200_000, 1, seed=2), torch.full((200_000,), 0.7).double()
    xt, u = family.path.at(x0, x1, t)
    lost = 1 - family.path.noise_left
    slope = (0.7 * S**2 - lost * (1 - 0.7 * lost)) / ((1 - 0.7 * lost) ** 2 + 0.49 * S**2)
    expected = M + slope * (xt - 0.7 * M)
    if family.path.noise_left == 0:
        torch.testing.assert_close(expected, ToGaussian()(xt, t))
    for feature in (torch.ones_like(xt), xt, xt**2):
        residual = ((u - expected) * feature).flatten()
        assert abs(residual.mean() / residual.std() * len(residual) ** 0.5) < 5


def test_the_loss_of_independent_pairs_falls_to_a_variance_and_not_to_zero() -> None:
    """T71: pi s / 2 = 0.62831853 at s = 0.4, z-score below 5 over batches."""
    nets = Nets(LINE, velocity=ToGaussian())
    losses = torch.stack([
        next(FlowMatching().losses(nets, batch(M + S * reals(2000, 1, seed=100 + i), seed=i))).value for i in range(100)
    ])  # fmt: skip
    expected = 0.62831853
    assert expected == pytest.approx(pi * S / 2, rel=1e-7)
    assert abs((losses.mean() - expected) / losses.std() * 10) < 5


def test_the_loss_of_transported_pairs_falls_to_zero() -> None:
    """T71: as batches grow."""
    nets, family = Nets(LINE, velocity=ToGaussianByTransport()), FlowMatching(coupling=MinibatchOT(block=1024))
    losses = [next(family.losses(nets, batch(M + S * reals(n, 1, seed=3)))).value.item() for n in (64, 1024)]
    assert losses[1] < 0.02
    assert losses[1] < 0.3 * losses[0]


def test_the_likelihood_is_that_of_the_gaussian() -> None:
    """By exact divergence, in data units."""
    nets, u = Nets(PLANE, velocity=ToGaussian()), reals(5, 2)
    answer = FlowMatching().log_prob(
        nets, PLANE.denormalize(u), NONE, Noise.rows(0, 5), MatchingLikelihoodOptions(steps=64)
    )
    expected = (-0.5 * ((u - M) / S) ** 2 - 0.5 * log(2 * pi) - log(S)).sum(1) + PLANE.log_jacobian
    torch.testing.assert_close(answer.value, expected, rtol=0, atol=1e-5)
    assert answer.kind == "estimate"
    assert answer.std_error is None


@pytest.mark.parametrize("solver", ["heun", "rk4", "adaptive"])
def test_solvers_agree_on_the_likelihood(solver: str) -> None:
    nets, u = Nets(PLANE, velocity=ToGaussian()), reals(5, 2)
    options = MatchingLikelihoodOptions.model_validate({"solver": solver, "steps": 100})
    answer = FlowMatching().log_prob(nets, PLANE.denormalize(u), NONE, Noise.rows(0, 5), options)
    expected = (-0.5 * ((u - M) / S) ** 2 - 0.5 * log(2 * pi) - log(S)).sum(1) + PLANE.log_jacobian
    torch.testing.assert_close(answer.value, expected, rtol=0, atol=1e-2)


def test_levels_are_scored_by_their_dequantized_density() -> None:
    """E_u log p(y + w (u - 1/2)) + D log w by quadrature over u, z-score below 5."""
    spec = DataSpec(shape=(1,), low=0, high=4, levels=5, shift=(2.0,), scale=(2.0,))
    y = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    nets, noise = Nets(spec, velocity=ToGaussian()), Noise.rows(0, 3)
    answer = FlowMatching().log_prob(nets, y, NONE[:3], noise, MatchingLikelihoodOptions(draws=32))
    u01 = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    within = (y - 0.5 + u01 - 2.0) / 2.0  # (3, 1000)
    expected = (-0.5 * ((within - M) / S) ** 2 - 0.5 * log(2 * pi) - log(S)).mean(1) - log(2.0)
    assert answer.std_error is not None
    assert ((answer.value - expected).abs() < 5 * answer.std_error + 1e-3).all()


def test_random_probes_agree_with_the_exact_divergence_within_their_error_bar() -> None:
    torch.manual_seed(0)
    nets = FlowMatching(width=16, depth=1).build(DataSpec(shape=(3,))).double()
    for weight in nets.parameters():
        nn.init.normal_(weight, std=0.3)
    x, noise = reals(4, 3), Noise.rows(0, 4)
    exact = FlowMatching().log_prob(nets, x, NONE[:4], noise, MatchingLikelihoodOptions(steps=8, divergence="exact"))
    random = FlowMatching().log_prob(
        nets, x, NONE[:4], noise, MatchingLikelihoodOptions(steps=8, divergence="hutchinson", draws=32)
    )
    assert random.std_error is not None
    assert ((random.value - exact.value).abs() < 5 * random.std_error).all()
    assert (random.std_error > 1e-3).all()


def test_a_likelihood_that_costs_too_much_is_refused_with_a_remedy() -> None:
    nets, x = Nets(DIGITS, velocity=Still()), torch.zeros(1, 1, 8, 8)
    with pytest.raises(InvalidInput, match="take the divergence hutchinson") as refusal:
        FlowMatching().log_prob(
            nets, x, NONE[:1], Noise.rows(0, 1), MatchingLikelihoodOptions(steps=100, divergence="exact")
        )
    assert refusal.value.field == "options"


def test_guidance_of_zero_follows_the_condition() -> None:
    nets, c = told(ToGaussian()), torch.eye(2)
    noise = Noise.rows(0, 2)
    plain = sample(FlowMatching().sampler(nets, MatchingSampleOptions()), noise, c)
    torch.testing.assert_close(plain, M + c[:, :1] + S * noise.normal(0, (1,)), rtol=0, atol=1e-4)


def test_guidance_leans_away_from_the_field_without_a_condition() -> None:
    """T73's convention: v = (1 + w) v_c - w v_0; linear in the mean here, so the mean moves by 1 + w."""
    nets, c = told(ToGaussian()), torch.eye(2)
    noise = Noise.rows(0, 2)
    guided = sample(FlowMatching().sampler(nets, MatchingSampleOptions(guidance=2.0, steps=32)), noise, c)
    torch.testing.assert_close(guided, M + 3 * c[:, :1] + S * noise.normal(0, (1,)), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "nets"),
    [(FlowMatching(), Nets(LINE, velocity=Still())), (FlowMatching(drop=0.0), told(Still()))],
    ids=["no condition", "never dropped"],
)
def test_guidance_without_a_field_of_all_data_is_refused(family: FlowMatching, nets: Nets) -> None:
    with pytest.raises(InvalidInput, match="leave it out") as refusal:
        family.sampler(nets, MatchingSampleOptions(guidance=1.0))
    assert refusal.value.field == "options.guidance"
    assert family.answers_without == (family.drop > 0)


def test_conditions_are_dropped_as_often_as_said() -> None:
    c = torch.ones(10_000, 3)
    kept = dropped(batch(torch.zeros(10_000, 1), c), 0.25)
    assert abs(kept.mean().item() - 0.75) < 5 * (0.75 * 0.25 / 10_000) ** 0.5
    assert torch.equal(kept[:, 0], kept[:, 2])
    assert torch.equal(dropped(batch(torch.zeros(10_000, 1), c), 0.0), c)


def test_pairs_by_transport_of_vectors_are_refused_at_build() -> None:
    spec = PLANE.model_copy(update={"condition": Vector(shift=(0.0,), scale=(1.0,))})
    with pytest.raises(InvalidData, match="independent"):
        FlowMatching(coupling=MinibatchOT()).build(spec)
    FlowMatching(coupling=Independent()).build(spec)


def test_a_path_that_keeps_noise_says_so() -> None:
    assert FlowMatching().notes == ()
    assert "0.05" in FlowMatching.model_validate({"path": {"path": "lipman", "sigma_min": 0.05}}).notes[0]


def test_waves_of_images_are_refused_with_a_remedy() -> None:
    with pytest.raises(InvalidData, match="leave them out") as refusal:
        FlowMatching(waves=10.0).check(DIGITS)
    assert refusal.value.field == "run.family.waves"
    FlowMatching(waves=10.0).build(PLANE)


def test_codes_and_data_are_two_ends_of_one_way() -> None:
    torch.manual_seed(0)
    nets = TINY.build(PLANE).double()
    for weight in nets.parameters():
        nn.init.normal_(weight, std=0.3)
    x = PLANE.denormalize(reals(5, 2))
    z = TINY.encode(nets, x, NONE)
    assert (z - PLANE.normalize(x)).abs().max() > 0.1
    torch.testing.assert_close(TINY.decode(nets, z, NONE), x, rtol=1e-5, atol=1e-5)
