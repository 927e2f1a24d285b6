"""A stored model compared with rows: every metric of its samples, of training rows and of a Gaussian."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.data import Digits, Npy, Rows, Source, StyledDigits, TwoMoons
from pushforward.models.errors import Diverged, InvalidData
from pushforward.models.evaluation.comparison import Compared, ComparisonStage, Question, compare
from pushforward.models.evaluation.metrics.registry import METRICS, applicable, has
from pushforward.models.library import load, train
from pushforward.models.run import Run
from pushforward.models.storage.evaluation import write_classifier
from pushforward.models.storage.model import Model
from pushforward.models.training.data import TrainingData, load_data

CPU = torch.device("cpu")
OF_TABLES = {name for name, metric in METRICS.items() if "table" in metric.needs}
PLAIN = ("mmd2", "sliced_wasserstein", "c2st_neighbors", "precision", "coverage", "nearest_training_row_ratio")


def trained(folder: Path, data: dict[str, Any], family: dict[str, Any], steps: int = 1) -> tuple[Model, TrainingData]:
    run = Run.model_validate({"family": family, "data": data, "budget": {"steps": steps}})
    train(run, folder / "model", data_root=folder)
    return load(folder / "model"), load_data(run, folder)


def stages(model: Model, data: TrainingData, question: Question) -> tuple[list[ComparisonStage], Compared]:
    found, comparing = list[ComparisonStage](), compare(model, data, question, CPU)
    while True:
        try:
            found.append(next(comparing))
        except StopIteration as end:
            return found, end.value


def values(compared: Compared, side: str) -> dict[str, float]:
    return {each.name: getattr(each, side).value for each in compared.metrics if getattr(each, side) is not None}


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, TrainingData]:
    """1,800 rows train it, 200 are held out."""
    folder = tmp_path_factory.mktemp("moons")
    np.save(folder / "moons.npy", TwoMoons().draw(2_000, np.random.default_rng(0)))
    return trained(folder, {"source": "npy", "path": "moons.npy"}, {"family": "flow"}, steps=150)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, TrainingData]:
    folder = tmp_path_factory.mktemp("digits")
    return trained(folder, {"source": "digits", "condition": "label"}, {"family": "vae", "latent": 2, "width": 8})


def test_training_rows_are_beside_the_samples_and_a_gaussian_is_worse_than_both(
    moons: tuple[Model, TrainingData],
) -> None:
    _, compared = stages(*moons, Question(PLAIN, n=400, seed=0))
    assert [each.name for each in compared.metrics] == [*PLAIN]
    ours, floor, gaussian = (values(compared, side) for side in ("model", "floor", "gaussian"))
    for name in ("mmd2", "sliced_wasserstein"):
        assert floor[name] < ours[name] < gaussian[name]
    by_name = {each.name: each for each in compared.metrics}
    assert (by_name["mmd2"].floor or by_name["mmd2"].model).p_value > 0.01  # type: ignore[operator]
    assert floor["nearest_training_row_ratio"] == pytest.approx(1.0, abs=0.2)
    assert floor["coverage"] == pytest.approx(by_name["coverage"].ideal, abs=0.05)


def test_it_tells_how_far_it_has_come_and_what_it_has_measured(moons: tuple[Model, TrainingData]) -> None:
    found, compared = stages(*moons, Question(PLAIN, n=100, seed=0))
    fractions = [stage.fraction for stage in found]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert found[-1].measured == compared.metrics
    assert [stage.what for stage in found[-25:-1]] == [f"measures {name}" for name in PLAIN for _ in range(4)]


def test_the_same_question_has_the_same_answer_and_another_seed_another(moons: tuple[Model, TrainingData]) -> None:
    one, again, other = (stages(*moons, Question(("mmd2",), n=100, seed=seed))[1] for seed in (0, 0, 1))
    assert one.metrics == again.metrics
    assert one.metrics != other.metrics


def test_no_more_samples_than_training_rows_are_compared(moons: tuple[Model, TrainingData]) -> None:
    _, compared = stages(*moons, Question(("precision",), n=5_000, seed=0))
    assert (compared.n, compared.n_reference) == (1_800, 200)


def test_samples_of_a_conditional_model_of_images_are_compared_by_every_metric(
    digits: tuple[Model, TrainingData],
) -> None:
    """The model is hardly trained: each metric finds its samples worse than training rows."""
    model, data = digits
    names = applicable(has(data.spec, data.source, model.card.capabilities))
    assert {
        "FD_cnn",
        "KD_cnn",
        "label_divergence",
        "classification_accuracy",
    } <= {*names}
    found, compared = stages(model, data, Question(names, n=300, seed=0))
    assert compared.is_new
    assert compared.frozen is not None
    assert compared.frozen.card.accuracy > 0.9
    assert "trains a classifier" in {stage.what for stage in found}
    assert compared.labels is not None
    assert [len(each) for each in (compared.labels.samples, compared.labels.reference)] == [10, 10]
    assert (sum(compared.labels.samples), sum(compared.labels.reference)) == (300, 180)
    ours, floor, gaussian = (values(compared, side) for side in ("model", "floor", "gaussian"))
    assert {*ours} == {*gaussian} == {*names}
    assert {*names} - {*floor} == {"likelihood_membership"}  # training rows are drawn from no density
    for name in ("FD_cnn", "KD_cnn", "mmd2", "sliced_wasserstein"):
        assert floor[name] < ours[name]
    assert floor["classification_accuracy"] > 0.75
    assert gaussian["classification_accuracy"] > 0.5
    assert ours["classification_accuracy"] < 0.5


def test_the_classifier_beside_a_model_is_used_again(digits: tuple[Model, TrainingData], tmp_path: Path) -> None:
    from pushforward.models.evaluation.classifier import weights_of

    _, first = stages(*digits, Question(("FD_cnn",), n=100, seed=0, classifiers=tmp_path))
    assert first.frozen is not None
    write_classifier(tmp_path, first.frozen.card, weights_of(first.frozen.classifier))
    found, second = stages(*digits, Question(("FD_cnn",), n=100, seed=1, classifiers=tmp_path))
    assert not second.is_new
    assert second.frozen is not None
    assert second.frozen.card == first.frozen.card
    assert "trains a classifier" not in {stage.what for stage in found}


def test_rows_of_another_source_are_the_reference(moons: tuple[Model, TrainingData], tmp_path: Path) -> None:
    np.save(tmp_path / "far.npy", 50 + np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32))
    question = Question(("precision",), n=100, seed=0, against=Npy(path="far.npy"), root=tmp_path)
    _, compared = stages(*moons, question)
    assert compared.n_reference == 60
    assert values(compared, "model") == {"precision": 0.0}
    _, fresh = stages(*moons, Question(("precision",), n=100, seed=0, against=TwoMoons(noise=0.1)))
    assert values(fresh, "floor")["precision"] > 0.9


@pytest.mark.parametrize("n", [10, 300])
def test_against_a_density_of_so_many_rows_they_are_so_many(moons: tuple[Model, TrainingData], n: int) -> None:
    metrics = tuple(applicable(has(moons[1].spec, moons[1].source, moons[0].card.capabilities)))
    _, compared = stages(*moons, Question(metrics, n=100, seed=0, against=TwoMoons(n=n)))
    assert compared.n_reference == n
    assert {each.name for each in compared.metrics} == {*metrics}


def test_against_the_training_source_itself_the_rows_that_were_held_out_say_what_is_near(
    digits: tuple[Model, TrainingData],
) -> None:
    ask = Question(("nearest_training_row_ratio",), n=100, seed=0)
    held_out, whole = (stages(*digits, each)[1] for each in (ask, replace(ask, against=Digits())))
    assert (held_out.n_reference, whole.n_reference) == (180, 1797)
    for name in ("model", "floor", "gaussian"):
        assert np.isfinite(values(whole, name)["nearest_training_row_ratio"])
        assert values(whole, name) == values(held_out, name)


def test_rows_that_all_trained_the_model_are_refused_for_the_distance_from_training_rows(
    moons: tuple[Model, TrainingData], tmp_path: Path
) -> None:
    model, data = moons
    assert isinstance(data.train, Rows)
    np.save(tmp_path / "trained.npy", data.train.x[:50])
    question = Question(("nearest_training_row_ratio",), 100, 0, Npy(path="trained.npy"), tmp_path)
    with pytest.raises(
        InvalidData, match=r"only rows that the model was trained on.*name the other metrics"
    ) as refused:
        stages(model, data, question)
    assert refused.value.field == "against"
    assert stages(model, data, replace(question, metrics=("mmd2",)))[1].n_reference == 50


def test_rows_of_another_shape_are_refused(moons: tuple[Model, TrainingData], tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32))
    with pytest.raises(InvalidData, match=r"shape \[3\].*\[2\]") as refused:
        stages(*moons, Question(("mmd2",), n=100, seed=0, against=Npy(path="wide.npy"), root=tmp_path))
    assert refused.value.field == "against"


def test_rows_without_labels_have_no_classification_accuracy(
    digits: tuple[Model, TrainingData], tmp_path: Path
) -> None:
    x = np.random.default_rng(0).integers(17, size=(60, 1, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "bare.npy", x)
    against = Npy(path="bare.npy", low=0, high=16, levels=17)
    with pytest.raises(InvalidData, match="have no labels; leave it out"):
        stages(*digits, Question(("classification_accuracy",), n=50, seed=0, against=against, root=tmp_path))


@pytest.mark.parametrize(
    ("against", "says"),
    [
        (StyledDigits(condition="label"), "are the styles plain, thick, those of its data digits; leave it out"),
        (
            Npy(path="few.npz", low=0, high=16, levels=17, condition="label"),
            "has the labels 0 to 6, its data the labels 0 to 9",
        ),
    ],
)
def test_labels_of_another_meaning_have_no_classification_accuracy(
    digits: tuple[Model, TrainingData], tmp_path: Path, against: Source, says: str
) -> None:
    x = np.random.default_rng(0).integers(17, size=(60, 1, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "few.npz", x=x, y=np.arange(60) % 7)
    question = Question(("classification_accuracy",), n=50, seed=0, against=against, root=tmp_path)
    with pytest.raises(InvalidData, match=says) as refused:
        stages(*digits, question)
    assert refused.value.field == "metrics"


def test_metrics_of_what_the_classifier_finds_need_no_labels_of_the_rows(
    digits: tuple[Model, TrainingData], tmp_path: Path
) -> None:
    x = np.random.default_rng(0).integers(17, size=(60, 1, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "bare.npy", x)
    against = Npy(path="bare.npy", low=0, high=16, levels=17)
    question = Question(("label_divergence", "FD_cnn", "KD_cnn"), n=50, seed=0, against=against, root=tmp_path)
    assert np.isfinite([*values(stages(*digits, question)[1], "model").values()]).all()


def test_data_that_changed_since_the_training_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "rows.npy", rng.standard_normal((300, 2)).astype(np.float32))
    model, data = trained(tmp_path, {"source": "npy", "path": "rows.npy"}, {"family": "flow"})
    np.save(tmp_path / "rows.npy", rng.standard_normal((300, 2)).astype(np.float32))
    with pytest.raises(InvalidData, match="changed since"):
        stages(model, load_data(Run.model_validate(model.card.run), tmp_path), Question(("mmd2",), n=50, seed=0))
    _, compared = stages(model, data, Question(("mmd2",), n=50, seed=0))
    assert compared.n_reference == 30


def test_a_constant_column_has_no_part_in_it(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((400, 3)).astype(np.float32)
    x[:, 1] = 7
    np.save(tmp_path / "rows.npy", x)
    model, data = trained(tmp_path, {"source": "npy", "path": "rows.npy"}, {"family": "flow"})
    question = Question(("mmd2", "precision"), n=100, seed=0, against=Npy(path="rows.npy"), root=tmp_path)
    _, compared = stages(model, data, question)
    assert compared.n_reference == 400
    assert np.isfinite([*values(compared, "model").values()]).all()


def test_samples_that_are_not_finite_are_refused(moons: tuple[Model, TrainingData]) -> None:
    import copy

    model, data = moons
    broken = copy.deepcopy(model.nets)
    for weight in broken.parameters():
        weight.fill_(float("nan"))
    with pytest.raises(Diverged, match="not finite"):
        stages(Model(model.family, broken, model.card), data, Question(("mmd2",), n=50, seed=0))


def test_every_metric_has_a_value_for_a_mixture(tmp_path: Path) -> None:
    model, data = trained(tmp_path, {"source": "eight_gaussians"}, {"family": "flow"})
    data = replace(data, validation=data.validation.of(np.arange(500)))
    names = applicable(has(data.spec, data.source, model.card.capabilities))
    assert {*METRICS} - {*names} == {
        "FD_cnn",
        "KD_cnn",
        "label_divergence",
        "classification_accuracy",
        *OF_TABLES,
    }
    _, compared = stages(model, data, Question(names, n=200, seed=0))
    floor = values(compared, "floor")
    assert floor["modes_found"] == 8
    assert floor["high_quality_share"] == pytest.approx(0.98889, abs=0.03)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, TrainingData]:
    """A table: a category, a number that it tells, and one that is sometimes missing."""
    folder = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    kinds, sizes = rng.integers(0, 2, 300), rng.normal(size=300)
    lines = [
        f"{'ab'[kind]},{size + 3 * kind},{'' if size > 1 else size**2}" for kind, size in zip(kinds, sizes, strict=True)
    ]
    (folder / "shapes.csv").write_text("\n".join(["kind,size,square", *lines]))
    return trained(folder, {"source": "table", "path": "shapes.csv"}, {"family": "flow"}, steps=20)


def test_every_metric_of_tables_has_a_value_beside_training_rows_and_a_gaussian(
    shapes: tuple[Model, TrainingData],
) -> None:
    model, data = shapes
    names = applicable(has(data.spec, data.source, model.card.capabilities))
    assert {*OF_TABLES} <= {*names}
    _, compared = stages(model, data, Question(names, n=270, seed=0))
    ours, floor, gaussian = (values(compared, side) for side in ("model", "floor", "gaussian"))
    assert {*ours} == {*gaussian} == {*names}
    assert {*names} - {*floor} == {"likelihood_membership"}
    assert np.isfinite([*ours.values(), *floor.values(), *gaussian.values()]).all()
    assert floor["train_on_synthetic"] > ours["train_on_synthetic"]
    assert floor["category_coverage"] == floor["range_coverage"] == 1.0
    assert ours["likelihood_membership"] == pytest.approx(0.5, abs=0.3)


def test_the_column_that_is_predicted_may_be_named(shapes: tuple[Model, TrainingData]) -> None:
    ask = Question(("train_on_synthetic",), n=270, seed=0)
    kind, same, size = (
        values(stages(*shapes, replace(ask, target=name))[1], "floor") for name in (None, "kind", "size")
    )
    assert kind == same != size
    with pytest.raises(InvalidData, match="'weight' is no column") as refused:
        stages(*shapes, replace(ask, target="weight"))
    assert refused.value.field == "target"


def test_draws_of_the_gaussian_beside_a_table_have_whole_categories(shapes: tuple[Model, TrainingData]) -> None:
    from pushforward.models.evaluation.table_baseline import rounded

    table = shapes[1].spec.table
    assert table is not None
    v = np.random.default_rng(0).normal(size=(50, table.width)).astype(np.float32)
    again = rounded(table, v)
    assert np.isin(again[:, len(table.numbers) :], [0, 1]).all()
    assert again[:, -table.sizes[-1] :].argmax(1).tolist() == v[:, -table.sizes[-1] :].argmax(1).tolist()
