"""Counters, gauges and histograms: a name, labels, and a series of numbers for each value of the labels.

    counter, gauge    [value]
    histogram         [count of values in (-inf, b1], (b1, b2], ..., (bn, inf), sum of values]

so that series of several processes add up element by element. Each is written by one thread, without a lock.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Literal, final

import orjson
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

Labels = tuple[str, ...]
Series = list[float]

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class MetricFamily:
    """A metric with all its series."""

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()  # of a histogram's buckets, each inclusive
    series: dict[Labels, Series] = field(default_factory=dict)

    def of(self, *labels: str) -> Series:
        """The series of these labels, made where there is none yet."""
        series = self.series.get(labels)
        if series is None:
            size = len(self.bounds) + 2 if self.kind == "histogram" else 1
            series = self.series[labels] = [0.0] * size
        return series

    def add(self, labels: Labels, values: Sequence[float]) -> None:
        """Add the values of another process. The labels of a gauge name its process, so a gauge is replaced."""
        series = self.of(*labels)
        series[:] = values if self.kind == "gauge" else map(sum, zip(series, values, strict=True))

    def metric(self) -> Metric:
        """The metric for prometheus-client."""
        match self.kind:
            case "counter":
                counter = CounterMetricFamily(self.name, self.help, labels=self.labels)
                for labels, values in self.series.items():
                    counter.add_metric(labels, values[0])
                return counter
            case "gauge":
                gauge = GaugeMetricFamily(self.name, self.help, labels=self.labels)
                for labels, values in self.series.items():
                    gauge.add_metric(labels, values[0])
                return gauge
            case "histogram":
                histogram = HistogramMetricFamily(self.name, self.help, labels=self.labels)
                names = [*map(str, self.bounds), "+Inf"]
                for labels, (*counts, total) in self.series.items():
                    histogram.add_metric(labels, list(zip(names, accumulate(counts), strict=True)), total)
                return histogram


def observe(series: Series, bounds: tuple[float, ...], value: float) -> None:
    """Count a value in a histogram's series."""
    series[bisect_left(bounds, value)] += 1
    series[-1] += value


def to_json(family: MetricFamily) -> dict[str, object]:
    """The metric as JSON."""
    return {
        "kind": family.kind,
        "name": family.name,
        "help": family.help,
        "labels": family.labels,
        "bounds": family.bounds,
        "series": list(family.series.items()),
    }


def read(file: Path) -> Iterator[MetricFamily]:
    """The metrics of a file; none where it cannot be read."""
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        log.debug("passed over %s: %s", file, error)
        return
    for each in found:
        series = {tuple(names): values for names, values in each["series"]}
        yield MetricFamily(
            each["kind"], each["name"], each["help"], tuple(each["labels"]), tuple(each["bounds"]), series
        )


def written_at(file: Path) -> float:
    """When a file was written, in seconds; 0 where there is none."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
