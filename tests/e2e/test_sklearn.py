"""scikit-learn's estimators over a real service: its own checks, pipelines, frames, models that are there."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from pushforward import Client
from pushforward.client.errors import Invalid, JobFailed, NotFound
from pushforward.sklearn import GenerativeModel, GenerativeOutlierDetector, ServiceEstimator
from tests.e2e.running import Up

SMALL = {"family": {"family": "flow", "width": 8, "depth": 1, "n_transforms": 2}}
# Float32 sums over other batch shapes differ by about 1e-6; these two compare float64 answers at 1e-7 and 1e-9.
FLOAT32 = dict.fromkeys(
    ("check_methods_subset_invariance", "check_methods_sample_order_invariance"), "answers are of float32 arithmetic"
)
ROWS = load_iris().data


@pytest.fixture(scope="module")
def url(up: Up) -> str:
    return up.place.url


def small(kind: type[ServiceEstimator], url: str, **arguments: object) -> ServiceEstimator:
    return kind("flow", steps=5, run=SMALL, url=url, **arguments)  # type: ignore[arg-type]  # of the kind's own


@pytest.mark.timeout(900)  # some twenty trainings
@pytest.mark.parametrize("kind", [GenerativeModel, GenerativeOutlierDetector])
@pytest.mark.filterwarnings("ignore")  # the checks provoke many
def test_it_is_an_estimator_by_scikit_learns_checks(kind: type[ServiceEstimator], url: str) -> None:
    results = check_estimator(small(kind, url), on_fail=None, on_skip=None, expected_failed_checks=FLOAT32)
    failed = {each["check_name"]: each["exception"] for each in results if each["status"] == "failed"}
    assert failed == {}
    assert sum(each["status"] == "passed" for each in results) > 40


def test_it_stands_in_a_pipeline_and_names_its_columns(url: str) -> None:
    model = small(GenerativeModel, url).set_output(transform="pandas")
    pipeline = make_pipeline(StandardScaler(), model).fit(ROWS)
    codes = pipeline.transform(ROWS[:5])
    assert list(codes.columns) == [f"generativemodel{i}" for i in range(4)]
    assert np.allclose(pipeline.inverse_transform(codes.to_numpy()), ROWS[:5], atol=1e-3)
    assert pipeline.score_samples(ROWS[:5]).shape == (5,)
    assert pipeline.score(ROWS) == pytest.approx(pipeline.score_samples(ROWS).mean())


def test_the_same_rows_and_run_are_the_same_job(url: str) -> None:
    first = small(GenerativeModel, url).fit(ROWS)
    second = clone(first).fit(ROWS)
    assert second.job_ == first.job_
    with Client(url) as client:
        client.models.delete(first.model_)
    assert clone(first).fit(ROWS).model_ != first.model_


def test_samples_are_those_of_the_random_state(url: str) -> None:
    model = small(GenerativeModel, url).fit(ROWS)
    assert np.array_equal(model.sample(3, random_state=1), model.sample(3, random_state=1))
    assert not np.array_equal(model.sample(3, random_state=1), model.sample(3, random_state=2))
    assert model.reconstruct(ROWS[:2]).shape == (2, 4)
    assert pickle.loads(pickle.dumps(model)).sample(3, random_state=1).shape == (3, 4)


def test_a_model_that_is_there_becomes_an_estimator(url: str) -> None:
    trained = small(GenerativeModel, url, model="iris").fit(ROWS)
    model = GenerativeModel.from_model("iris", url=url)
    assert (model.model_, model.n_features_in_) == (trained.model_, 4)
    assert np.allclose(model.score_samples(ROWS[:3]), trained.score_samples(ROWS[:3]), atol=1e-5)
    with pytest.raises(NotFound):
        GenerativeModel.from_model("none", url=url)
    with Client(url) as client:
        job = client.train("pictures", preset="vae-digits", run={"budget": {"steps": 5, "epochs": None}})
        client.jobs.wait(job.id, timeout_s=120)
    with pytest.raises(ValueError, match="two axes"):
        GenerativeModel.from_model("pictures", url=url)


def test_a_family_without_codes_has_no_transform(url: str) -> None:
    model = GenerativeModel("gan", steps=5, url=url).fit(ROWS)
    assert not hasattr(model, "transform")
    assert hasattr(model, "sample")


def test_outliers_are_the_share_that_was_asked_for_and_those_far_out(url: str) -> None:
    detector = small(GenerativeOutlierDetector, url, contamination=0.1).fit(ROWS)
    assert (detector.predict(ROWS) == -1).mean() == pytest.approx(0.1, abs=0.01)
    assert detector.predict([[90.0, -90.0, 90.0, -90.0]]).tolist() == [-1]
    held_out = small(GenerativeOutlierDetector, url, contamination="auto").fit(ROWS)
    assert (held_out.predict(ROWS) == 1).mean() > 0.8
    with pytest.raises(ValueError, match="contamination must be"):
        small(GenerativeOutlierDetector, url, contamination=0.9).fit(ROWS)


def test_it_can_be_validated_across_folds(url: str) -> None:
    assert np.isfinite(cross_val_score(small(GenerativeModel, url), ROWS, cv=2)).all()


def test_a_training_that_fails_says_so(url: str) -> None:
    model = GenerativeModel("flow", steps=5, run={**SMALL, "optimizer": {"lr": 1e12}}, url=url)
    with pytest.raises((JobFailed, Invalid), match=r"optimizer\.lr"):
        model.fit(ROWS)
