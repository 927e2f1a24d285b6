"""Networks compiled ahead of time for any number of rows, without their weights.

`torch.export` traces a method of a network into a graph whose number of rows is a symbol; AOTInductor compiles that
into a shared library. Weights are an argument here too: a package is the library and a reference to the weights of a
network, so all models of one architecture share one compilation and no weights are held twice.

References:
    | PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph Compilation
    | (Ansel et al., 2024), doi:10.1145/3620665.3640366
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, final

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch._C._aoti import AOTIModelPackageLoader

from pushforward.models.families import AnyFamily
from pushforward.models.spec.data_spec import DataSpec, Shape

MAX_ROWS = 2**16  # of a call; larger calls are eager
TOLERANCE = 1e-4  # relative to the largest number of the answer

Outputs = Tensor | tuple[Tensor, ...]


@final
class CompileOrder(BaseModel):
    """What to compile. Equal orders have equal packages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: AnyFamily
    spec: DataSpec
    net: str
    method: Literal["forward", "inverse"]
    inputs: tuple[Shape, ...]  # of one row of each, float32
    device: str
    torch_threads: int


@final
class PackageComparison(BaseModel):
    """How a package compares with the network it was made of, on this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: float  # eager time over compiled time, the geometric mean over calls of 1, 8 and 64 rows
    difference: float  # the largest, relative to the largest number of the answer


@final
class MethodOf(nn.Module):
    """A method of a network as a function of weights and rows, without the network's own weights.

    If it had them, small ones would become constants of the compiled code, which also serves other weights.
    """

    def __init__(self, net: nn.Module, method: str) -> None:
        super().__init__()
        self._call = [_Called(net, method)]  # in a list, so that its weights are not registered

    def forward(self, weights: list[Tensor], inputs: list[Tensor]) -> Outputs:
        """The method's output."""
        call = self._call[0]
        names = [f"net.{name}" for name in weights_of(call.net)]
        outputs: Outputs = torch.func.functional_call(call, dict(zip(names, weights, strict=True)), tuple(inputs))
        return outputs


@final
class _Called(nn.Module):
    def __init__(self, net: nn.Module, method: str) -> None:
        super().__init__()
        self.net = net
        self._method = method

    def forward(self, *inputs: Tensor) -> Outputs:
        outputs: Outputs = getattr(self.net, self._method)(*inputs)
        return outputs


def weights_of(net: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name."""
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}


@final
class Package:
    """A compiled method that computes with the weights of a network: float32, no gradients."""

    def __init__(self, file: Path, net: nn.Module, inputs: tuple[Shape, ...], device: torch.device) -> None:
        self._inputs = inputs
        self._device = device
        self._weights = list(weights_of(net).values())
        self._loader = AOTIModelPackageLoader(
            str(file), "model", False, 1, -1 if device.index is None else device.index
        )

    def takes(self, inputs: tuple[Tensor, ...]) -> bool:
        """Whether the compiled code can take this call: the code itself checks nothing."""
        return (
            not torch.is_grad_enabled()
            and tuple(t.shape[1:] for t in inputs) == self._inputs
            and all(t.dtype == torch.float32 and t.device == self._device for t in inputs)
            and len({len(t) for t in inputs}) == 1
            and 0 < len(inputs[0]) <= MAX_ROWS
        )

    def __call__(self, *inputs: Tensor) -> Outputs:
        outputs = self._loader.boxed_run([*self._weights, *(t.contiguous() for t in inputs)])
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def difference(ours: Outputs, theirs: Outputs) -> float:
    """The largest difference, relative to the largest number, or to 1 where all are smaller."""
    a, b = (outputs if isinstance(outputs, tuple) else (outputs,) for outputs in (ours, theirs))
    if [t.shape for t in a] != [t.shape for t in b]:
        return float("inf")
    return max(float((x - y).abs().max() / y.abs().max().clamp(min=1)) for x, y in zip(a, b, strict=True))
