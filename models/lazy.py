"""Torch by name, before torch is imported.

The APIs validate a run and list capabilities without PyTorch, so modules that describe families must not import it.
They write `from pushforward.models.lazy import F, torch` and the first attribute asked for imports the module.
(`lazy_loader` would put the name into `sys.modules` at once, see docs/decisions/0001.)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch as torch
    import torch.nn.functional as F
else:

    class _Module:
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            value = getattr(import_module(self._name), attribute)
            setattr(self, attribute, value)
            return value

    torch = _Module("torch")
    F = _Module("torch.nn.functional")

__all__ = ["F", "torch"]
