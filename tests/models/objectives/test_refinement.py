"""Each row climbs its own hill."""

import torch
from torch import Tensor

from models.objectives.refinement import refine

TOP = torch.tensor([[1.0, -2.0], [300.0, 0.5], [0.0, 0.0]], dtype=torch.float64)
HEIGHT = torch.tensor([1.0, 1e-4, 1e4], dtype=torch.float64)


def hills(h: Tensor, step: int) -> Tensor:
    return -HEIGHT[: len(h)] * ((h - TOP[: len(h)]) ** 2).sum(1)


def test_rows_reach_their_tops_whatever_the_heights() -> None:
    start = TOP + torch.tensor([[0.5, 1.0], [-2.0, 1.0], [1.0, -3.0]], dtype=torch.float64)
    assert torch.allclose(refine(hills, start, 300), TOP, atol=1e-3)


def test_a_row_goes_the_same_way_alone() -> None:
    start = TOP + 1
    assert torch.equal(refine(hills, start, 20)[:1], refine(hills, start[:1], 20))


def test_no_steps_lead_nowhere() -> None:
    assert torch.equal(refine(hills, TOP + 1, 0), TOP + 1)
