"""The docs are complete: what exists is documented, because it exists."""

import inspect
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from pushforward.models.capabilities import capabilities
from pushforward.models.data import AnyData, Source
from pushforward.models.families import FAMILIES
from pushforward.models.families.diffusion import Diffusion
from pushforward.models.presets import PRESETS
from pushforward.models.training.data import load_data
from pushforward.service.domain import errors
from pushforward.service.domain.catalog import Card, Worker
from pushforward.service.domain.jobs import Job
from pushforward.service.domain.record import Record
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.metric_families import MetricFamily
from pushforward.service.telemetry.worker import WorkerTelemetry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
REST = (DOCS / "rest.md").read_text()
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`PUSHFORWARD_{name.upper()}`" in (DOCS / "settings.md").read_text()


METRICS = (*Telemetry().metrics.families, *WorkerTelemetry("").metrics.families)


@pytest.mark.parametrize("family", METRICS, ids=lambda family: family.name)
def test_every_metric_is_documented_with_its_kind_and_its_labels(family: MetricFamily) -> None:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    assert f"| `{family.name}` | {family.kind} | {labels} |" in (DOCS / "observability.md").read_text()


def test_no_metric_is_documented_that_there_is_not() -> None:
    told = re.findall(r"^\| `(pushforward_\w+)`", (DOCS / "observability.md").read_text(), re.MULTILINE)
    assert told == [family.name for family in METRICS]


@pytest.mark.parametrize("cls", errors.ServiceError.__subclasses__(), ids=lambda cls: cls.slug)
def test_every_refusal_is_documented(cls: type[errors.ServiceError]) -> None:
    assert f"| `{cls.slug}` |" in (DOCS / "errors.md").read_text()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_documented(name: str) -> None:
    assert f"## {name}\n" in (DOCS / "families.md").read_text()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_results_and_a_picture(name: str) -> None:
    assert f"| [{name}](pictures/{name}.png)" in (DOCS / "results.md").read_text()
    assert (DOCS / "pictures" / f"{name}.png").stat().st_size > 0


def test_every_decision_has_a_number_of_its_own_and_says_what_lost() -> None:
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(file.name[:4]) for file in decisions] == list(range(1, len(decisions) + 1))
    assert all("**Lost" in file.read_text() for file in decisions)


@pytest.mark.parametrize("path", json.loads((DOCS / "openapi.json").read_text())["paths"])
def test_every_endpoint_is_documented(path: str) -> None:
    assert path.replace("job_id", "id").replace("{reference}", "NAME") in (DOCS / "rest.md").read_text()


@pytest.mark.parametrize("method", pb.DESCRIPTOR.services_by_name["Pushforward"].methods_by_name)
def test_every_method_is_documented(method: str) -> None:
    assert f"`{method}`" in (DOCS / "grpc.md").read_text()


@pytest.mark.parametrize(
    "source", get_args(get_args(AnyData)[0]), ids=lambda source: source.model_fields["source"].default
)
def test_every_source_of_data_is_documented_with_its_fields(source: type[Source]) -> None:
    name = source.model_fields["source"].default
    [row] = [line for line in REST.splitlines() if line.startswith("| ") and f"`{name}`" in line.split("|")[1]]
    own = source.model_fields.keys() - {"source", "condition"}
    assert [field for field in own if f"`{field}`" not in row] == []


@pytest.mark.parametrize(
    ("begins", "record"),
    [
        ('{"id":"a1986a0ae53f04a8","kind":"train","state":"queued","model":"moons-flow","version":null', Job),
        ('{"model":"moons-flow","version":1,"family":"flow"', Card),
        ('{"status":"ready","workers":', Worker),
    ],
    ids=["job", "card", "worker"],
)
def test_an_example_has_the_fields_of_what_it_shows(begins: str, record: type[Record]) -> None:
    [line] = [line for line in REST.splitlines() if line.startswith(begins)]
    assert [field for field in record.model_fields if f'"{field}":' not in line] == []


def test_the_example_of_a_family_is_what_it_says_of_itself() -> None:
    summary, able = (inspect.getdoc(Diffusion) or "").partition("\n")[0], list(capabilities(Diffusion))
    shown = json.dumps({"family": "diffusion", "summary": summary, "capabilities": able}, separators=(",", ":"))
    assert shown.removesuffix("}") in REST


def test_the_examples_of_two_moons_are_of_its_recipe() -> None:
    run = PRESETS["flow-two-moons"].run
    assert run.data.model_dump_json() in REST
    assert f'"data_fingerprint":"{load_data(run, Path()).fingerprint[:8]}..."' in REST


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page: Path) -> None:
    links = [link for link in LINK.findall(CODE.sub("", page.read_text())) if not link.startswith("https://")]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_a_word_stands_once_in_the_glossary() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\*", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert len(words) > 30
    assert [word for word in words if words.count(word) > 1] == []
