"""What a client raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """The service answered with a problem document."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = problem
        self.status = int(problem.get("status", 0))
        detail = str(problem.get("detail") or problem.get("title") or "refused")
        faults = [f"{error['field']}: {error['message']}" for error in problem.get("errors", [])]
        super().__init__("\n  ".join([detail, *(fault for fault in faults if fault not in detail)]))


class Unreachable(Exception):
    """Nothing answers at the address, or not in time."""


class Torn(Exception):
    """The downloaded file differs from the file of the job."""
