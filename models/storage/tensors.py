"""Tensors on disk, and the errors of reading them: the machine's fault, or the file's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from torch import Tensor

from pushforward.models.errors import BadCheckpoint, Hindered, LaboratoryError, hindrance
from pushforward.models.networks import Nets


def fill(nets: Nets, tensors: Mapping[str, Tensor], what: str) -> None:
    """Copy tensors into networks of the same names, shapes and types."""
    expected = {name: (tuple(t.shape), t.dtype) for name, t in nets.state_dict().items()}
    found = {name: (tuple(t.shape), t.dtype) for name, t in tensors.items()}
    if expected != found:
        differ = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise BadCheckpoint(f"the {what} do not fit the architecture; the first of {len(differ)} is {differ[0]!r}")
    nets.load_state_dict(dict(tensors))


def parse(payload: bytes) -> dict[str, Tensor]:
    """Tensors by name. Raises BadCheckpoint."""
    try:
        return from_safetensors(payload)
    except SafetensorError as error:
        raise BadCheckpoint(f"the tensors cannot be read: {error}") from error


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, named without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that share no memory, which safetensors would refuse."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}


def write(file: Path, content: bytes) -> None:
    """Write and flush to the disk. Raises OSError."""
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def unreadable(what: str, error: Exception) -> LaboratoryError:
    """The error for a file that cannot be read: the machine's fault, or the file's. Its message holds no path."""
    if isinstance(error, OSError):
        if why := hindrance(error):
            return Hindered(f"{what} cannot be read: {why}")
        return BadCheckpoint(f"{what} cannot be read: {error.strerror}")
    return BadCheckpoint(f"{what} cannot be read: {error}")
