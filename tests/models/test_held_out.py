"""`models.held_out`: which families can end a training by their held-out loss."""

from typing import Any

import pytest

from pushforward.models.errors import InvalidData
from pushforward.models.form import form_of
from pushforward.models.held_out import check_patience, has_curve, keeps_best
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec

SPEC = DataSpec(shape=(2,))


def run_of(family: str, data: dict[str, Any], **budget: int) -> Run:
    return Run.model_validate({"family": {"family": family}, "data": data, "budget": {"steps": 9, **budget}})


@pytest.mark.parametrize("family", ["vae", "flow", "diffusion", "ae"])
def test_a_family_with_a_held_out_loss_takes_patience(family: str) -> None:
    run = run_of(family, {"source": "two_moons"}, patience=2)
    check_patience(run, form_of(run.family, SPEC))


@pytest.mark.parametrize(
    ("family", "data", "why"),
    [("gan", "two_moons", "gan has none"), ("ae_ot", "two_moons", "does not tell which weights are better")],
)
def test_others_refuse_it_with_the_field_and_the_remedy(family: str, data: str, why: str) -> None:
    run = run_of(family, {"source": data}, patience=2)
    with pytest.raises(InvalidData, match=why) as error:
        check_patience(run, form_of(run.family, SPEC))
    assert error.value.field == "run.budget.patience"
    assert "leave it out" in error.value.message
    patient = run_of(family, {"source": data})
    check_patience(patient, form_of(patient.family, SPEC))


def test_a_lower_loss_tells_better_weights_only_where_there_is_a_loss() -> None:
    families = [form_of(run_of(each, {"source": "two_moons"}).family, SPEC) for each in ("vae", "gan", "ae_ot")]
    assert [has_curve(family) for family in families] == [True, False, True]
    assert [keeps_best(family) for family in families] == [True, False, False]
