"""Named runs, a row each, with what each one reached in `benchmarks/zoo.py`: docs/results.md.

A preset is data: add a row to a table, or a module with a table, and the APIs, the docs and the benchmark see it.
A method is found by its paper's name.

Example:
    >>> from pushforward.models import PRESETS
    >>> PRESETS["vae-digits"].run.data
    Digits(source='digits', condition=None)
    >>> PRESETS["flow-two-moons"].run.changed({"budget": {"steps": 100}})["budget"]["steps"]
    100
"""

import importlib
import pkgutil

from pushforward.models.presets.preset import Preset

_TABLES = [
    importlib.import_module(f"{__name__}.{module.name}").ROWS
    for module in pkgutil.iter_modules(__path__)
    if module.name != "preset"
]

PRESETS: dict[str, Preset] = {preset.name: preset for rows in _TABLES for preset in rows}

__all__ = ["PRESETS", "Preset"]
