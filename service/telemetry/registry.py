"""Counters, gauges and histograms, of one process or of all that share a folder.

A series is a list of numbers, written by one thread and without a lock, for every answer writes to five of them:

    counter, gauge    [value]
    histogram         [count of values in (-inf, b1], (b1, b2], ..., (bn, inf), sum of values]

so that those of several processes add up element by element. Processes that share a folder write what they counted
into it once a second; whoever is asked adds up all files. The counts of a process that died stay, its gauges go.
Prometheus reads it all as text, which prometheus-client writes.
"""

from __future__ import annotations

import logging
import secrets
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, final

import orjson
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from pushforward.service.processes.background import Thread

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"  # the name of models beyond the limit
MAX_PAIRS = 200  # of a model and an operation that have series of their own
SHARE_S = 1.0  # between two writings of a process
ALIVE_S = 10.0  # a process that wrote nothing for so long is dead
MAX_FILES = 64  # that are added up: the processes that are alive, and the last that died

Labels = tuple[str, ...]
Series = list[float]
T = TypeVar("T")

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Family:
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
        """Count what another process counted. A gauge's labels name its process, so there is nothing to add."""
        series = self.of(*labels)
        series[:] = values if self.kind == "gauge" else map(sum, zip(series, values, strict=True))

    def metric(self) -> Metric:
        """As prometheus-client has it."""
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


@final
class Pairs(Generic[T]):
    """What is counted by model and operation. Models come and go: those beyond the limit share the name `other`."""

    def __init__(self, make: Callable[[str, str], T], most: int = MAX_PAIRS) -> None:
        self._make = make
        self._most = most
        self._made: dict[tuple[str, str], T] = {}

    def of(self, model: str, op: str) -> T:
        """The same for the same pair."""
        made = self._made.get((model, op))
        return self._add(model, op) if made is None else made

    def forget(self, is_gone: Callable[[str], bool]) -> None:
        """Let those of models that are gone make room for others."""
        for pair in list(self._made):
            if is_gone(pair[0]):
                self._made.pop(pair, None)

    def _add(self, model: str, op: str) -> T:
        pair = (model if len(self._made) < self._most else OTHER, op)
        if pair not in self._made:
            self._made[pair] = self._make(*pair)
        return self._made[pair]


@final
class Metrics:
    """The families of this process, and of the processes that share its folder."""

    def __init__(
        self,
        families: Iterable[Family],
        folder: Path | None = None,
        *,
        store: Path | None = None,
        pairs: Sequence[Pairs[Any]] = (),
    ) -> None:
        self.families = tuple(families)
        self._folder = folder
        self._store = store  # series of a version that is not there go
        self._pairs = pairs
        self._name = f"{secrets.token_hex(8)}.json"

    def exposition(self) -> bytes:
        """All of it, as Prometheus reads it. Reads files, so not for an event loop."""
        return generate_latest(self.registry())

    def registry(self) -> CollectorRegistry:
        """As prometheus-client has it."""
        registry = CollectorRegistry(auto_describe=False)
        if self._folder is None:
            ProcessCollector(registry=registry)
        registry.register(self)
        return registry

    def collect(self) -> Iterator[Metric]:  # prometheus-client calls it
        """The families, added up."""
        is_gone = cache(self._is_gone)
        self._forget(is_gone)
        added: dict[str, Family] = {}
        for family in self._told():
            known = added.setdefault(family.name, _empty(family))
            for labels, values in list(family.series.items()):
                if not is_gone(_model_of(family, labels)):
                    known.add(labels, values)
        for family in added.values():
            yield family.metric()

    def share(self, *, ended: bool = False) -> None:
        """Tell the other processes; at this one's end, without gauges. Raises OSError."""
        if self._folder is None:
            return
        self._forget(cache(self._is_gone))
        told = [family for family in self.families if not (ended and family.kind == "gauge")]
        draft = self._folder / f".{self._name}"
        draft.write_bytes(orjson.dumps([_to_json(family) for family in told]))
        draft.replace(self._folder / self._name)

    def _forget(self, is_gone: Callable[[str], bool]) -> None:
        """What was counted of models that are gone goes. A count that is added meanwhile may go, too."""
        for pairs in self._pairs:
            pairs.forget(is_gone)
        for family in self.families:
            for labels in list(family.series):
                if is_gone(_model_of(family, labels)):
                    family.series.pop(labels, None)

    def _is_gone(self, model: str) -> bool:
        """Whether a version was deleted."""
        name, _, version = model.partition("@")
        return bool(version) and self._store is not None and not (self._store / name / version).is_dir()

    def _told(self) -> Iterator[Family]:
        yield from self.families
        if self._folder is None:
            return
        written = [(_written_at(file), file) for file in self._folder.glob("[!.]*.json") if file.name != self._name]
        for written_at, file in sorted(written, reverse=True)[:MAX_FILES]:
            is_alive = time.time() - written_at < ALIVE_S
            yield from (family for family in _read(file) if is_alive or family.kind != "gauge")


@final
class Sharing(Thread):
    """Tells the processes of the folder what this one counts, from its start to its end."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__("metrics")
        self._metrics = metrics

    def work(self) -> None:
        """Until `stop`."""
        while not self.stopping.is_set():
            self._share(ended=False)
            self.stopping.wait(SHARE_S)

    def stop(self) -> None:
        """The last word."""
        self.stopping.set()
        self.join()
        self._share(ended=True)

    def _share(self, *, ended: bool) -> None:
        try:
            self._metrics.share(ended=ended)
        except OSError as error:
            log.debug("the metrics cannot be written: %s", error)


def _model_of(family: Family, labels: Labels) -> str:
    return labels[family.labels.index("model")] if "model" in family.labels else ""


def _empty(family: Family) -> Family:
    return Family(family.kind, family.name, family.help, family.labels, family.bounds)


def _to_json(family: Family) -> dict[str, object]:
    return {
        "kind": family.kind,
        "name": family.name,
        "help": family.help,
        "labels": family.labels,
        "bounds": family.bounds,
        "series": list(family.series.items()),
    }


def _read(file: Path) -> Iterator[Family]:
    try:
        told = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        log.debug("passed over %s: %s", file, error)
        return
    for each in told:
        series = {tuple(labels): values for labels, values in each["series"]}
        yield Family(each["kind"], each["name"], each["help"], tuple(each["labels"]), tuple(each["bounds"]), series)


def _written_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
