"""Bijections: the forward passes of either direction, inverses, and which elements depend on which."""

from itertools import product
from math import prod

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.networks import Affine, Bijection, CubeSpline, RationalQuadratic
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import Shape

D, C = 5, 3
SPLINE: tuple[Shape, ...] = ((4,), (4,), (3,))
AFFINE: tuple[Shape, ...] = ((), ())


def bijection(
    univariate: type = RationalQuadratic, *, passes: int = D, inverse: bool = False, condition_size: int = 0, n: int = 2
) -> Bijection:
    """In float64, far from the identity."""
    shapes = {RationalQuadratic: SPLINE, Affine: AFFINE, CubeSpline: ((4,), (4,), (5,))}[univariate]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        net = Bijection(
            D, univariate=univariate, shapes=shapes, n_transforms=n, passes=passes, width=32, depth=1,
            condition_size=condition_size, inverse=inverse,
        ).double()  # fmt: skip
        for weight in net.parameters():
            weight.data += 0.5 * torch.randn_like(weight) / weight.shape[-1] ** 0.5
    return net.requires_grad_(False)


each_bijection = pytest.mark.parametrize(
    "net",
    [
        bijection(univariate, passes=passes, inverse=inverse, condition_size=condition_size)
        for univariate, (passes, inverse), condition_size in product(
            (RationalQuadratic, Affine, CubeSpline), ((2, False), (D, False), (D, True)), (0, C)
        )
    ],
)


def points(n: int, seed: int = 0) -> Tensor:
    return Noise.rows(seed, n).normal(0, (D,)).double()


def given(net: Bijection, n: int) -> tuple[Tensor, ...]:
    """A condition, where the net takes one."""
    takes = net.layers.transforms[0].hyper[0].in_features > D
    return (Noise.rows(9, n).normal(0, (C,)).double(),) if takes else ()


def calls(net: Bijection, method: str) -> int:
    """Forward passes of one transform, for one call of the method."""
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    handles = [layer.hyper.register_forward_hook(counted) for layer in net.layers.transforms]
    getattr(net, method)(points(7))
    for handle in handles:
        handle.remove()
    return count // len(handles)


@pytest.mark.parametrize("univariate", [RationalQuadratic, Affine])
def test_a_masked_flow_is_fast_forward_and_an_inverse_autoregressive_one_backward(univariate: type) -> None:
    """T17: one forward pass for the density of MAF and D for its samples; of IAF the other way; couplings 1 and 2."""
    for net, forward, backward in (
        (bijection(univariate), 1, D),
        (bijection(univariate, inverse=True), D, 1),
        (bijection(univariate, passes=2), 1, 2),
    ):
        assert calls(net, "forward") == forward
        assert calls(net, "inverse") == backward


def test_the_direction_the_notes_call_slow_is_the_fast_one_of_an_inverse_autoregressive_flow() -> None:
    """Erratum: "(slow f, fast g)" of an IAF posterior, whose z* = f(z) is sampled, would cost D calls a draw."""
    base_to_samples, samples_to_base = "inverse", "forward"
    iaf = bijection(inverse=True)
    assert calls(iaf, base_to_samples) < calls(iaf, samples_to_base)


@each_bijection
def test_the_two_ways_undo_each_other(net: Bijection) -> None:
    v = points(100)
    c = given(net, 100)
    z, _ = net(v, *c)
    assert torch.allclose(net.inverse(z, *c), v, atol=1e-9)
    assert torch.allclose(net(net.inverse(v, *c), *c)[0], v, atol=1e-9)
    assert (z - v).abs().max() > 0.1


@each_bijection
def test_the_log_determinant_is_that_of_the_autograd_jacobian_with_and_without_a_condition(net: Bijection) -> None:
    """T18: at random points and conditions."""
    v = points(4, seed=2)
    c = given(net, 4)
    _, log_det = net(v, *c)
    for i in range(4):
        at = tuple(rows[i : i + 1] for rows in c)
        jacobian = torch.autograd.functional.jacobian(lambda row, at=at: net(row[None], *at)[0][0], v[i])
        assert torch.isclose(torch.linalg.slogdet(jacobian).logabsdet, log_det[i], rtol=1e-9)


def test_a_bijection_depends_on_its_condition() -> None:
    net = bijection(condition_size=C)
    v = points(10)
    one, other = (torch.eye(C, dtype=torch.float64)[i].expand(10, C) for i in (0, 1))
    assert (net(v, one)[0] - net(v, other)[0]).abs().max() > 0.01


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("univariate", [RationalQuadratic, Affine])
def test_a_fully_autoregressive_transform_reads_elements_in_order_then_in_reverse(
    univariate: type, inverse: bool
) -> None:
    """T21: z_i depends on v_1 ... v_i and no others; in the next transform on v_i ... v_D."""
    v = points(1, seed=6)[0]
    layers = bijection(univariate, inverse=inverse).layers.transforms
    first, second = (torch.autograd.functional.jacobian(layer(), v) for layer in layers)
    for jacobian, triangle in ((first, first.tril()), (second, second.triu())):
        assert torch.equal(jacobian, triangle)
        assert (jacobian.diagonal() > 0).all()
        assert jacobian.count_nonzero() == D * (D + 1) / 2


@pytest.mark.parametrize("condition_size", [0, C])
@pytest.mark.parametrize("univariate", [RationalQuadratic, Affine, CubeSpline])
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("features", [1, 4])
def test_an_untrained_bijection_is_the_identity(
    univariate: type, condition_size: int, inverse: bool, features: int
) -> None:
    """T22: whatever is given."""
    shapes = {RationalQuadratic: SPLINE, Affine: AFFINE, CubeSpline: ((4,), (4,), (5,))}[univariate]
    net = Bijection(
        features, univariate=univariate, shapes=shapes, n_transforms=2, passes=features, width=8, depth=1,
        condition_size=condition_size, inverse=inverse,
    ).double()  # fmt: skip
    assert sum(map(prod, (p.shape for p in net.parameters()))) > 0
    v = torch.linspace(-4.9, 4.9, 12, dtype=torch.float64)[:, None].repeat(1, features)
    c = (
        (torch.randn(12, condition_size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),)
        if condition_size
        else ()
    )
    z, log_det = net(v, *c)
    assert torch.allclose(z, v, atol=1e-12)
    assert torch.allclose(log_det, torch.zeros(12, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(net.inverse(v, *c), v, atol=1e-12)


def test_a_cube_spline_keeps_the_cube_and_is_free_at_its_faces() -> None:
    """A spline that is the identity outside has slope 1 at its ends; on the cube nothing asks for it."""
    net = bijection(CubeSpline, passes=2)
    side = torch.linspace(-5, 5, 201, dtype=torch.float64)[1:-1]
    v = side[:, None].repeat(1, D)
    z, _ = net(v)
    assert z.abs().max() < 5
    slope = torch.autograd.functional.jacobian(lambda row: net(row[None])[0][0], v[0] - 0.0499).diagonal()
    assert (slope - 1).abs().min() > 0.01


class Way(nn.Module):
    """One way through a bijection, of a list of tensors."""

    def __init__(self, net: Bijection, method: str) -> None:
        super().__init__()
        self.net = net
        self.method = method

    def forward(self, inputs: list[Tensor]) -> Tensor:
        out: Tensor | tuple[Tensor, Tensor] = getattr(self.net, self.method)(*inputs)
        return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize(
    ("net", "method"),
    [
        (bijection(condition_size=C, n=1), "forward"),
        (bijection(condition_size=C, n=1), "inverse"),
        (bijection(inverse=True, n=1), "inverse"),
        (bijection(CubeSpline, n=1), "forward"),
    ],
)
def test_a_bijection_can_be_exported_for_any_number_of_rows(net: Bijection, method: str) -> None:
    way = Way(net, method)
    inputs = [points(4), *given(net, 4)]
    rows = torch.export.Dim("rows", min=1, max=1024)
    exported = torch.export.export(way, (inputs,), dynamic_shapes=([{0: rows} for _ in inputs],)).module()
    for n in (1, 3):
        some = [each[:n] for each in inputs]
        assert torch.allclose(exported(some), way(some), atol=1e-12)


@pytest.mark.parametrize("condition_size", [0, C])
@pytest.mark.parametrize("passes", [2, 3])
@pytest.mark.parametrize("features", [1, 3])
def test_a_bijection_among_the_elements_that_are_there_leaves_the_others_out(
    features: int, passes: int, condition_size: int
) -> None:
    net = Bijection(
        features, univariate=Affine, shapes=((), ()), n_transforms=3, passes=min(passes, features), width=16, depth=1,
        condition_size=condition_size,
    ).double()  # fmt: skip
    for weight in net.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    c = (torch.randn(8, C).double(),) if condition_size else ()
    present = torch.tensor(list(product([True, False], repeat=features)))
    present = present.repeat(8 // len(present), 1)
    there, v = present.double(), torch.where(present, torch.randn(8, features).double(), 0.0)
    z, log_det = net(v, *c, present=there)
    assert (z[~present] == 0).all()
    torch.testing.assert_close(net.inverse(z, *c, present=there), v)
    for i in range(8):
        of_row = [each[i : i + 1] for each in c]
        jacobian = torch.autograd.functional.jacobian(
            lambda at, i=i, of_row=of_row: net(at[None], *of_row, present=there[i : i + 1])[0][0], v[i]
        )[present[i]][:, present[i]]
        expected = jacobian.det().abs().log() if present[i].any() else torch.zeros(()).double()
        torch.testing.assert_close(log_det[i], expected)
    for mine, whole in zip(net(v, *c, present=torch.ones_like(v)), net(v, *c), strict=True):
        torch.testing.assert_close(mine, whole)
