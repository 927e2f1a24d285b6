"""Masked perceptrons of variables of several widths."""

import torch

from pushforward.models.networks import MaskedPerceptron

INPUTS, OUTPUTS = [2, 0, 0, 1, 1, 1, 2], [1, 1, 0, 2, 2, 2, 0, 1]


def test_the_parameters_of_a_variable_see_exactly_the_variables_before_it() -> None:
    net = MaskedPerceptron(INPUTS, OUTPUTS, width=32, depth=2).double()
    seen = torch.zeros(len(OUTPUTS), len(INPUTS), dtype=torch.bool)
    for x in torch.randn(8, len(INPUTS), dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(lambda at: net(at[None])[0], x)
        seen |= jacobian != 0
    assert torch.equal(seen, torch.tensor(OUTPUTS)[:, None] > torch.tensor(INPUTS))


def test_every_parameter_sees_the_condition() -> None:
    net = MaskedPerceptron(INPUTS, OUTPUTS, width=32, depth=2, condition_size=2).double()
    x, c = torch.randn(1, len(INPUTS)).double(), torch.randn(1, 2).double()
    assert (net(x, c) != net(x, c + 1)).all()
