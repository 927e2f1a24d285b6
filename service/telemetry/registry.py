"""Counters, gauges and histograms, of one process or of all that share a folder.

Processes that share a folder write what they counted into it once a second, and each adds up all files when its metrics
are read. Counters of a process that died stay, its gauges vanish. prometheus-client writes the text for Prometheus.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, final

import orjson
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric

from pushforward.service.telemetry.metric_families import Labels, MetricFamily, read, to_json, written_at

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"  # the name of models beyond the limit
MAX_PAIRS = 200  # of a model and an operation that have series of their own
ALIVE_S = 10.0  # a process that wrote nothing for so long is dead
MAX_FILES = 64  # that are added up: those of live processes, and of those that died last

T = TypeVar("T")

log = logging.getLogger(__name__)


@final
class PairSeries(Generic[T]):
    """Series by model and operation. Models beyond the limit share the name `other`."""

    def __init__(self, make: Callable[[str, str], T], most: int = MAX_PAIRS) -> None:
        self._make = make
        self._most = most
        self._made: dict[tuple[str, str], T] = {}

    def of(self, model: str, op: str) -> T:
        """The series of a pair."""
        made = self._made.get((model, op))
        return self._add(model, op) if made is None else made

    def forget(self, is_gone: Callable[[str], bool]) -> None:
        """Forget the series of models that were deleted."""
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
    """The metrics of this process, and of the processes that share its folder."""

    def __init__(
        self,
        families: Iterable[MetricFamily],
        folder: Path | None = None,
        *,
        store: Path | None = None,
        pairs: Sequence[PairSeries[Any]] = (),
    ) -> None:
        self.families = tuple(families)
        self._folder = folder
        self._store = store  # series of deleted versions are dropped
        self._pairs = pairs
        self._name = f"{secrets.token_hex(8)}.json"

    def exposition(self) -> bytes:
        """All metrics as Prometheus text. It reads files: not for an event loop."""
        return generate_latest(self.registry())

    def registry(self) -> CollectorRegistry:
        """All metrics for prometheus-client."""
        registry = CollectorRegistry(auto_describe=False)
        if self._folder is None:
            ProcessCollector(registry=registry)
        registry.register(self)
        return registry

    def collect(self) -> Iterator[Metric]:  # prometheus-client calls it
        """The metrics of all processes, added up."""
        is_gone = cache(self._is_gone)
        self._forget(is_gone)
        added: dict[str, MetricFamily] = {}
        for family in self._all():
            known = added.setdefault(family.name, _empty(family))
            for labels, values in list(family.series.items()):
                if not is_gone(_model_of(family, labels)):
                    known.add(labels, values)
        for family in added.values():
            yield family.metric()

    def share(self, *, ended: bool = False) -> None:
        """Write the metrics for the other processes; at the end of this one, without gauges. Raises OSError."""
        if self._folder is None:
            return
        self._forget(cache(self._is_gone))
        families = [family for family in self.families if not (ended and family.kind == "gauge")]
        draft = self._folder / f".{self._name}"
        draft.write_bytes(orjson.dumps([to_json(family) for family in families]))
        draft.replace(self._folder / self._name)

    def _forget(self, is_gone: Callable[[str], bool]) -> None:
        """Drop the series of deleted models. A count that is added meanwhile may be lost."""
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

    def _all(self) -> Iterator[MetricFamily]:
        yield from self.families
        if self._folder is None:
            return
        written = [(written_at(file), file) for file in self._folder.glob("[!.]*.json") if file.name != self._name]
        for wrote_at, file in sorted(written, reverse=True)[:MAX_FILES]:
            is_alive = time.time() - wrote_at < ALIVE_S
            yield from (family for family in read(file) if is_alive or family.kind != "gauge")


def _model_of(family: MetricFamily, labels: Labels) -> str:
    return labels[family.labels.index("model")] if "model" in family.labels else ""


def _empty(family: MetricFamily) -> MetricFamily:
    return MetricFamily(family.kind, family.name, family.help, family.labels, family.bounds)
