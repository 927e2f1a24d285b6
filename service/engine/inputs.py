"""The arrays of a request as tensors: conditions, data, codes."""

from __future__ import annotations

import torch
from torch import Tensor

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.inference import InferenceRequest


def conditions(request: InferenceRequest, spec: DataSpec, device: torch.device, *, name: str = "condition") -> Tensor:
    """C of each row, (rows, C): zeros where a model takes a condition and the request has none."""
    if spec.condition is None or name not in request.arrays:
        return torch.zeros(request.rows, spec.condition_size, device=device)
    dtype = getattr(torch, spec.condition.dtype)
    return spec.condition.code(_checked(_tensor(request, name, dtype, device), request, name))


def data(request: InferenceRequest, spec: DataSpec, device: torch.device) -> Tensor:
    """Data for each row, as networks see them: without the elements that never vary."""
    return _checked(single_data(request, "x", spec, device), request, "x")


def patches(request: InferenceRequest, spec: DataSpec, device: torch.device) -> Tensor:
    """Patches for each row."""
    return _checked(_tensor(request, "patches", getattr(torch, spec.dtype), device), request, "patches")


def given_cells(request: InferenceRequest, device: torch.device) -> Tensor:
    """Which cells of each row are known, bool."""
    return _checked(_tensor(request, "given", torch.bool, device), request, "given")


def codes(request: InferenceRequest, device: torch.device) -> Tensor:
    """A code for each row."""
    return _checked(_tensor(request, "z", torch.float32, device), request, "z")


def single_data(request: InferenceRequest, name: str, spec: DataSpec, device: torch.device) -> Tensor:
    """Data in an array of this name, however many rows it has."""
    return spec.to_networks(_tensor(request, name, getattr(torch, spec.dtype), device))


def _checked(rows: Tensor, request: InferenceRequest, name: str) -> Tensor:
    """The rows, if there is one for each row of the answer. Raises Invalid."""
    if len(rows) != request.rows:
        raise Invalid.field(name, f"has {len(rows)} rows where the request has {request.rows}")
    return rows


def _tensor(request: InferenceRequest, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    if name not in request.arrays:
        raise Invalid.field(name, "is missing")
    return torch.tensor(request.arrays[name], dtype=dtype, device=device)
