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

    from models.flows import continuous as continuous
    from models.latents import inversion as descending
    from models import networks as networks
    from models.variational import refinement as refining
    from models import samplers as samplers
    from models.stepwise import sampling as sampling
    from models.samplers import autoregressive as sampling_autoregressive
    from models.stepwise import scoring as scoring
    from models.samplers import variational_bound as scoring_bound
    from models.solvers import ode as solving
    from models.stepwise import mapping as walking
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
    continuous = _Module("models.flows.continuous")
    descending = _Module("models.latents.inversion")
    networks = _Module("models.networks")
    refining = _Module("models.variational.refinement")
    samplers = _Module("models.samplers")
    sampling = _Module("models.stepwise.sampling")
    sampling_autoregressive = _Module("models.samplers.autoregressive")
    scoring = _Module("models.stepwise.scoring")
    scoring_bound = _Module("models.samplers.variational_bound")
    solving = _Module("models.solvers.ode")
    walking = _Module("models.stepwise.mapping")

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
