"""Maps of a real: what they are beyond their box (float64)."""

import pytest
import torch

from pushforward.models.flows.univariate import Affine, Spline


@pytest.mark.parametrize("bins", [2, 8])
def test_a_spline_meets_the_identity_outside_its_box_with_its_slope(bins: int) -> None:
    """K - 1 slopes are told, those inside: with one more, a density would jump at the ends of the box."""
    spline, rng = Spline(bins=bins), torch.Generator().manual_seed(0)
    shapes = list(spline.shapes)
    assert shapes == [(bins,), (bins,), (bins - 1,)]
    told = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in shapes]
    x = torch.tensor([-7.0, -5 + 1e-9, 5 - 1e-9, 7.0], dtype=torch.float64)
    parameters = [part.expand(4, *part.shape) for part in told]
    y, log_slope = spline.univariate(*parameters).call_and_ladj(x)
    assert y.tolist() == pytest.approx(x.tolist(), abs=1e-7)
    assert log_slope.tolist() == pytest.approx([0.0] * 4, abs=1e-6)


def test_an_affine_map_is_told_two_numbers() -> None:
    shift, log_scale = torch.tensor([1.5]).double(), torch.tensor([0.3]).double()
    assert list(Affine().shapes) == [(), ()]
    y, log_slope = Affine().univariate(shift, log_scale).call_and_ladj(torch.tensor([2.0]).double())
    assert float(log_slope) == pytest.approx(float(torch.log((y - 1.5) / 2.0)))
