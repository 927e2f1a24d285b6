"""A family's fields, and the table of an evaluation's report."""

import pytest

from pushforward.models.families import FAMILIES
from pushforward.service.cli.catalog.evaluation import metric_row, value_in_words
from pushforward.service.cli.catalog.families import show_family
from pushforward.service.cli.catalog.models import condition_in_words

VALUE = {"value": 0.01234, "std_error": 0.00456, "interval": None, "p_value": 0.002}


def test_a_metric_is_a_row_of_its_values_and_what_they_mean() -> None:
    report = {"name": "mmd2", "better": "lower", "ideal": 0.0, "model": VALUE, "floor": VALUE, "gaussian": None}
    assert metric_row(report) == ("mmd2", "0.01234 ± 0.0046", "0.01234 ± 0.0046", "", "0", "lower", "0.002")


def test_a_number_that_is_not_finite_is_a_text_and_shown() -> None:
    nothing = {"value": "NaN", "std_error": None, "interval": None, "p_value": "NaN"}
    report = {"name": "ratio", "better": "nearer", "ideal": 1.0, "model": nothing, "floor": None, "gaussian": None}
    assert metric_row(report) == ("ratio", "nan", "", "", "1", "nearer", "nan")
    assert value_in_words({**nothing, "value": "Infinity"}) == "inf"


def test_a_family_is_shown_with_the_fields_of_what_its_lists_hold(capsys: pytest.CaptureFixture[str]) -> None:
    schema = FAMILIES["gan"].model_json_schema()
    show_family({"family": "gan", "summary": "A game.", "schema": schema, "options": {}})
    shown = capsys.readouterr().out
    assert '--family.regularizers is a list of these, such as drift,gradient_penalty or [{"regularizer"' in shown
    _, _, below = shown.partition("--family.regularizers is a list of these")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in below.splitlines()[1:] if line}
    assert rows["packing"] == "The critic judges several rows together."
    assert rows["packing.rows"] == "integer, >= 2, <= 16 2 Rows that are judged together, m."
    assert rows["r1.gamma"].startswith("number, > 0 0.1 Twice the weight")


def test_the_default_of_a_list_of_kinds_is_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    show_family({"family": "gan", "summary": "A game.", "schema": FAMILIES["gan"].model_json_schema(), "options": {}})
    shown = next(
        line for line in capsys.readouterr().out.splitlines() if line.startswith("--family.game.kernel.kernels ")
    )
    assert "rational_quadratic,linear" in shown
    assert "{" not in shown


def test_labels_are_shown_with_their_names_as_far_as_there_is_room() -> None:
    assert condition_in_words({"kind": "labels", "n_classes": 3}) == "label 0..2"
    assert (
        condition_in_words({"kind": "labels", "n_classes": 2, "names": ["daisy", "rose"]}) == "label 0..1: daisy, rose"
    )
    columns = {"kind": "columns", "table": {"columns": [{"name": "kind"}, {"name": "age"}]}, "places": [0, 2]}
    assert condition_in_words(columns) == "columns kind, age"
    many = condition_in_words({"kind": "labels", "n_classes": 20, "names": [f"flower{i}" for i in range(20)]})
    assert many == "label 0..19: flower0, flower1, flower2, flower3, ..."
