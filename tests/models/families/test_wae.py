"""The WAE against optimal transport between Gaussians on the line (float64)."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from pushforward.models.adversarial.discrepancies import mmd2_given
from pushforward.models.adversarial.kernels import RBF
from pushforward.models.adversarial.penalties import MMD, Adversarial, Sliced
from pushforward.models.capabilities import capabilities
from pushforward.models.families.wae import WAE
from pushforward.models.family import reconstruct
from pushforward.models.latents.sampled_priors import RingCodes
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample

LINE = DataSpec(shape=(1,))
LINEAR = WAE(latent=1, depth=0, weight=3.0)
S, A = 1.7, 0.6  # of the data N(0, s^2), of the decoder G(z) = a z


def scaling(*, encoder: float, decoder: float) -> Nets:
    """Q(x) = encoder x, G(z) = decoder z."""
    nets = LINEAR.build(LINE).double().requires_grad_(False)
    for name, factor in (("encoder", encoder), ("decoder", decoder)):
        weight, bias = nets[name].parameters()
        weight.fill_(factor)
        bias.zero_()
    return nets


def normal(n: int, scale: float, seed: int) -> Tensor:
    return scale * torch.randn(n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cost_and_penalty(nets: Nets, x: Tensor, seed: int) -> tuple[float, float]:
    (loss,) = LINEAR.losses(
        nets, Batch(x, no_condition(x), torch.Generator().manual_seed(seed), 0, 1, torch.arange(len(x)))
    )
    assert float(loss.value) == pytest.approx(float(loss.terms["cost"] + 3.0 * loss.terms["penalty"]))
    return float(loss.terms["cost"]), float(loss.terms["penalty"])


def test_the_cost_of_matched_codes_is_the_transport_cost() -> None:
    """T59: for Q(x) = x / s, E |x - a x / s|^2 = (s - a)^2 = W_2^2(N(0, s^2), N(0, a^2))."""
    x = normal(1000, S, 0)
    cost, _ = cost_and_penalty(scaling(encoder=1 / S, decoder=A), x, 0)
    assert cost == pytest.approx((S - A) ** 2 * float((x**2).mean()) / S**2, rel=1e-9)


def test_no_other_matched_encoder_is_cheaper() -> None:
    """T59: the other linear map of N(0, s^2) to N(0, 1) costs (s + a)^2."""
    x = normal(1000, S, 0)
    cheapest, cost = (cost_and_penalty(scaling(encoder=sign / S, decoder=A), x, 0)[0] for sign in (1, -1))
    assert cost == pytest.approx((S + A) ** 2 * float((x**2).mean()) / S**2, rel=1e-9)
    assert cheapest < cost


def test_the_penalty_of_matched_codes_is_zero_in_the_mean() -> None:
    """T59, T50."""
    nets = scaling(encoder=1 / S, decoder=A)
    penalty = torch.tensor([cost_and_penalty(nets, normal(30, S, seed), seed + 10_000)[1] for seed in range(300)])
    assert abs(float(penalty.mean())) < 5 * float(penalty.std()) / math.sqrt(len(penalty))
    assert float(penalty.min()) < 0


def test_the_penalty_of_unmatched_codes_is_positive() -> None:
    _, penalty = cost_and_penalty(scaling(encoder=2 / S, decoder=A), normal(1000, S, 0), 1)
    assert penalty > 0.05


def test_a_noisy_encoder_of_matched_codes_pays_for_its_noise() -> None:
    """T59: z = r x / s + sqrt(1 - r^2) eps is N(0, 1) for every r, and costs s^2 + a^2 - 2 r s a."""
    r = 0.8
    family = LINEAR.model_copy(update={"posterior": "gaussian"})
    nets = family.build(LINE).double().requires_grad_(False)
    weight, bias = nets["encoder"].parameters()
    weight.copy_(torch.tensor([[r / S], [0.0]]))
    bias.copy_(torch.tensor([0.0, math.log(1 - r**2)]))
    weight, bias = nets["decoder"].parameters()
    weight.fill_(A)
    bias.zero_()
    x = normal(200_000, S, 0)
    rng = torch.Generator().manual_seed(1)
    z = family.draw_codes(nets, x, no_condition(x), rng)
    cost = float((x - nets["decoder"](z)).square().mean())
    assert float(z.std()) == pytest.approx(1, rel=0.01)
    assert cost == pytest.approx(S**2 + A**2 - 2 * r * S * A, rel=0.01)
    assert cost > (S - A) ** 2
    assert torch.allclose(family.encode(nets, x, no_condition(x)), r / S * x)


def test_a_decoder_with_noise_of_its_own_pays_its_variance() -> None:
    """T59: G(z) = a z_0 + t z_1, z_1 ~ N(0, 1) whatever x is, costs (s - a)^2 + t^2."""
    t = 0.3
    family = WAE(latent=2, depth=0, posterior="gaussian")
    nets = family.build(LINE).double().requires_grad_(False)
    weight, bias = nets["encoder"].parameters()
    weight.copy_(torch.tensor([[1 / S], [0.0], [0.0], [0.0]]))
    bias.copy_(torch.tensor([0.0, 0.0, -12.0, 0.0]))
    weight, bias = nets["decoder"].parameters()
    weight.copy_(torch.tensor([[A, t]]))
    bias.zero_()
    x = normal(200_000, S, 0)
    z = family.draw_codes(nets, x, no_condition(x), torch.Generator().manual_seed(1))
    assert float((x - nets["decoder"](z)).square().mean()) == pytest.approx((S - A) ** 2 + t**2, rel=0.01)


def test_a_distance_of_codes_does_not_tell_what_is_made_small() -> None:
    """T59 against the notes' "AAE minimizes W in the latent space": codes x / s and -x / s match the prior alike.

    Their distance from it is zero for both. What is made small is the cost in the space of data, W_2^2 for one only.
    """
    z = torch.special.ndtri((torch.arange(1000, dtype=torch.float64) + 0.5) / 1000)[:, None]
    x, rng = S * z, torch.Generator()
    transport = (S - A) ** 2 * float((z**2).mean())
    costs = []
    for sign in (1, -1):
        nets = scaling(encoder=sign / S, decoder=A)
        codes = LINEAR.encode(nets, x, no_condition(x))
        assert float(Sliced().value(codes, z, no_condition(z), rng)) == pytest.approx(0, abs=1e-20)
        costs.append(float((x - LINEAR.decode(nets, codes, no_condition(x))).square().mean()))
    assert costs[0] == pytest.approx(transport, rel=1e-9)
    assert costs[1] > 3 * transport


def test_an_adversarial_autoencoder_is_a_wasserstein_one_with_a_game_on_codes() -> None:
    """T59: the squared cost and what the encoder loses in the non-saturating game, after the critic has moved."""
    family = WAE(latent=2, width=8, weight=3.0, penalty=Adversarial(width=8), prior_codes=RingCodes())
    nets, x = family.build(LINE), normal(16, S, 0).float()
    critic, both = family.losses(
        nets, Batch(x, no_condition(x), torch.Generator().manual_seed(0), 0, 1, torch.arange(len(x)))
    )
    assert critic.trains == ("critic",)
    assert both.trains == ("encoder", "decoder")
    codes = nets["encoder"](x)
    expected = torch.nn.functional.softplus(-nets["critic"](codes)).mean()
    assert torch.allclose(both.terms["penalty"], expected)
    assert torch.allclose(both.value, both.terms["cost"] + 3.0 * expected)


def test_a_prior_that_needs_a_plane_is_refused_on_the_line() -> None:
    with pytest.raises(ValidationError, match="ring needs at least 2 dimensions"):
        WAE(latent=1, prior_codes=RingCodes())


def test_samples_push_the_prior_forward() -> None:
    nets = scaling(encoder=1.0, decoder=A).float()
    x = sample(LINEAR.sampler(nets, LINEAR.SampleOptions()), Noise.rows(0, 50_000))
    assert float(x.std()) == pytest.approx(A, rel=0.02)


def test_codes_and_data_round_trip() -> None:
    nets = scaling(encoder=1 / A, decoder=A)
    x = normal(5, S, 0)
    assert torch.allclose(reconstruct(LINEAR, nets, x, no_condition(x)), x, atol=1e-12)


def test_it_has_no_likelihood() -> None:
    assert capabilities(WAE) == ("sample", "encode", "decode", "reconstruct", "interpolate")


def test_a_last_batch_of_one_row_is_descended_like_any_other() -> None:
    nets = LINEAR.build(LINE)
    x = torch.ones(1, 1)
    (loss,) = LINEAR.losses(nets, Batch(x, no_condition(x), torch.Generator().manual_seed(0), 0, 1, torch.arange(1)))
    gradients = torch.autograd.grad(loss.value, list(nets.parameters()))
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@pytest.mark.parametrize("prior", ["mixture", "ring"])
def test_a_circle_of_codes_takes_two_dimensions_and_not_one(prior: str) -> None:
    config = {"family": "wae", "prior_codes": {"prior": prior}}
    assert WAE.model_validate(config | {"latent": 2}).latent == 2
    with pytest.raises(ValidationError, match=f"{prior} needs at least 2 dimensions"):
        WAE.model_validate(config | {"latent": 1})


MEANS, DECODED = (2.0, -1.0), (1.5, -1.2)  # of the rows of each label, and of what its codes decode to
TOLD = DataSpec(shape=(1,), condition=Labels(n_classes=2))


def labeled(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows N(m_c, s^2) and their labels, one-hot, as many of each."""
    c = torch.eye(2, dtype=torch.float64).repeat(n // 2, 1)
    return normal(n, S, seed) + c @ torch.tensor(MEANS, dtype=torch.float64)[:, None], c


def given_labels(*, told: bool) -> Nets:
    """Q(x, c) = (x - m_c) / s, or codes that are N(0, 1) overall and say which label it is; G(z, c) = a z + m'_c."""
    nets = LINEAR.build(TOLD).double().requires_grad_(False)
    weight, bias = nets["encoder"].parameters()
    spread = S if told else math.sqrt(S**2 + (MEANS[0] - MEANS[1]) ** 2 / 4)
    away = [-m for m in MEANS] if told else [-sum(MEANS) / 2] * 2
    weight.copy_(torch.tensor([[1.0, *away]]) / spread)
    bias.zero_()
    weight, bias = nets["decoder"].parameters()
    weight.copy_(torch.tensor([[A, *DECODED]]))
    bias.zero_()
    return nets


def told_terms(nets: Nets, n: int, seed: int) -> tuple[float, float]:
    x, c = labeled(n, seed)
    (loss,) = LINEAR.losses(nets, Batch(x, c, torch.Generator().manual_seed(seed + 1000), 0, 1, torch.arange(n)))
    return float(loss.terms["cost"]), float(loss.terms["penalty"])


def test_the_cost_of_codes_matched_given_the_label_is_the_mean_transport_cost_of_the_labels() -> None:
    """T59 given c: the mean of W_2^2(N(m_c, s^2), N(m'_c, a^2)) = (s - a)^2 + (m_c - m'_c)^2."""
    nets, (x, c) = given_labels(told=True), labeled(200_000, 0)
    cost = float(LINEAR.cost(nets, x, LINEAR.encode(nets, x, c), c))
    apart = sum((m - d) ** 2 for m, d in zip(MEANS, DECODED, strict=True)) / 2
    assert cost == pytest.approx((S - A) ** 2 + apart, rel=0.01)


def test_only_codes_that_do_not_tell_the_label_go_unpenalized() -> None:
    nets = given_labels(told=True)
    penalty = torch.tensor([told_terms(nets, 30, seed)[1] for seed in range(300)])
    assert abs(float(penalty.mean())) < 5 * float(penalty.std()) / math.sqrt(len(penalty))
    _, telling = told_terms(given_labels(told=False), 1000, 0)
    assert telling > 0.05


def test_rows_of_a_label_are_drawn_when_it_is_asked_for() -> None:
    nets, noise = given_labels(told=True).float(), Noise.rows(0, 50_000)
    for label, mean in enumerate(DECODED):
        c = torch.eye(2)[[label]].expand(50_000, -1)
        x = sample(LINEAR.sampler(nets, LINEAR.SampleOptions()), noise, c)
        assert float(x.mean()) == pytest.approx(mean, abs=0.02)
        assert float(x.std()) == pytest.approx(A, rel=0.02)


def test_codes_and_data_round_trip_given_the_label() -> None:
    nets = given_labels(told=True)
    x, c = labeled(6, 0)
    expected = A * (x - c @ torch.tensor(MEANS).double()[:, None]) / S + c @ torch.tensor(DECODED).double()[:, None]
    assert torch.allclose(reconstruct(LINEAR, nets, x, c), expected, atol=1e-6)


def test_a_vector_is_as_far_from_another_as_a_label_whatever_its_length() -> None:
    """The penalty's kernel of conditions is exp(-|c - c'|^2 / 2 V)."""
    v, n = 4, 8
    spec = DataSpec(shape=(1,), condition=Vector(shift=(0,) * v, scale=(1,) * v))
    family = LINEAR.model_copy(update={"penalty": MMD(kernel=RBF())})
    nets = family.build(spec).double().requires_grad_(False)
    x, rng = normal(n, S, 0), torch.Generator().manual_seed(1)
    values = torch.randn(n, v, generator=rng, dtype=torch.float64)
    c = torch.cat([values, torch.ones(n, 1)], 1)
    (loss,) = family.losses(nets, Batch(x, c, torch.Generator().manual_seed(2), 0, 1, torch.arange(n)))
    prior = torch.randn(n, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    expected = mmd2_given(RBF(), family.encode(nets, x, c), prior, values / math.sqrt(v))
    assert float(loss.terms["penalty"]) == pytest.approx(float(expected), rel=1e-6)
