"""The form of a family that models data of a kind: the family itself, or its form for tables.

A density of whole numbers has no upper end, so counts are for families with a likelihood of counts, and for those that
have none and sample only.
"""

from __future__ import annotations

from pushforward.models.errors import InvalidData
from pushforward.models.families import FAMILIES
from pushforward.models.family import Family, ModelsCounts, Scores
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tabular.models_tables import ModelsTables


def form_of(family: Family, spec: DataSpec) -> Family:
    """The family whose methods take rows of this kind. Raises InvalidData."""
    if spec.counts and isinstance(family, Scores) and not isinstance(family, ModelsCounts):
        able = ", ".join(name for name, cls in FAMILIES.items() if issubclass(cls, ModelsCounts))
        raise InvalidData(
            f"{family.family} has no likelihood of counts; train {able} with the likelihood poisson or "
            "negative_binomial, or leave out data.counts",
            field="run.family",
        )
    if spec.table is None:
        return family
    if isinstance(family, ModelsTables):
        return family.for_table(spec.table)
    able = ", ".join(name for name, cls in FAMILIES.items() if issubclass(cls, ModelsTables))
    raise InvalidData(f"{family.family} does not model tables; train {able}", field="run.family")
