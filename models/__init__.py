"""The library: families of generative models, their data, their training and their checkpoints.

It knows no HTTP, queue or Redis. Its public names are those of `__all__`; each is loaded when it is first used (PEP
562), so importing the package does not import PyTorch.
"""

from typing import TYPE_CHECKING

from pushforward.models.lazy import late_names

if TYPE_CHECKING:
    from pushforward.models.families import FAMILIES as FAMILIES
    from pushforward.models.library import complete as complete
    from pushforward.models.library import load as load
    from pushforward.models.library import log_prob as log_prob
    from pushforward.models.library import sample as sample
    from pushforward.models.library import train as train
    from pushforward.models.presets import PRESETS as PRESETS
    from pushforward.models.run import Budget as Budget
    from pushforward.models.run import Run as Run
    from pushforward.models.stepwise.scoring import LogProb as LogProb
    from pushforward.models.storage.model import Model as Model
    from pushforward.models.tabular.completion import Completed as Completed

MODULES = {
    "FAMILIES": "families",
    "PRESETS": "presets",
    "Budget": "run",
    "Completed": "tabular.completion",
    "LogProb": "stepwise.scoring",
    "Model": "storage.model",
    "Run": "run",
    "complete": "library",
    "load": "library",
    "log_prob": "library",
    "sample": "library",
    "train": "library",
}

__all__ = sorted(MODULES)

__getattr__ = late_names(__name__, globals(), MODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *MODULES})
