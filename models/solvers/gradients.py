"""Gradients where the caller has turned them off: the engine runs the steps of models in inference mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pushforward.models.lazy import torch


@contextmanager
def with_gradients() -> Iterator[None]:
    """Autograd records here. Tensors made in inference mode have to be cloned first: it does not record those."""
    with torch.inference_mode(False), torch.enable_grad():
        yield
