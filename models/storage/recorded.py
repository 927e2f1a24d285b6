"""Runs as they were written down, by this release or an earlier one.

A record holds every field of its release. A later field gets the value that matches the behavior before it: a stored
model gives the same answers, and a training resumes as it began, whatever the defaults are now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

FAMILY: Mapping[str, Mapping[str, Any]] = {"flow": {"tails": "gaussian"}, "cnf": {"tails": "gaussian"}}
OPTIMIZER: Mapping[str, Any] = {"warmup": 0.0, "weight_decay_rows": 0.0}


def completed(run: dict[str, Any]) -> dict[str, Any]:
    """A recorded run with the fields that are younger than the record."""
    family, optimizer = run.get("family"), run.get("optimizer")
    if isinstance(family, dict):
        run = {**run, "family": {**FAMILY.get(family.get("family", ""), {}), **family}}
    return {**run, "optimizer": {**OPTIMIZER, **optimizer}} if isinstance(optimizer, dict) else run


RecordedRun = Annotated[dict[str, Any], AfterValidator(completed)]  # `models.run.Run` as JSON
