"""When networks grow: the phases of a training, and what is trained in each."""

import pytest
import torch

from pushforward.models import networks
from pushforward.models.adversarial import growth
from pushforward.models.adversarial.growth import GrowthPhase
from pushforward.models.losses import Loss
from pushforward.models.networks import CriticHead, Nets, ProgressiveCritic, ProgressiveGenerator
from pushforward.models.spec.data_spec import DataSpec

SIDES = (4, 8, 16, 32)


def test_each_side_fades_in_and_then_trains() -> None:
    """T55: six parts of the growth, and the last side for the rest."""
    shares = (0.0, 0.1, 1 / 6, 0.25, 1 / 3 + 1e-9, 0.4, 0.5 + 1e-9, 0.75, 11 / 12, 1.0, 2.0)
    phases = [growth.phase(SIDES, share) for share in shares]
    assert [phase.side for phase in phases] == [4, 4, 8, 8, 8, 8, 16, 16, 32, 32, 32]
    assert [phase.alpha for phase in phases] == pytest.approx([1, 1, 0, 0.5, 1, 1, 0, 1, 0.5, 1, 1], abs=1e-6)


def test_sides_and_fades_never_fall_back() -> None:
    phases = [growth.phase(SIDES, k / 1000) for k in range(1200)]
    assert phases == sorted(phases, key=lambda phase: phase.side)
    for side in SIDES:
        fades = [phase.alpha for phase in phases if phase.side == side]
        assert fades == sorted(fades)
    assert phases[-1] == GrowthPhase(32, 1.0)


def test_two_sides_grow_too() -> None:
    phases = [growth.phase((4, 8), share) for share in (0.0, 0.75, 1.0)]
    assert phases == [GrowthPhase(4, 1), GrowthPhase(8, 0.5), GrowthPhase(8, 1)]


def test_a_loss_carries_the_side_and_trains_the_parts_in_use() -> None:
    head = CriticHead(ProgressiveCritic((1, 16, 16), 8, width=2), 8, 1)
    nets = Nets(DataSpec(shape=(1, 16, 16)), generator=ProgressiveGenerator(3, (1, 16, 16), width=2), critic=head)
    growth.grow(nets, GrowthPhase(8, 0.5))
    loss = growth.of_side(nets, Loss("both", torch.zeros(()), ("generator", "critic")))
    assert loss.name == "both_8"
    parts = ("blocks.4", "blocks.8", "colors.4", "colors.8")
    assert loss.trains == (*(f"generator.{part}" for part in parts), *(f"critic.body.{part}" for part in parts),
                           "critic.score")  # fmt: skip


def test_networks_that_do_not_grow_keep_their_names() -> None:
    assert list(growth.in_use(networks.MLP((2,), (2,), width=4, depth=1), "posterior")) == ["posterior"]
