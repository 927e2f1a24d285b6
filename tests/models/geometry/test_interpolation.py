import math

import pytest
import torch
from torch import Tensor

from pushforward.models.geometry.interpolation import PATHS, Path, linear, slerp

A = torch.tensor([3.0, 0.0, 0.0])
B = torch.tensor([0.0, 3.0, 0.0])
ZERO = torch.zeros(3)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("start", [A, -A, ZERO, torch.tensor([1e-30, 0.0, 0.0]), torch.tensor([0.1, 0.7, -2.0])])
@pytest.mark.parametrize("end", [A, B, ZERO, torch.tensor([1e20, 0.0, 1.0])])
def test_a_path_is_finite_and_its_ends_are_exact(path: Path, start: Tensor, end: Tensor) -> None:
    z = path(start, end, 7)
    assert z.shape == (7, 3)
    assert z.isfinite().all()
    assert torch.equal(z[0], start)
    assert torch.equal(z[-1], end)


def test_a_line_has_equal_steps() -> None:
    assert torch.allclose(linear(A, B, 3)[1], torch.tensor([1.5, 1.5, 0.0]))


def test_slerp_is_the_formula_of_white_for_codes_of_one_norm() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, 50, generator=generator, dtype=torch.float64)).unbind()
    b = b / b.norm() * a.norm()
    theta = torch.acos((a @ b) / (a.norm() * b.norm()))
    t = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    formula = (torch.sin((1 - t) * theta) * a + torch.sin(t * theta) * b) / torch.sin(theta)
    assert torch.allclose(slerp(a, b, 9), formula, atol=1e-12)


def test_the_norm_along_slerp_is_linear() -> None:
    norms = slerp(A, 2 * B, 5).norm(dim=1)
    assert torch.allclose(norms, torch.tensor([3.0, 3.75, 4.5, 5.25, 6.0]))


@pytest.mark.parametrize("almost", [0.0, 1e-12, 1e-7, 1e-3])
def test_slerp_between_opposite_codes_goes_round_and_not_through(almost: float) -> None:
    a = torch.tensor([2.0, 0.0], dtype=torch.float64)
    z = slerp(a, torch.tensor([-2.0, 2 * almost], dtype=torch.float64), 5)
    assert torch.allclose(z.norm(dim=1), torch.full((5,), 2.0, dtype=torch.float64), atol=1e-5)
    angles = torch.atan2(z[:, 1], z[:, 0]).abs()
    assert torch.allclose(angles, torch.linspace(0, math.pi, 5, dtype=torch.float64), atol=1e-2)


def test_a_path_keeps_the_shape_and_type_of_its_codes() -> None:
    z = slerp(torch.ones(2, 3, 4), -torch.ones(2, 3, 4), 5)
    assert z.shape == (5, 2, 3, 4)
    assert z.dtype == torch.float32


def test_a_code_of_one_dimension_has_a_path() -> None:
    assert slerp(torch.tensor([1.0]), torch.tensor([-1.0]), 5).isfinite().all()


def test_a_path_of_one_step_or_between_different_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 steps"):
        slerp(A, B, 1)
    with pytest.raises(ValueError, match="alike"):
        linear(A, B[:2], 3)
