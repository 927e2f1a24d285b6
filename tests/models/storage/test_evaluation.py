"""The report of an evaluation on disk."""

from pathlib import Path

import pytest

from pushforward.models.storage.evaluation import (
    CLASSIFIER,
    CLASSIFIER_WEIGHTS,
    REPORT,
    ClassifierCard,
    EvaluationReport,
    MetricReport,
    MetricValue,
    read_classifier_card,
    read_report,
    write_classifier,
    write_report,
)

VALUE = MetricValue(value=0.25, std_error=0.5, interval=(0.0, 1.0), p_value=0.125)
NOT_FINITE = MetricValue(value=float("nan"), std_error=float("inf"))
CARD = ClassifierCard(weights_sha256="0" * 64, n_classes=3, data_fingerprint="1" * 64, accuracy=0.75)
OF_ROWS = EvaluationReport(
    against={"source": "npy", "path": "new.npy"},
    n=100,
    n_reference=50,
    seed=2**64 - 1,
    metrics=(
        MetricReport(name="mmd2", better="lower", ideal=0.0, model=VALUE, floor=VALUE, gaussian=None),
        MetricReport(name="density", better="nearer", ideal=1.0, model=NOT_FINITE),
    ),
    classifier=CARD,
    job="a1986a0ae53f04a8",
    created_at=1.5,
)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_report(tmp_path, OF_ROWS)
    found = read_report(tmp_path)
    assert found is not None
    assert found.model_dump_json() == OF_ROWS.model_dump_json()
    assert found.metrics[0] == OF_ROWS.metrics[0]


def test_a_model_that_was_never_evaluated_has_none(tmp_path: Path) -> None:
    assert read_report(tmp_path) is None
    assert read_classifier_card(tmp_path) is None


def test_a_later_report_takes_the_place_of_the_one_before_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_report(tmp_path, OF_ROWS)
    write_report(tmp_path, OF_ROWS.model_copy(update={"seed": 3}))
    found = read_report(tmp_path)
    assert found is not None
    assert found.seed == 3
    assert [file.name for file in tmp_path.iterdir()] == [REPORT]


@pytest.mark.parametrize("place", [20, 300, -90])
def test_a_report_that_was_altered_is_not_read(tmp_path: Path, place: int) -> None:
    write_report(tmp_path, OF_ROWS)
    content = bytearray((tmp_path / REPORT).read_bytes())
    content[place] ^= 1
    (tmp_path / REPORT).write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"altered|Expecting|Invalid|JSON|delimiter|decode|property|Extra|control"):
        read_report(tmp_path)


def test_what_is_sealed_and_no_report_is_not_read(tmp_path: Path) -> None:
    write_classifier(tmp_path, CARD, b"weights")
    (tmp_path / CLASSIFIER).rename(tmp_path / REPORT)
    with pytest.raises(ValueError, match="does not hold what it should"):
        read_report(tmp_path)


def test_a_classifier_is_its_weights_and_a_card_that_names_them(tmp_path: Path) -> None:
    write_classifier(tmp_path, CARD, b"weights")
    assert (tmp_path / CLASSIFIER_WEIGHTS).read_bytes() == b"weights"
    assert read_classifier_card(tmp_path) == CARD
