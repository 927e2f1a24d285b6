"""What a generator of a table's rows keeps of the data."""

import torch

from pushforward.models.networks import CaseCounts, NumberModes


def test_counts_add_up_over_batches_and_are_part_of_the_state() -> None:
    cases = CaseCounts(3)
    cases.add(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    cases.add(torch.tensor([[1.0, 0.0, 0.0]]))
    assert cases().tolist() == [2, 1, 0]
    again = CaseCounts(3)
    again.load_state_dict(cases.state_dict())
    assert again().tolist() == [2, 1, 0]


def test_what_is_read_of_counts_does_not_change_with_them() -> None:
    cases = CaseCounts(1)
    before = cases()
    cases.add(torch.ones(1, 1))
    assert before.tolist() == [0]


def test_modes_have_a_row_for_each_number_and_none_without_numbers() -> None:
    modes = NumberModes([([0.25, 0.75], [-1.0, 1.0], [1.0, 2.0]), ([1.0, 0.0], [3.0, 0.0], [1.0, 1.0])])
    assert modes.weight.tolist() == [[0.25, 0.75], [1.0, 0.0]]
    assert modes.mean.tolist() == [[-1.0, 1.0], [3.0, 0.0]]
    assert modes.std.tolist() == [[1.0, 2.0], [1.0, 1.0]]
    assert NumberModes([]).weight.shape == (0, 1)
