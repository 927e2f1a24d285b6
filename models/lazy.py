"""Names before what they name is imported: torch, and the names of a package.

The APIs validate a run and list capabilities without PyTorch, so modules that describe families must not import it.
They write `from pushforward.models.lazy import F, torch` and the first attribute asked for imports the module.
(`lazy_loader` would put the name into `sys.modules` at once, see docs/decisions/0001.)
"""

from collections.abc import Callable, Mapping
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


def late_names(package: str, names: dict[str, Any], modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562) whose names are imported when they are first used.

    Arguments:
        package: its `__name__`.
        names: its `globals()`, where a name is kept once it is known.
        modules: the module within the package that defines each name.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        names[name] = getattr(import_module(f"{package}.{modules[name]}"), name)
        return names[name]

    return get


__all__ = ["F", "late_names", "torch"]
