"""Shapes in annotations, checked whenever a test calls a function that has them.

`models/` writes `Float[Tensor, "B D"]` where only type checkers look, so nothing is checked, and jaxtyping is not even
imported, where models train and serve. Here an import hook wraps each function with such annotations as soon as its
module is loaded, before others import it by name: dimensions of one name are of one size within a call. Arguments that
passed once are not checked again: solvers call the same network with the same shapes thousands of times.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any

PACKAGE = "pushforward.models."
MARKS = ("Bool[", "Float[", "Int[", "Shaped[")


def install() -> None:
    """From now on. Raises RuntimeError where modules are loaded that should be checked."""
    loaded = [name for name in sys.modules if name.startswith(PACKAGE)]
    if loaded:
        raise RuntimeError(f"loaded before their shapes could be checked: {loaded}")
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(PACKAGE):
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next((found for each in others if (found := each.find_spec(fullname, path, target))), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Checking(spec.loader)
        return spec


class _Checking(Loader):
    """A loader that wraps functions after their module is executed."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        for owner in [module, *(each for each in vars(module).values() if inspect.isclass(each))]:
            if owner is module or owner.__module__ == module.__name__:
                for name, value in list(vars(owner).items()):
                    if isinstance(value, FunctionType) and value.__module__ == module.__name__ and _marked(value):
                        setattr(owner, name, checked(value))


def _marked(function: FunctionType) -> bool:
    return any(mark in str(hint) for hint in function.__annotations__.values() for mark in MARKS)


def checked(function: FunctionType) -> Any:
    """The function, raising where an argument or its result has another shape than its annotation."""
    import torch
    from beartype import beartype
    from jaxtyping import Bool, Float, Int, Shaped, jaxtyped

    kinds = {"Bool": Bool, "Float": Float, "Int": Int, "Shaped": Shaped}
    names = {**function.__globals__, **kinds, "Tensor": torch.Tensor}
    marked = {key: hint for key, hint in function.__annotations__.items() if any(mark in str(hint) for mark in MARKS)}
    function.__annotations__ = {key: eval(hint, names) for key, hint in marked.items()}
    with_checks = jaxtyped(function, typechecker=beartype)
    passed = set[Any]()

    @functools.wraps(function)
    def check_once(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():  # shapes are symbols
            return with_checks(*args, **kwargs)
        seen = (_look(args), _look(tuple(kwargs.items())))
        if seen in passed:
            return function(*args, **kwargs)
        result = with_checks(*args, **kwargs)
        passed.add(seen)
        return result

    def _look(value: Any) -> Any:
        """What makes a shape right or wrong: shapes and types of tensors, and which object another argument is."""
        if isinstance(value, torch.Tensor):
            return value.shape, value.dtype
        if isinstance(value, tuple | list):
            return tuple(map(_look, value))
        return value if isinstance(value, str | int | None) else id(value)

    return check_once
