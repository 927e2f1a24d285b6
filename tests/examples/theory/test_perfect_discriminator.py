"""A discriminator that is trained against a fixed generator, on thin supports (float64)."""

from itertools import pairwise
from math import inf

import pytest
import torch
from perfect_discriminator import (
    EVERY,
    THETA,
    Progress,
    Z,
    bound,
    crossing,
    generator,
    history,
    new_discriminator,
    parallel,
    progress,
)


@pytest.fixture(scope="module")
def apart() -> list[Progress]:
    return history(parallel)


@pytest.fixture(scope="module")
def crossed() -> list[Progress]:
    return history(crossing)


def test_between_disjoint_segments_the_discriminator_becomes_perfect(apart: list[Progress]) -> None:
    """T40."""
    assert apart[0].accuracy < 0.9
    assert apart[-1].accuracy == 1.0


def test_between_crossing_segments_it_errs_near_the_crossing_alone(crossed: list[Progress]) -> None:
    """T40."""
    assert crossed[0].accuracy < 0.9
    assert crossed[-1].accuracy > 0.95


def test_what_the_minimax_loss_tells_the_generator_vanishes(apart: list[Progress]) -> None:
    """T40."""
    assert apart[-1].minimax < 1e-3
    assert apart[-1].minimax < 0.02 * max(each.minimax for each in apart)
    late = [each.minimax for each in apart[20::EVERY]]
    assert all(after < before for before, after in pairwise(late))


def test_what_the_non_saturating_loss_tells_does_not(apart: list[Progress]) -> None:
    """T40."""
    assert apart[-1].non_saturating > 1.0
    assert apart[-1].non_saturating > apart[0].non_saturating


def test_the_gradient_is_within_the_bound_at_each_step(apart: list[Progress], crossed: list[Progress]) -> None:
    """T40: M eps / (1 - eps), infinite until D is near D*."""
    assert all(each.minimax <= each.bound for each in (*apart, *crossed))
    assert apart[0].bound > 1
    assert any(each.bound == inf for each in apart)
    assert apart[-1].bound < 0.01


def test_the_bound_is_that_of_the_theorem() -> None:
    """T40: for the score f = -a - b (x_1 - theta), D and |grad D| are known on what the generator makes."""
    a, b = 3.0, 0.5
    fake = generator(torch.tensor(THETA, dtype=torch.float64), Z)
    f = new_discriminator(0)
    for weight in f.parameters():
        torch.nn.init.zeros_(weight)
    f.layers = torch.nn.Sequential(torch.nn.Linear(2, 1).double())
    with torch.no_grad():
        f.layers[0].weight.copy_(torch.tensor([[-b, 0.0]]))
        f.layers[0].bias.fill_(b * THETA - a)
    d = torch.sigmoid(torch.tensor(-a, dtype=torch.float64))
    eps = float(d + d * (1 - d) * b)
    assert bound(f, fake) == pytest.approx(eps / (1 - eps), rel=1e-12)
    told = progress(0, f, parallel(Z))
    assert told.minimax == pytest.approx(float(d) * b, rel=1e-12)
    assert told.non_saturating == pytest.approx(float(1 - d) * b, rel=1e-12)
    assert told.accuracy == 0.5


def test_a_seed_gives_the_same_discriminator_and_leaves_torch_s_own_alone() -> None:
    before = torch.random.get_rng_state()
    one, other = new_discriminator(3), new_discriminator(3)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
