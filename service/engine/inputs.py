"""The arrays of a request as tensors: conditions, data, codes."""

from __future__ import annotations

import torch
from torch import Tensor

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.inference import Question


def conditions(question: Question, spec: DataSpec, device: torch.device) -> Tensor:
    """C of each row, (rows, C): zeros where a model takes a condition and the request has none."""
    if spec.condition is None or "condition" not in question.arrays:
        return torch.zeros(question.rows, spec.condition_size, device=device)
    dtype = getattr(torch, spec.condition.dtype)
    return spec.condition.code(_checked(_tensor(question, "condition", dtype, device), question, "condition"))


def data(question: Question, spec: DataSpec, device: torch.device) -> Tensor:
    """Data for each row, as networks see them: without the elements that never vary."""
    return _checked(single_data(question, "x", spec, device), question, "x")


def codes(question: Question, device: torch.device) -> Tensor:
    """A code for each row."""
    return _checked(_tensor(question, "z", torch.float32, device), question, "z")


def single_data(question: Question, name: str, spec: DataSpec, device: torch.device) -> Tensor:
    """Data in an array of this name, however many rows it has."""
    return spec.to_networks(_tensor(question, name, getattr(torch, spec.dtype), device))


def _checked(rows: Tensor, question: Question, name: str) -> Tensor:
    """The rows, if there is one for each row of the answer. Raises Invalid."""
    if len(rows) != question.rows:
        raise Invalid.field(name, f"has {len(rows)} rows where the question has {question.rows}")
    return rows


def _tensor(question: Question, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    if name not in question.arrays:
        raise Invalid.field(name, "is missing")
    return torch.tensor(question.arrays[name], dtype=dtype, device=device)
