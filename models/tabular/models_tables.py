"""The capability to model the rows of tables."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pushforward.models.family import Family
from pushforward.models.tables.table import Table


class ModelsTables(ABC):
    """Has a form that models the rows of tables."""

    @abstractmethod
    def for_table(self, table: Table) -> Family:
        """The form of this configuration for tables. Raises InvalidData where it has none: field, remedy."""
