"""The registry: one module for each family; being in this folder is being registered.

To add a family, add a file. The union, the schemas of the APIs, the command line, `GET /families` and the
conformance suite see it at the next start.
"""

import importlib
import pkgutil
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pushforward.models.family import Family

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

FAMILIES: dict[str, type[Family]] = {
    cls.model_fields["family"].default: cls
    for cls in sorted(Family.__subclasses__(), key=lambda cls: cls.__module__)
    if cls.__module__.startswith(f"{__name__}.")  # not their forms for tables
}

if TYPE_CHECKING:
    AnyFamily = Family
else:
    AnyFamily = Annotated[reduce(or_, FAMILIES.values()), Field(discriminator="family")]

__all__ = ["FAMILIES", "AnyFamily"]
