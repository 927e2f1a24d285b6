"""Data from noise, step by step."""

from typing import final

import torch
from torch import Tensor

from pushforward.models.noise import Noise
from pushforward.models.stepwise.program import State
from pushforward.models.stepwise.sampling import OneStep, Sampler, sample


@final
class NoisySum(Sampler):
    """Adds its index and the noise of each step."""

    @property
    def steps(self) -> int:
        return 3

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        return noise.normal(0, (2,)), *given

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c = state
        return x + k[:, None] + noise.normal(k + 1, (2,)), c

    def finish(self, state: State, noise: Noise) -> Tensor:
        return 10 * state[0]


def test_a_sample_goes_through_every_step_with_the_noise_of_that_step() -> None:
    noise = Noise.rows(1, 4)
    expected = 10 * (3 + sum(noise.normal(draw, (2,)) for draw in range(4)))
    assert torch.allclose(sample(NoisySum(), noise), expected)


def test_a_code_is_decoded_in_one_step() -> None:
    sampler = OneStep(lambda noise, _: noise.normal(0, (3,)), lambda z, noise, _: 2 * z + noise.normal(1, (3,)))
    noise = Noise.rows(1, 4)
    assert sampler.steps == 1
    assert torch.equal(sample(sampler, noise), 2 * noise.normal(0, (3,)) + noise.normal(1, (3,)))


def test_a_sample_carries_no_gradient() -> None:
    weight = torch.ones(3, requires_grad=True)
    sampler = OneStep(lambda noise, _: noise.normal(0, (3,)), lambda z, *_: z * weight)
    assert not sample(sampler, Noise.rows(0, 2)).requires_grad
