r"""When networks grow: a training of progressively larger images.

With sides 4, 8, ..., S, of which there are L, the first share g of a training is cut into 2 (L - 1) equal parts:

    4 trains, 8 fades in, 8 trains, ..., S fades in;        then S trains for the rest.

While a side fades in its alpha rises linearly from 0 to 1, and stays 1 afterwards. Side and alpha are functions of
(step, total steps) alone, so a training resumes in any phase. The losses of a side carry its name, so each side has
optimizers of its own, and they train the parts in use (`Loss.trains`).

References:
    | Progressive Growing of GANs for Improved Quality, Stability, and Variation (Karras et al., 2017), arXiv:1710.10196
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pushforward.models import networks
from pushforward.models.losses import Loss

if TYPE_CHECKING:
    from torch import nn

    from pushforward.models.networks import Nets


class GrowthPhase(NamedTuple):
    """What networks compute at a step."""

    side: int
    alpha: float  # how far the side has faded in


def phase(sides: tuple[int, ...], share: float) -> GrowthPhase:
    """The phase of a training.

    Arguments:
        sides: 4, 8, ...; at least two.
        share: how much of the growth is over; 1 and more is after it.
    """
    parts = 2 * (len(sides) - 1)
    part, rest = divmod(share * parts, 1)
    if part >= parts:
        return GrowthPhase(sides[-1], 1.0)
    return GrowthPhase(sides[(int(part) + 1) // 2], rest if part % 2 else 1.0)


def grow(nets: Nets, to: GrowthPhase) -> None:
    """Let all networks that grow compute at this phase."""
    for module in nets.modules():
        if isinstance(module, networks.Growing):
            module.grow(*to)


def of_side(nets: Nets, loss: Loss) -> Loss:
    """A loss by the name of the present side, on the parts of its networks that are in use."""
    side = next(module.side for module in nets.modules() if isinstance(module, networks.Growing))
    parts = tuple(part for name in loss.trains for part in in_use(nets[name], name))
    return loss._replace(name=f"{loss.name}_{side}", trains=parts)


def in_use(net: nn.Module, name: str) -> Iterator[str]:
    """The paths of the parts of a network that compute something in its present mode."""
    if isinstance(net, networks.Growing):
        yield from (f"{name}.{part}" for part in net.in_use)
    elif any(isinstance(part, networks.Growing) for part in net.modules()):
        for child, part in net.named_children():
            yield from in_use(part, f"{name}.{child}")
    else:
        yield name
