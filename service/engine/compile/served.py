"""Networks that are served eagerly at first, and from a compiled package once there is one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter
from typing import final

import torch
from torch import Tensor, nn

from pushforward.models.networks import Bijection
from pushforward.models.spec.data_spec import Shape
from pushforward.service.engine.compile.packages import Outputs, Package

log = logging.getLogger(__name__)


@final
class ServedCall:
    """One method of a network: eager, then compiled."""

    def __init__(
        self,
        net: nn.Module,
        eager: Callable[..., Outputs],
        order: Callable[[ServedCall, tuple[Shape, ...]], None],
        pays_after_s: float,
    ) -> None:
        self.net = net
        self.eager = eager
        self._order = order
        self._left_s = pays_after_s  # of eager computing until it is compiled
        self._package: Package | None = None

    @property
    def is_compiled(self) -> bool:
        """Whether it has a package."""
        return self._package is not None

    def adopt(self, package: Package) -> None:
        """Use this package from the next call on."""
        self._package = package

    def __call__(self, *inputs: Tensor) -> Outputs:
        package = self._package
        if package is not None and package.takes(inputs):
            try:
                return package(*inputs)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError:
                log.warning("a compiled network failed and is eager again", exc_info=True)
                self._package = None
        since = perf_counter()
        outputs = self.eager(*inputs)
        if self._left_s > 0 and not torch.is_grad_enabled() and all(t.dtype == torch.float32 for t in inputs):
            self._left_s -= perf_counter() - since
            if self._left_s <= 0:
                self._order(self, tuple(tuple(t.shape[1:]) for t in inputs))
        return outputs


class ServedNet(nn.Module):
    """A network whose calls are compiled once that pays. It is never saved."""

    def __init__(self, net: nn.Module, forward: ServedCall) -> None:
        super().__init__()
        self.net = net
        self.calls = {"forward": forward}

    def forward(self, *inputs: Tensor) -> Outputs:
        """The network's output."""
        return self.calls["forward"](*inputs)


@final
class ServedBijection(ServedNet):
    """A bijection, whose inverse is compiled as well."""

    def __init__(self, net: Bijection, forward: ServedCall, inverse: ServedCall) -> None:
        super().__init__(net, forward)
        self.calls["inverse"] = inverse

    def inverse(self, *inputs: Tensor) -> Outputs:
        """The output of the inverse."""
        return self.calls["inverse"](*inputs)
