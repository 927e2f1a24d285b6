"""The numbers that networks compute in while they train: float32, or bfloat16 where it costs little.

bfloat16 has the range of float32 and 8 bits of its 24, so gradients need no scaling. It is for matrix products and
convolutions, which are most of a step, and for nothing that adds many numbers up. So it ends at the borders of the
networks' bodies, the chains of such layers:

    in bfloat16     what a body makes of its input, and the gradients of that
    in float32      weights, their gradients, Adam's moments and the average; losses, log-determinants, the maps of
                    flows, embeddings, preconditioning, statistics of a batch, heads of critics, and weights that are
                    computed from others (spectral norms)

A body's output is float32 again, so the family's mathematics is what it is without. autocast is entered for each body
and not for the whole step: a game draws fakes without gradients and then with them, and autocast would take the weights
that it converted without gradients for those that have some.

References:
    | Mixed Precision Training (Micikevicius et al., 2018), https://arxiv.org/abs/1710.03740
    | A Study of BFLOAT16 for Deep Learning Training (Kalamkar et al., 2019), https://arxiv.org/abs/1905.12322
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList
from zuko.nn import MaskedMLP

from pushforward.models import networks
from pushforward.models.losses import Loss
from pushforward.models.networks import Nets
from pushforward.models.networks.adversarial.translation import ResidualTranslator
from pushforward.models.networks.conv import ConvDecoder, ConvEncoder
from pushforward.models.networks.denoiser import ResidualMLP
from pushforward.models.networks.residual import ResidualEncoder
from pushforward.models.networks.unet import UNet

BODIES = (
    networks.MLP, ResidualMLP, MaskedMLP, networks.MADE, networks.MaskedPerceptron,
    ConvEncoder, ConvDecoder, UNet, ResidualEncoder, networks.ResidualGenerator, networks.ResidualCritic,
    networks.DCGANGenerator, networks.DCGANCritic, networks.ProgressiveGenerator, networks.ProgressiveCritic,
    networks.GatedPixelCNN, ResidualTranslator,
)  # fmt: skip


def in_bfloat16(losses: Iterator[Loss], nets: Nets) -> Iterator[Loss]:
    """The losses of a family's step on these networks, whose bodies compute in bfloat16.

    A family computes a loss when the one before is descended on, so each is asked for within.
    """
    while True:
        with _bfloat16(nets):
            loss = next(losses, None)
        if loss is None:
            return
        yield loss


def bodies(net: nn.Module) -> Iterator[nn.Module]:
    """The bodies within a network, the outermost ones."""
    if isinstance(net, BODIES):
        yield net
        return
    for part in net.children():
        yield from bodies(part)


@contextmanager
def _bfloat16(nets: Nets) -> Iterator[None]:
    """The bodies of these networks, and copies that a family makes of them meanwhile, compute in bfloat16."""
    device = next(nets.parameters()).device.type
    with ExitStack() as hooks:
        for body in bodies(nets):
            _Autocast(device, enabled=True).attach(body, hooks)
            for weights in body.modules():
                if isinstance(weights, ParametrizationList):
                    _Autocast(device, enabled=False).attach(weights, hooks)
        yield


@final
class _Autocast:
    """Autocast from before a module computes until it has, also where that fails; its output is float32."""

    def __init__(self, device: str, *, enabled: bool) -> None:
        self._device, self._enabled = device, enabled
        self._entered: list[ExitStack] = []  # by calls within calls

    def attach(self, module: nn.Module, until: ExitStack) -> None:
        until.enter_context(module.register_forward_pre_hook(self._enter))
        until.enter_context(module.register_forward_hook(self._leave, always_call=True))

    def _enter(self, module: nn.Module, args: Any) -> None:
        call = ExitStack()  # without a cache: weights are used once a call, and change between calls
        call.enter_context(torch.autocast(self._device, torch.bfloat16, enabled=self._enabled, cache_enabled=False))
        self._entered.append(call)

    def _leave(self, module: nn.Module, args: Any, out: Tensor | None) -> Tensor | None:
        self._entered.pop().close()
        return out.float() if out is not None and out.dtype is torch.bfloat16 else None  # None: as it is
