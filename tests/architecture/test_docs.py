"""The docs are complete: what exists is documented, because it exists."""

import json
import re
from pathlib import Path

import pytest

from models.families import FAMILIES
from models.presets import PRESETS
from service import errors
from service.metrics import Family
from service.rpc.pb import pushforward_pb2 as pb
from service.settings import Settings
from service.telemetry import Telemetry
from service.worker.telemetry import WorkerTelemetry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`PUSHFORWARD_{name.upper()}`" in (DOCS / "settings.md").read_text()


METRICS = (*Telemetry().metrics.families, *WorkerTelemetry("").metrics.families)


@pytest.mark.parametrize("family", METRICS, ids=lambda family: family.name)
def test_every_metric_is_documented_with_its_kind_and_its_labels(family: Family) -> None:
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
    assert path.replace("job_id", "id").replace("{reference}", "") in (DOCS / "rest.md").read_text()


@pytest.mark.parametrize("method", pb.DESCRIPTOR.services_by_name["Pushforward"].methods_by_name)
def test_every_method_is_documented(method: str) -> None:
    assert f"`{method}`" in (DOCS / "grpc.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page: Path) -> None:
    links = [link for link in LINK.findall(CODE.sub("", page.read_text())) if not link.startswith("https://")]
    assert [link for link in links if not (page.parent / link).exists()] == []
