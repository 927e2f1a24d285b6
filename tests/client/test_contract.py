"""The client knows the whole API: each operation, each field of an answer, each kind of refusal."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pushforward import AsyncClient, Client
from pushforward.client import answers
from pushforward.client.aio.datasets import AsyncDatasets
from pushforward.client.aio.jobs import AsyncJobs
from pushforward.client.aio.model import AsyncModel
from pushforward.client.aio.models import AsyncModels
from pushforward.client.errors import BY_SLUG, APIError, FieldError, Invalid, Overloaded, refusal
from pushforward.client.sync.datasets import Datasets
from pushforward.client.sync.jobs import Jobs
from pushforward.client.sync.model import Model
from pushforward.client.sync.models import Models
from pushforward.service.domain.errors import ServiceError

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text())
PAIRS = {Client: AsyncClient, Jobs: AsyncJobs, Models: AsyncModels, Datasets: AsyncDatasets, Model: AsyncModel}
METHODS = {
    "train": (Client, "train"),
    "evaluate": (Client, "evaluate"),
    "list_jobs": (Jobs, "list"),
    "get_job": (Jobs, "get"),
    "cancel_job": (Jobs, "cancel"),
    "pause_job": (Jobs, "pause"),
    "resume_job": (Jobs, "resume"),
    "watch_job": (Jobs, "events"),
    "get_losses": (Jobs, "losses"),
    "draw_losses_png": (Jobs, "draw_losses"),
    "draw_losses_svg": (Jobs, "draw_losses"),
    "download_job_file": (Jobs, "download"),
    "sample": (Model, "sample"),
    "likelihood": (Model, "log_prob"),
    "score": (Model, "score"),
    "encode": (Model, "encode"),
    "decode": (Model, "decode"),
    "reconstruct": (Model, "reconstruct"),
    "interpolate": (Model, "interpolate"),
    "complete": (Model, "complete"),
    "translate": (Model, "translate"),
    "put_dataset": (Datasets, "put"),
    "get_dataset": (Datasets, "get"),
    "delete_dataset": (Datasets, "delete"),
    "list_datasets": (Datasets, "list"),
    "outline_dataset": (Datasets, "outline"),
    "download_dataset": (Datasets, "download"),
    "list_models": (Models, "list"),
    "get_model": (Models, "get"),
    "delete_model": (Models, "delete"),
    "get_histogram": (Models, "histogram"),
    "list_families": (Client, "families"),
    "list_presets": (Client, "presets"),
    "livez": (Client, "is_alive"),
    "readyz": (Client, "health"),
    "metrics": (Client, "metrics"),
}
BODIES = {
    "Job": answers.Job,
    "LossCurve": answers.LossCurve,
    "EvaluatedCard": answers.ModelCard,
    "ScoreHistogram": answers.Histogram,
    "Dataset": answers.Dataset,
    "DatasetOutline": answers.DatasetOutline,
    "TrainingPlan": answers.Plan,
    "FamilyBody": answers.Family,
    "PresetBody": answers.Preset,
    "ReadyBody": answers.Health,
    "SamplesBody": answers.Samples,
    "LikelihoodsBody": answers.LogProb,
    "ScoresBody": answers.Scores,
}
ELSEWHERE = {"timing", "samples", "grid", "within"}  # of pictures and meters; samples are `x`


def operations() -> set[str]:
    return {each["operationId"] for path in DOCUMENT["paths"].values() for each in path.values()}


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_every_operation_has_a_method() -> None:
    assert set(METHODS) == operations()
    for operation, (kind, name) in METHODS.items():
        assert callable(getattr(kind, name)), operation


@pytest.mark.parametrize("name", BODIES)
def test_every_field_of_an_answer_is_one_of_ours(name: str) -> None:
    theirs = set(DOCUMENT["components"]["schemas"][name]["properties"]) - ELSEWHERE
    assert theirs <= {each.name for each in fields(BODIES[name])}


def test_a_field_that_a_newer_service_adds_is_no_error() -> None:
    body = {"name": "iris", "media_type": "text/csv", "bytes": 1, "sha256": "x", "created_at": 0.0, "owner": "me"}
    assert answers.read(answers.Dataset, body).name == "iris"


@pytest.mark.parametrize("plain", PAIRS)
def test_both_clients_have_the_same_methods(plain: type) -> None:
    assert public(plain) == {name.replace("aclose", "close") for name in public(PAIRS[plain])}


def slugs(kind: type[ServiceError]) -> set[str]:
    own = {kind.slug} if "slug" in vars(kind) else set[str]()
    return own.union(*(slugs(each) for each in kind.__subclasses__()))


def test_every_kind_of_refusal_has_a_class() -> None:
    assert set(BY_SLUG) == slugs(ServiceError)


def test_a_refusal_names_its_fields_and_is_chosen_by_its_type() -> None:
    faults = [{"field": "x", "message": "has shape [3]"}]
    error = refusal(422, {"type": "/problems/invalid", "detail": "x: has shape [3]", "errors": faults}, None)
    assert isinstance(error, Invalid)
    assert (error.errors, str(error)) == ((FieldError("x", "has shape [3]"),), "x: has shape [3]")
    assert isinstance(refusal(503, {"type": "/problems/overloaded"}, 2.0), Overloaded)
    unknown: dict[str, Any] = {"type": "/problems/of-tomorrow", "detail": "new"}
    assert type(refusal(418, unknown, None)) is APIError
