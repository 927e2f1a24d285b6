"""The table of an evaluation's report."""

from pushforward.service.cli.catalog import metric_row, value_in_words

VALUE = {"value": 0.01234, "std_error": 0.00456, "interval": None, "p_value": 0.002}


def test_a_metric_is_a_row_of_its_values_and_what_they_mean() -> None:
    report = {"name": "mmd2", "better": "lower", "ideal": 0.0, "model": VALUE, "floor": VALUE, "gaussian": None}
    assert metric_row(report) == ("mmd2", "0.01234 ± 0.0046", "0.01234 ± 0.0046", "", "0", "lower", "0.002")


def test_a_number_that_is_not_finite_is_a_text_and_shown() -> None:
    nothing = {"value": "NaN", "std_error": None, "interval": None, "p_value": "NaN"}
    report = {"name": "ratio", "better": "nearer", "ideal": 1.0, "model": nothing, "floor": None, "gaussian": None}
    assert metric_row(report) == ("ratio", "nan", "", "", "1", "nearer", "nan")
    assert value_in_words({**nothing, "value": "Infinity"}) == "inf"
