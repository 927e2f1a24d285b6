"""Networks that grow: what fades in, and what is left when it has."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.networks.adversarial.critics import batch_deviation
from pushforward.models.networks.adversarial.progressive import (
    ProgressiveCritic,
    ProgressiveGenerator,
    down,
    faded,
    pixel_norm,
    sides,
    up,
)

SHAPES = [(1, 8, 8), (3, 28, 28), (1, 13, 9), (1, 5, 32)]


def images(shape: tuple[int, ...], n: int = 4) -> Tensor:
    return torch.rand(n, *shape)


def generator(shape: tuple[int, ...] = (1, 28, 28)) -> ProgressiveGenerator:
    return ProgressiveGenerator(5, shape, width=4)


def critic(shape: tuple[int, ...] = (1, 28, 28)) -> ProgressiveCritic:
    return ProgressiveCritic(shape, 3, width=4)


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_networks_take_and_give_images_of_any_sides(shape: tuple[int, ...]) -> None:
    y = generator(shape)(torch.randn(4, 5))
    assert y.shape == (4, *shape)
    assert critic(shape)(y).shape == (4, 3)


@pytest.mark.parametrize("shape", SHAPES)
def test_networks_that_grow_meet_at_each_side(shape: tuple[int, ...]) -> None:
    g, f = generator(shape), critic(shape)
    for side in sides(shape):
        g.grow(side, 0.3)
        f.grow(side, 0.3)
        assert g(torch.randn(4, 5)).shape == (4, shape[0], side, side) == faded(images(shape), side, 0.3).shape
        assert f(faded(images(shape), side, 0.3)).shape == (4, 3)


def test_sides_double_from_four_until_they_cover_the_image() -> None:
    assert [sides(shape) for shape in SHAPES] == [(4, 8), (4, 8, 16, 32), (4, 8, 16), (4, 8, 16, 32)]


@pytest.mark.parametrize(("before", "side"), [(4, 8), (8, 16), (16, 32)])
def test_a_generator_that_has_not_faded_in_gives_the_smaller_image_enlarged(before: int, side: int) -> None:
    """T55: alpha = 0."""
    g, z = generator(), torch.randn(4, 5)
    g.grow(before, 1.0)
    smaller = g(z)
    g.grow(side, 0.0)
    torch.testing.assert_close(g(z), up(smaller), rtol=0, atol=0)


@pytest.mark.parametrize(("before", "side"), [(4, 8), (8, 16), (16, 32)])
def test_a_critic_that_has_not_faded_in_scores_the_image_made_smaller(before: int, side: int) -> None:
    """T55: alpha = 0; at that fade it is shown enlarged images, and the smaller one sees them as they were."""
    f, x = critic(), images((1, 28, 28))
    f.grow(before, 1.0)
    smaller = f(faded(x, before, 1.0))
    f.grow(side, 0.0)
    torch.testing.assert_close(f(faded(x, side, 0.0)), smaller)


@pytest.mark.parametrize("side", [8, 16, 32])
def test_at_the_end_of_the_fade_only_the_new_is_left(side: int) -> None:
    """T55: alpha = 1, whatever the smaller image was."""
    g, f, z, x = generator(), critic(), torch.randn(4, 5), images((1, side, side))
    for net in (g, f):
        net.grow(side, 1.0)
    y, scores = g(z), f(x)
    with torch.no_grad():
        for net in (g, f):
            for weight in net.colors[str(side // 2)].parameters():
                weight.add_(1.0)
    assert torch.equal(g(z), y)
    assert torch.equal(f(x), scores)


def test_in_between_it_is_a_mixture() -> None:
    g, z, y = generator(), torch.randn(4, 5), dict[float, Tensor]()
    for alpha in (0.0, 0.25, 1.0):
        g.grow(16, alpha)
        y[alpha] = g(z)
    torch.testing.assert_close(y[0.25], 0.75 * y[0.0] + 0.25 * y[1.0])


def test_a_whole_network_is_one_that_has_grown_and_faded_in() -> None:
    g, f, z, x = generator((1, 32, 32)), critic((1, 32, 32)), torch.randn(4, 5), images((1, 32, 32))
    y, scores = g(z), f(x)
    for net in (g, f):
        net.grow(32, 1.0)
    assert torch.equal(g(z), y)
    assert torch.equal(f(x), scores)


def test_rows_fade_as_images_of_the_generator_do() -> None:
    x = images((1, 32, 32))
    assert torch.equal(faded(x, 32, 1.0), x)
    assert torch.equal(faded(x, 32, 0.0), up(down(x)))
    torch.testing.assert_close(faded(x, 8, 1.0), down(down(x)))


def test_features_have_mean_square_one_at_each_pixel() -> None:
    """T55."""
    h = pixel_norm(100 * torch.randn(3, 16, 4, 4) + 5)
    torch.testing.assert_close(h.square().mean(1), torch.ones(3, 4, 4))


def test_equal_rows_do_not_deviate() -> None:
    """T55: the minibatch deviation of an identical batch is 0, and of another it is the mean deviation."""
    phi = torch.randn(1, 16)
    assert batch_deviation(phi.expand(8, 16)).item() == pytest.approx(0.0, abs=1e-9)
    assert batch_deviation(torch.cat([phi - 2, phi + 2])).item() == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("build", [generator, critic])
def test_the_parts_in_use_are_those_that_have_a_gradient(
    build: Callable[[], ProgressiveGenerator | ProgressiveCritic],
) -> None:
    net: nn.Module = build()
    assert isinstance(net, ProgressiveGenerator | ProgressiveCritic)
    for side in net.sides:
        net.grow(side, 0.5)
        rows = torch.randn(4, 5) if isinstance(net, ProgressiveGenerator) else images((1, side, side))
        gradients = torch.autograd.grad(net(rows).square().sum(), list(net.parameters()), allow_unused=True)
        named = zip(net.named_parameters(), gradients, strict=True)
        reached = {".".join(name.split(".")[:2]) for (name, _), gradient in named if gradient is not None}
        assert reached == set(net.in_use)
