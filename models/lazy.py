"""Torch by name, before torch is imported.

The doors validate a run and list capabilities without PyTorch, so modules that describe families must not import
it. They write `from models.lazy import F, networks, torch` and the first attribute asked for imports the module.
(`lazy_loader` would put the name into `sys.modules` at once, see docs/decisions/0001.)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch as torch
    import torch.nn.functional as F

    from models import continuous as continuous
    from models import descending as descending
    from models import networks as networks
    from models import refining as refining
    from models import samplers as samplers
    from models import sampling as sampling
    from models import sampling_autoregressive as sampling_autoregressive
    from models import scoring as scoring
    from models import scoring_bound as scoring_bound
    from models import solving as solving
    from models import walking as walking
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
    continuous = _Module("models.continuous")
    descending = _Module("models.descending")
    networks = _Module("models.networks")
    refining = _Module("models.refining")
    samplers = _Module("models.samplers")
    sampling = _Module("models.sampling")
    sampling_autoregressive = _Module("models.sampling_autoregressive")
    scoring = _Module("models.scoring")
    scoring_bound = _Module("models.scoring_bound")
    solving = _Module("models.solving")
    walking = _Module("models.walking")

__all__ = [
    "F",
    "continuous",
    "descending",
    "networks",
    "refining",
    "samplers",
    "sampling",
    "sampling_autoregressive",
    "scoring",
    "scoring_bound",
    "solving",
    "torch",
    "walking",
]
