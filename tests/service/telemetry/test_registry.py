"""`service.telemetry.registry`: what one process counts, and what several count together."""

from __future__ import annotations

import os
import time
from pathlib import Path

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pushforward.service.telemetry.metric_families import MetricFamily, observe
from pushforward.service.telemetry.registry import ALIVE_S, OTHER, Metrics, PairSeries
from pushforward.service.telemetry.sharing import MetricsSharing

BOUNDS = (1.0, 10.0)


def families() -> tuple[MetricFamily, MetricFamily, MetricFamily]:
    return (
        MetricFamily("counter", "asks_total", "Asks.", ("op",)),
        MetricFamily("gauge", "cap", "Cap.", ("worker",)),
        MetricFamily("histogram", "seconds", "Seconds.", ("op",), BOUNDS),
    )


def read(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """What Prometheus reads: by name and the values of the labels."""
    told = text_string_to_metric_families(metrics.exposition().decode())
    samples = [sample for family in told for sample in family.samples if not sample.name.startswith("process_")]
    return {(sample.name, tuple(sample.labels.values())): sample.value for sample in samples}


def test_prometheus_reads_what_was_counted() -> None:
    asks, cap, seconds = families()
    asks.of("sample")[0] += 3
    cap.of("w")[0] = 64
    for value in (0.5, 1.0, 2.0, 100.0):
        observe(seconds.of("sample"), BOUNDS, value)
    assert read(Metrics((asks, cap, seconds))) == {
        ("asks_total", ("sample",)): 3,
        ("cap", ("w",)): 64,
        ("seconds_bucket", ("1.0", "sample")): 2,  # a bound is within its bucket
        ("seconds_bucket", ("10.0", "sample")): 3,
        ("seconds_bucket", ("+Inf", "sample")): 4,
        ("seconds_count", ("sample",)): 4,
        ("seconds_sum", ("sample",)): 103.5,
    }


def test_labels_with_quotes_and_lines_are_read_back() -> None:
    asks, _, _ = families()
    asks.of('a "b"\n\\c')[0] += 1
    assert read(Metrics((asks,))) == {("asks_total", ('a "b"\n\\c',)): 1}


def test_processes_that_share_a_folder_show_the_sum(tmp_path: Path) -> None:
    first, second = families(), families()
    for asks, cap, seconds in (first, second):
        asks.of("sample")[0] += 2
        cap.of("first" if asks is first[0] else "second")[0] = 8
        observe(seconds.of("sample"), BOUNDS, 5.0)
    second[0].of("encode")[0] += 1
    Metrics(second, tmp_path).share()
    told = read(Metrics(first, tmp_path))
    assert told["asks_total", ("sample",)] == 4
    assert told["asks_total", ("encode",)] == 1
    assert told["seconds_bucket", ("1.0", "sample")] == 0
    assert told["seconds_bucket", ("10.0", "sample")] == 2
    assert told["seconds_sum", ("sample",)] == 10
    assert len([name for name, _ in told if name == "cap"]) == 2


def test_a_process_shows_the_families_of_another_that_it_has_not_itself(tmp_path: Path) -> None:
    asks, cap, _ = families()
    cap.of("w")[0] = 8
    Metrics((cap,), tmp_path).share()
    assert read(Metrics((asks,), tmp_path)) == {("cap", ("w",)): 8}


def test_a_process_does_not_count_itself_twice(tmp_path: Path) -> None:
    asks, _, _ = families()
    metrics = Metrics((asks,), tmp_path)
    asks.of("sample")[0] += 1
    metrics.share()
    asks.of("sample")[0] += 1
    assert read(metrics) == {("asks_total", ("sample",)): 2}


def test_the_gauges_of_a_dead_process_go_and_its_counts_stay(tmp_path: Path) -> None:
    asks, cap, _ = families()
    asks.of("sample")[0] = 5
    cap.of("w")[0] = 8
    Metrics((asks, cap), tmp_path).share()
    (file,) = tmp_path.iterdir()
    dead = time.time() - ALIVE_S - 1
    os.utime(file, (dead, dead))
    assert read(Metrics((), tmp_path)) == {("asks_total", ("sample",)): 5}


def test_a_process_that_ends_says_its_last_counts_and_takes_its_gauges_along(tmp_path: Path) -> None:
    asks, cap, _ = families()
    cap.of("w")[0] = 8
    sharing = MetricsSharing(Metrics((asks, cap), tmp_path))
    sharing.start()
    asks.of("sample")[0] = 5
    sharing.stop()
    assert read(Metrics((), tmp_path)) == {("asks_total", ("sample",)): 5}


@pytest.mark.parametrize("content", [b"", b"[{", b"[]"])
def test_a_file_that_is_torn_or_empty_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "torn.json").write_bytes(content)
    assert read(Metrics((), tmp_path)) == {}


def test_what_is_shared_is_json(tmp_path: Path) -> None:
    asks, _, seconds = families()
    observe(seconds.of("sample"), BOUNDS, 5.0)
    Metrics((asks, seconds), tmp_path).share()
    (file,) = tmp_path.iterdir()
    assert [each["series"] for each in orjson.loads(file.read_bytes())] == [[], [[["sample"], [0, 1, 0, 5.0]]]]


def test_models_beyond_the_limit_share_a_name() -> None:
    made: list[tuple[str, str]] = []
    pairs = PairSeries(lambda model, op: made.append((model, op)) or (model, op), most=2)
    assert pairs.of("a@1", "sample") is pairs.of("a@1", "sample")
    assert pairs.of("b@1", "sample") == ("b@1", "sample")
    for n in range(100):
        assert pairs.of(f"c@{n}", "sample") == (OTHER, "sample")
        assert pairs.of(f"c@{n}", "encode") == (OTHER, "encode")
    assert pairs.of("a@1", "sample") == ("a@1", "sample")
    assert len(made) == 4


def test_the_series_of_a_deleted_version_go_and_make_room(tmp_path: Path) -> None:
    store, shared = tmp_path / "store", tmp_path / "shared"
    shared.mkdir()
    for version in range(3):
        (store / "moons" / str(version)).mkdir(parents=True)
    family = MetricFamily("counter", "asks", "Asks.", ("model", "op"))
    pairs = PairSeries(family.of, most=2)
    metrics, others = (Metrics([each], shared, store=store, pairs=(pairs,)) for each in (family, family))
    for version in (0, 1, 2):
        pairs.of(f"moons@{version}", "sample")[0] += 1
    others.share()
    assert set(family.series) == {("moons@0", "sample"), ("moons@1", "sample"), ("other", "sample")}
    (store / "moons" / "0").rmdir()
    (store / "moons" / "1").rmdir()
    told = metrics.exposition().decode()
    assert "moons@0" not in told
    assert 'model="other"' in told
    pairs.of("moons@2", "sample")[0] += 1
    assert set(family.series) == {("moons@2", "sample"), ("other", "sample")}
