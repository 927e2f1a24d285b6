"""Levels become bins centered on them."""

import torch

from models.objectives.dequantization import dequantize
from models.spec import DataSpec


def test_points_of_a_bin_round_to_its_level() -> None:
    spec = DataSpec(shape=(3,), low=-1, high=2, levels=7)
    level = torch.tensor([[-1.0, 0.5, 2.0]])
    for u in (1e-6, 0.3, 0.5, 1 - 1e-6):
        point = dequantize(spec, level, torch.full_like(level, u))
        assert torch.equal(spec.quantize(point), level)
    assert torch.equal(dequantize(spec, level, torch.full_like(level, 0.5)), level)
