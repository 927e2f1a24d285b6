"""Runs as they were written down, by this release or an earlier one.

A record holds every field that its release knew. A field that came later is filled in with what was done before it:
a card's answers stay what they were, and a training goes on as it began, whatever new runs start from.
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
