"""`service.application.evaluations`: what is compared, and what is refused before a job is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushforward.models.data import Digits, EightGaussians, TwoMoons, UnitCube
from pushforward.models.evaluation.metrics.registry import METRICS
from pushforward.models.families.nis import NIS
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import Evaluate
from pushforward.service.application.commands.validation import parse
from pushforward.service.domain.errors import Conflict, Invalid, Unsupported
from pushforward.service.domain.jobs import State
from tests.apis.fakes import MOONS, Wakeups, application, card
from tests.models.tables.small_tables import category, number, table
from tests.service.application.conftest import Recorded

DIGITS = card("digits", MOONS, Digits().outline(Path()), data=Digits())
LABELED = Digits(condition="label")
EVALUATED = [
    card("moons", MOONS, TwoMoons().spec),
    card("ring", MOONS, EightGaussians().spec, data=EightGaussians()),
    DIGITS,
    card("mute", MOONS, TwoMoons().spec, able=("encode",)),
    card("nis", NIS(), UnitCube().spec, data=UnitCube()),
    card("ten", MOONS, LABELED.outline(Path()), data=LABELED),
    card("table", MOONS, DataSpec(shape=(2,), table=table(category("kind", "x", "y"), number("size")))),
    card("eight", MOONS, EightGaussians(condition="label").outline(Path()), data=EightGaussians(condition="label")),
]


@pytest.fixture
def app(app: Application, asks: Recorded) -> Application:
    return application(app.settings, EVALUATED, asks)


def command(**fields: Any) -> Evaluate:
    return parse(Evaluate, {"model": "moons", **fields})


async def test_an_evaluation_wakes_a_worker_and_is_recorded_with_its_version_and_every_metric(app: Application) -> None:
    job = await app.jobs.evaluate(command())
    assert isinstance(app.jobs.wakeups, Wakeups)
    assert app.jobs.wakeups.woken == [job.id]
    assert (job.kind, job.state, job.model, job.version) == ("evaluate", State.QUEUED, "moons", 1)
    assert job.evaluation is not None
    asked = job.evaluation
    assert (asked.model, asked.against, asked.n, asked.seed) == ("moons@1", "held_out", 1000, 0)
    assert "mmd2" in asked.metrics
    assert {*METRICS} - {*asked.metrics} == {
        "modes_found", "high_quality_share", "mode_mixture",
        "label_divergence", "FD_cnn", "KD_cnn", "classification_accuracy",
        *(name for name, metric in METRICS.items() if "table" in metric.needs),
    }  # fmt: skip


async def test_what_applies_depends_on_the_model(app: Application) -> None:
    ring, digits = [(await app.jobs.evaluate(command(model=name))).evaluation for name in ("ring", "digits")]
    assert ring is not None
    assert digits is not None
    assert "modes_found" in ring.metrics
    assert "FD_cnn" in digits.metrics
    assert "classification_accuracy" not in digits.metrics


async def test_the_column_that_is_predicted_is_recorded_by_name(app: Application) -> None:
    for fields, column in (({}, "kind"), ({"target": "size"}, "size"), ({"metrics": ["column_shapes"]}, None)):
        job = await app.jobs.evaluate(command(model="table", **fields))
        assert job.evaluation is not None
        assert job.evaluation.target == column


async def test_metrics_keep_the_order_in_which_they_are_named(app: Application) -> None:
    job = await app.jobs.evaluate(command(metrics=["recall", "mmd2"], n=50, seed=2**64 - 1))
    assert job.evaluation is not None
    assert (job.evaluation.metrics, job.evaluation.n, job.evaluation.seed) == (("recall", "mmd2"), 50, 2**64 - 1)


async def test_the_same_key_is_one_job_and_another_request_with_it_is_refused(app: Application) -> None:
    first = await app.jobs.evaluate(command(), idempotency_key="k")
    assert (await app.jobs.evaluate(command(), idempotency_key="k")).id == first.id
    with pytest.raises(Conflict):
        await app.jobs.evaluate(command(seed=1), idempotency_key="k")


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"metrics": ["mmd"]}, "metrics.0", "there is no metric 'mmd'; did you mean `mmd2`?"),
        ({"metrics": ["recall", "xyzzy"]}, "metrics.1", "give some of: mmd2, energy_distance"),
        ({"metrics": ["mmd2", "mmd2"]}, "metrics", "names a metric twice"),
        ({"metrics": []}, "metrics", "names none"),
        ({"metrics": "mmd2"}, "metrics", "must be a list"),
        ({"against": {"source": "styled_digits", "styles": ["plain"]}}, "against.styles", "must have at least 2 items"),
        ({"metrics": ["modes_found"]}, "metrics.0",
         "modes_found does not apply to moons: the modes of its data are not known; leave it out"),
        ({"model": "digits", "metrics": ["mmd2", "classification_accuracy"]}, "metrics.1", "not conditioned on labels"),
        ({"metrics": ["FD_cnn"]}, "metrics.0", "its data have no labels and its data are not images"),
        ({"n": 49}, "n", "greater than or equal to 50"),
        ({"n": 5_001}, "n", "less than or equal to 5000"),
        ({"n": 100.5}, "n", ""),
        ({"seed": -1}, "seed", ""),
        ({"against": "held out"}, "against", 'must be "held_out", or a source of data'),
        ({"against": 3}, "against", 'must be "held_out", or a source of data'),
        ({"against": {"source": "npz"}}, "against", "there is no 'npz'; choose one of"),
        ({"against": {"path": "x.npy"}}, "against", "lacks the field 'source'"),
        ({"against": {"source": "two_moons", "noise": 9}}, "against.noise", "less than or equal to 0.5"),
        ({"against": {"source": "two_moons", "nois": 9}}, "against.nois", "did you mean `noise`?"),
        ({"against": {"source": "npy", "path": "gone.npy"}}, "against.path", "there is no 'gone.npy'"),
        ({"against": {"source": "digits"}}, "against", "has rows of shape [1, 8, 8]; give rows of shape [2]"),
        ({"model": "table", "target": "siz"}, "target",
         "there is no column 'siz' that table models; did you mean `size`?"),
        ({"model": "table", "target": "zebra"}, "target", "choose one of kind, size"),
        ({"target": "size"}, "target", "is for train_on_synthetic, which is not measured; leave it out"),
        ({"metrics": ["range_coverage"]}, "metrics.0", "its data are no table and its data are no table with numbers"),
        ({"metric": ["mmd2"]}, "metric", "did you mean `metrics`?"),
    ],
)  # fmt: skip
async def test_what_cannot_be_compared_is_refused_by_field(
    app: Application, fields: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await app.jobs.evaluate(command(**fields))
    assert [error.field for error in refused.value.errors] == [field]
    assert says in refused.value.errors[0].message


OTHER_LABELS = pytest.mark.parametrize(
    ("model", "against", "says"),
    [
        ("ten", {"source": "styled_digits", "condition": "label"},
         "labels of `against` are the styles plain, thick, those of its data digits; "
         "leave it out, or give a source whose labels are digits"),
        ("eight", {"source": "grid_gaussians", "condition": "label"}, "are parts of grid_gaussians"),
        ("eight", {"source": "eight_gaussians"},
         'rows of `against` have no labels; leave it out, or add "condition": "label" to the source where it has them'),
        ("ten", {"source": "npy", "path": "few.npz", "low": 0, "high": 16, "levels": 17, "condition": "label"},
         "`against` has the labels 0 to 2, its data the labels 0 to 9; leave it out, or give a source of the labels"),
    ],
)  # fmt: skip


def few_labels(app: Application) -> None:
    x = np.zeros((20, 1, 8, 8), np.uint8)
    np.savez(app.settings.data_root / "few.npz", x=x, y=np.arange(20) % 3)


@OTHER_LABELS
async def test_a_metric_of_labels_is_refused_against_rows_whose_labels_are_not_the_models(
    app: Application, model: str, against: dict[str, Any], says: str
) -> None:
    few_labels(app)
    with pytest.raises(Invalid) as refused:
        await app.jobs.evaluate(command(model=model, against=against, metrics=["mmd2", "classification_accuracy"]))
    (error,) = refused.value.errors
    assert error.field == "metrics.1"
    assert error.message.startswith(f"classification_accuracy does not apply to {model}: ")
    assert says in error.message


@OTHER_LABELS
async def test_such_a_metric_is_not_among_those_that_are_measured_by_default(
    app: Application, model: str, against: dict[str, Any], says: str
) -> None:
    few_labels(app)
    asked, alone = [
        (await app.jobs.evaluate(command(model=model, **fields))).evaluation for fields in ({"against": against}, {})
    ]
    assert asked is not None
    assert alone is not None
    assert {*alone.metrics} - {*asked.metrics} == {"classification_accuracy"}, says


@pytest.mark.parametrize("against", [{"source": "digits"}, {"source": "captioned_digits", "copies": 1}])
async def test_metrics_of_labels_are_measured_against_rows_with_the_same_labels(
    app: Application, against: dict[str, Any]
) -> None:
    job = await app.jobs.evaluate(command(model="ten", against=against))
    assert job.evaluation is not None
    assert "classification_accuracy" in job.evaluation.metrics


async def test_a_file_of_labels_that_cannot_be_read_is_refused_by_field(app: Application) -> None:
    x = np.zeros((20, 1, 8, 8), np.uint8)
    np.savez(app.settings.data_root / "torn.npz", x=x, y=np.arange(20) - 3)
    against = {"source": "npy", "path": "torn.npz", "low": 0, "high": 16, "levels": 17, "condition": "label"}
    with pytest.raises(Invalid) as refused:
        await app.jobs.evaluate(command(model="ten", against=against))
    assert [error.field for error in refused.value.errors] == ["against.condition"]


async def test_every_metric_that_does_not_apply_is_named(app: Application) -> None:
    with pytest.raises(Invalid, match="and 1 more") as refused:
        await app.jobs.evaluate(command(metrics=["modes_found", "mmd2", "KD_cnn"]))
    assert [error.field for error in refused.value.errors] == ["metrics.0", "metrics.2"]


async def test_rows_of_a_file_are_what_to_compare_with(app: Application) -> None:
    np.save(app.settings.data_root / "new.npy", np.zeros((20, 2), np.float32))
    job = await app.jobs.evaluate(command(against={"source": "npy", "path": "new.npy"}))
    assert job.evaluation is not None
    assert isinstance(job.evaluation.against, dict)
    assert job.evaluation.against["path"] == "new.npy"


@pytest.mark.parametrize(("model", "says"), [("mute", "no samples to compare"), ("nis", "does not learn")])
async def test_a_model_without_samples_of_its_data_is_not_evaluated(app: Application, model: str, says: str) -> None:
    with pytest.raises(Unsupported, match=says):
        await app.jobs.evaluate(command(model=model))


async def test_a_model_of_data_that_this_release_does_not_know_is_not_evaluated(
    app: Application, asks: Recorded
) -> None:
    old = card("old", MOONS, TwoMoons().spec)
    foreign = old.model_copy(update={"run": {**old.run, "data": {"source": "tape"}}})
    with pytest.raises(Conflict, match="of another release"):
        await application(app.settings, [foreign], asks).jobs.evaluate(command(model="old"))


async def test_an_evaluation_has_no_file(app: Application) -> None:
    job = await app.jobs.evaluate(command())
    with pytest.raises(Conflict, match="its report is on the card"):
        await app.jobs.file(job.id)


def test_labels_that_are_a_condition_are_enough_for_every_metric_of_labels() -> None:
    from pushforward.models.evaluation.metrics.registry import applicable, has

    conditioned = DIGITS.spec.model_copy(update={"condition": Labels(n_classes=10)})
    assert "classification_accuracy" in applicable(has(conditioned, Digits(condition="label"), ()))
