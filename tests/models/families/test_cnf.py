"""Continuous flows against matrix exponentials, quadrature and autograd, in float64."""

from math import log, pi
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.data import EightGaussians
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.families.cnf import CNF
from pushforward.models.family import reconstruct
from pushforward.models.flows.options import CNFLikelihoodOptions, CNFSolverOptions
from pushforward.models.losses import Adam
from pushforward.models.networks import ConcatSquash, Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Budget, Run
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.mapping import apply
from pushforward.models.stepwise.program import run
from pushforward.models.stepwise.sampling import sample
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

A = torch.tensor([[0.3, -1.0], [0.7, -0.8]], dtype=torch.float64)
PLANE = DataSpec(shape=(2,), shift=(1.0, -0.5), scale=(2.0, 0.7))
BOX = DataSpec(shape=(2,), low=-1, high=3, shift=(1.0,), scale=(2.0,))
LEVELS = DataSpec(shape=(1, 2, 2), low=0, high=3, levels=4, shift=(1.5,), scale=(1.5,))
SIGNS = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 2)  # all probes of the plane
SOLVERS = [{"solver": "rk4", "steps": 64}, {"solver": "adaptive", "steps": 200, "tolerance": 1e-6}]
each_solver = pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s["solver"])


class Linear(nn.Module):
    """f(v, t) = A v."""

    def forward(self, v: Tensor, t: Tensor) -> Tensor:
        return v @ A.T.to(v)


class Squeeze(nn.Module):
    """f(v, t) = -rate v."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, v: Tensor, t: Tensor) -> Tensor:
        return -self.rate * v


def linear() -> Nets:
    return Nets(PLANE, velocity=Linear())


def roughened(family: CNF, spec: DataSpec) -> Nets:
    """Networks in float64, far from the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets = family.build(spec).double()
        for weight in nets.parameters():
            weight.data += torch.randn_like(weight) / weight.shape[-1] ** 0.5
    return nets.requires_grad_(False).eval()


def rows(spec: DataSpec, n: int) -> Tensor:
    """Rows of this kind of data, float64."""
    u = Noise.rows(3, n).uniform(0, spec.shape).double()
    if spec.low is None or spec.high is None:
        return spec.denormalize(4 * u - 2)
    return spec.quantize(spec.low + (spec.high - spec.low) * (0.05 + 0.9 * u))


def no_condition(n: int) -> Tensor:
    return torch.empty(n, 0, dtype=torch.float64)


def log_prob(family: CNF, nets: Nets, x: Tensor, **options: object) -> LogProb:
    return family.log_prob(
        nets, x, no_condition(len(x)), Noise.rows(0, len(x)), CNFLikelihoodOptions.model_validate(options)
    )


def gaussian(z: Tensor) -> Tensor:
    return -0.5 * (z.square() + log(2 * pi)).sum(1)


@each_solver
def test_a_linear_field_makes_a_gaussian(solver: dict[str, object]) -> None:
    """T27: the map is e^A, and log p that of the Gaussian it makes."""
    x = rows(PLANE, 6)
    z = PLANE.normalize(x) @ torch.linalg.matrix_exp(-A).T
    scored = log_prob(CNF(), linear(), x, **solver)
    torch.testing.assert_close(scored.value, gaussian(z) - A.trace() + PLANE.log_jacobian, rtol=1e-5, atol=1e-5)
    assert scored.kind == "estimate"
    assert scored.std_error is None


@each_solver
def test_codes_and_samples_of_a_linear_field_are_carried_by_the_matrix_exponential(solver: dict[str, object]) -> None:
    """T27: from data by e^{-A}, from noise by e^A."""
    family, x, options = CNF(), rows(PLANE, 6), CNFSolverOptions.model_validate(solver)
    z = apply(family.encoder(linear(), options), x, no_condition(6))
    torch.testing.assert_close(z, PLANE.normalize(x) @ torch.linalg.matrix_exp(-A).T, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(apply(family.decoder(linear(), options), z, no_condition(6)), x, rtol=1e-5, atol=1e-5)
    noise = Noise.rows(4, 5)
    drawn = sample(family.sampler(linear(), options), noise)
    z = family.prior(linear(), noise, no_condition(5)).double()
    exact = PLANE.denormalize(z @ torch.linalg.matrix_exp(A).T)
    torch.testing.assert_close(drawn.double(), exact, rtol=1e-4, atol=1e-4)


def test_hutchinsons_estimate_is_unbiased_with_signs_fixed_for_a_solve() -> None:
    """T27: the mean over draws is log p, within five of its standard errors."""
    family, x = CNF(width=16, depth=2), rows(PLANE, 40)
    nets = roughened(family, PLANE)
    exact = log_prob(family, nets, x, steps=4)
    estimated = log_prob(family, nets, x, steps=4, divergence="hutchinson", draws=64)
    assert estimated.std_error is not None
    z_score = (estimated.value - exact.value).sum() / estimated.std_error.square().sum().sqrt()
    assert abs(float(z_score)) < 5
    assert float(estimated.std_error.mean()) > 1e-3


@pytest.mark.parametrize("spec", [PLANE, BOX], ids=["plane", "box"])
def test_the_log_determinant_is_that_of_the_autograd_jacobian(spec: DataSpec) -> None:
    """T18: log p(x) - log N(z; 0, I) = log |det dz/dx|, of a network, at random x."""
    family = CNF(width=16, depth=2)
    nets = roughened(family, spec)
    for x in rows(spec, 3):
        z = family.encode(nets, x[None], no_condition(1))
        jacobian = torch.autograd.functional.jacobian(lambda at: family.encode(nets, at[None], no_condition(1))[0], x)
        log_det = torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(log_prob(family, nets, x[None]).value, gaussian(z) + log_det, rtol=1e-5, atol=1e-5)


def test_the_density_integrates_to_one() -> None:
    """T20: over a grid of the plane."""
    family = CNF(width=16, depth=2)
    nets, side = roughened(family, PLANE), torch.linspace(-7, 7, 71, dtype=torch.float64)
    x = PLANE.denormalize(torch.cartesian_prod(side, side))
    cell = 0.2**2 * 2.0 * 0.7
    assert abs(float(log_prob(family, nets, x, steps=16).value.exp().sum()) * cell - 1) < 1e-3


@pytest.mark.parametrize("solver", [{}, {"solver": "adaptive", "tolerance": 1e-6}], ids=["rk4", "adaptive"])
@pytest.mark.parametrize("spec", [PLANE, BOX, LEVELS], ids=["plane", "box", "levels"])
def test_decoding_undoes_encoding(spec: DataSpec, solver: dict[str, object]) -> None:
    """T19: the inverse error in single precision is below 1e-4 of the range, the solver's tolerance among it."""
    family, options = CNF(width=16, depth=2), CNFSolverOptions.model_validate(solver)
    nets, x = roughened(family, spec).float(), rows(spec, 50).float()
    z = apply(family.encoder(nets, options), x, no_condition(50).float())
    back = apply(family.decoder(nets, options), z, no_condition(50).float())
    assert float(((back - x) / max(spec.scale)).abs().max()) < 1e-4
    torch.testing.assert_close(
        reconstruct(family, nets, x, no_condition(50).float()), x, atol=1e-4 * max(spec.scale), rtol=0
    )


def test_an_untrained_flow_is_the_identity() -> None:
    """T22: log p is that of the prior."""
    family, x = CNF(), rows(PLANE, 5)
    expected = gaussian(PLANE.normalize(x)) + PLANE.log_jacobian
    torch.testing.assert_close(log_prob(family, family.build(PLANE).double(), x).value, expected)


def test_training_differentiates_the_likelihood_that_is_served() -> None:
    """The density of a training step is the scorer's with as many Runge-Kutta steps, by trace and by estimate."""
    family, v = CNF(width=16, depth=2, solver_steps=5), rows(DataSpec(shape=(2,)), 8)
    nets = roughened(family, DataSpec(shape=(2,)))
    served = log_prob(family, nets, v, steps=5).value
    torch.testing.assert_close(family.solved(nets, v, no_condition(8), None).log_prob, served, rtol=1e-9, atol=1e-9)
    estimates = torch.stack([family.solved(nets, v, no_condition(8), sign.expand(8, 2)).log_prob for sign in SIGNS])
    torch.testing.assert_close(estimates.mean(0), served, rtol=1e-9, atol=1e-9)
    assert estimates.std(0).max() > 1e-3


def test_what_a_path_costs_is_its_energy_and_stretching() -> None:
    """f = A v: |f|^2 along exp(A t) z by quadrature, |A|_F^2 everywhere, the mean of its estimates."""
    family, z = CNF(solver_steps=64), rows(DataSpec(shape=(2,)), 4)
    t = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    speeds = torch.einsum("ij,tjk,bk->tbi", A, torch.linalg.matrix_exp(t[:, None, None] * A), z)
    solved = family.solved(linear(), z @ torch.linalg.matrix_exp(A).T, no_condition(4), None)
    torch.testing.assert_close(solved.energy, speeds.square().sum(2).mean(0), rtol=1e-6, atol=0)
    torch.testing.assert_close(solved.stretching, A.square().sum().expand(4), rtol=1e-9, atol=0)
    estimates = torch.stack(
        [family.solved(linear(), z, no_condition(4), sign.expand(4, 2)).stretching for sign in SIGNS]
    )
    torch.testing.assert_close(estimates.mean(0), A.square().sum().expand(4), rtol=1e-9, atol=0)


@pytest.mark.parametrize("rate", [2.0, 8.0, 16.0, 24.0, 32.0, 48.0, 80.0])
def test_deceiving_four_steps_costs_more_than_it_brings(rate: float) -> None:
    """f = -rate v makes narrow data of noise; four steps from the data count its whole volume, and map too near.

    Data as wide as four steps map to N(0, 1) seem to have a higher likelihood than any density gives them: by the
    volume that was counted, less the logarithm of what v is stretched by.
    """
    family, v = CNF(solver_steps=4), torch.ones(1, 1, dtype=torch.float64)
    nets = Nets(DataSpec(shape=(1,)), velocity=Squeeze(rate))
    told, at_zero = (family.solved(nets, x, no_condition(1), None) for x in (v, 0 * v))
    stretched = (2 * (at_zero.log_prob - told.log_prob).item()) ** 0.5
    gain = at_zero.log_prob.item() + 0.5 * log(2 * pi) - log(stretched)
    assert gain > 0
    assert family.jacobian * told.stretching.item() > gain


def test_a_row_far_out_is_rare_and_not_impossible() -> None:
    """88 deviations out, where a Gaussian tail costs 3,872 nats."""
    x = torch.tensor([[1.0 + 88 * 2.0, -0.5]])
    scores = [
        float(
            run(
                family.scorer(family.build(PLANE), CNFLikelihoodOptions()),
                (x, no_condition(1).float()),
                Noise.rows(0, 1),
            ).value
        )
        for family in (CNF(width=16, tails="gaussian"), CNF(width=16))
    ]
    assert scores[0] < -3800
    assert -40 < scores[1] < 0


def test_a_label_makes_a_density_of_its_own() -> None:
    """T25: each integrates to one."""
    spec = PLANE.model_copy(update={"condition": Labels(n_classes=2)})
    family = CNF(width=16, depth=2, tails="gaussian")  # the grid ends where heavy tails go on
    nets, side = roughened(family, spec), torch.linspace(-7, 7, 71, dtype=torch.float64)
    x = spec.denormalize(torch.cartesian_prod(side, side))
    scorer, noise = family.scorer(nets, CNFLikelihoodOptions(steps=12)), Noise.rows(0, len(x))
    p = [run(scorer, (x, c.expand(len(x), 2)), noise).value.exp() for c in torch.eye(2).double()]
    for each in p:
        assert abs(float(each.sum()) * 0.2**2 * 2.0 * 0.7 - 1) < 1e-3
    assert float((p[0] - p[1]).abs().max()) > 1e-3


def test_a_short_training_stays_above_the_entropy() -> None:
    """T28: eight Gaussians, within five standard errors of what 2,000 rows tell."""
    run = Run(
        family=CNF(width=32, depth=2, solver_steps=4),
        data=EightGaussians(),
        optimizer=Adam(lr=3e-2, batch_size=64, ema=0.8),
        budget=Budget(steps=50),
    )
    data = load_data(run, Path())
    state = fresh(run, data, torch.device("cpu"))
    first = None
    for step in train(data, state):
        first = step.losses["nll_nats"] if first is None else first
    x = torch.from_numpy(data.validation.x[:2000])
    nll = -log_prob(CNF(width=32, depth=2), state.average, x, steps=8).value
    assert first is not None
    assert float(nll.mean()) < float(first) - 0.1
    assert float(nll.mean()) > EightGaussians().entropy_nats - 5 * float(nll.std()) / 2000**0.5


def test_levels_are_dequantized_and_their_probabilities_estimated() -> None:
    family, x = CNF(width=16, depth=2), rows(LEVELS, 4)
    scored = log_prob(family, roughened(family, LEVELS), x, steps=8, draws=3)
    assert scored.kind == "estimate"
    assert scored.std_error is not None
    assert scored.value.isfinite().all()


def test_samples_by_the_adaptive_solver_are_those_of_a_fine_grid() -> None:
    family = CNF(width=16, depth=2)
    nets, noise = roughened(family, PLANE).float(), Noise.rows(9, 20)
    fine = sample(family.sampler(nets, CNFSolverOptions(steps=200)), noise)
    adaptive = sample(family.sampler(nets, CNFSolverOptions(solver="adaptive", steps=100)), noise)
    torch.testing.assert_close(adaptive, fine, rtol=1e-3, atol=1e-3)


def test_the_velocity_is_told_time_and_condition_and_sees_each_row_on_its_own() -> None:
    torch.manual_seed(0)
    net = ConcatSquash((3,), width=8, depth=2, condition_size=2)
    for weight in net.parameters():
        nn.init.normal_(weight)
    v, t, c = torch.randn(4, 3), torch.rand(4), torch.randn(4, 2)
    f = net(v, t, c)
    assert f.shape == v.shape
    torch.testing.assert_close(f[1:2], net(v[1:2], t[1:2], c[1:2]))
    assert not torch.allclose(f, net(v, t.flip(0), c))
    assert not torch.allclose(f, net(v, t, c.flip(0)))


def test_a_tolerance_without_the_adaptive_solver_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance belongs to the solver adaptive"):
        CNFSolverOptions(tolerance=1e-3)


def test_a_likelihood_that_costs_too_much_is_refused_with_the_remedy() -> None:
    spec = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17)
    with pytest.raises(InvalidInput, match="or take the divergence hutchinson") as refusal:
        CNF().scorer(Nets(spec, velocity=Linear()), CNFLikelihoodOptions(divergence="exact"))
    assert refusal.value.field == "options"


def test_rows_too_large_are_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidData, match="take the family flow_matching") as refusal:
        CNF().build(DataSpec(shape=(3, 32, 32)))
    assert refusal.value.field == "run.data"
