"""The names of metrics in a request: known, and each there once."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from pushforward.models.evaluation.metrics.registry import METRICS
from pushforward.service.application.commands.spelling import nearest


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"there is no metric {name[:100]!r}; {nearest(name, METRICS) or _all_metrics()}")
    return name


def _all_metrics() -> str:
    return f"give some of: {', '.join(METRICS)}"


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("names none; leave it out for all that apply")
    if len({*names}) < len(names):
        raise ValueError("names a metric twice; name each once")
    return names


MetricNames = Annotated[tuple[Annotated[str, AfterValidator(_known_metric)], ...], AfterValidator(_once)]
