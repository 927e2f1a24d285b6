"""Guidance is refused where nothing would be guided: naming the option, without torch."""

import pytest

from pushforward.models.families.diffusion import Diffusion
from pushforward.models.families.flow_matching import FlowMatching
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.commands.commands import Sample
from pushforward.service.application.requests.requests import TargetModel
from pushforward.service.domain.errors import Invalid
from pushforward.service.settings import Settings
from tests.apis.fakes import card

LABELED = DataSpec(shape=(2,), condition=Labels(n_classes=3))
FAMILIES = [Diffusion(drop=0.1), FlowMatching(drop=0.1)]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.family)


@each_family
def test_guidance_of_a_request_without_a_condition_is_refused(family: Diffusion | FlowMatching) -> None:
    target = TargetModel.of(card("guided", family, LABELED))
    for told in ({}, {"condition": 1}):
        ask = Sample.model_validate({"model": "guided", "options": {"guidance": 2.0}, "n": 2} | told)
        if told:
            assert target.request(ask, Settings()).options["guidance"] == 2.0
            continue
        with pytest.raises(Invalid) as refusal:
            target.request(ask, Settings())
        assert [error.field for error in refusal.value.errors] == ["options.guidance"]
    assert target.request(Sample.model_validate({"model": "guided"}), Settings()).options["guidance"] == 0.0


@each_family
def test_guidance_of_a_model_without_a_condition_is_refused(family: Diffusion | FlowMatching) -> None:
    target = TargetModel.of(card("plain", family, DataSpec(shape=(2,))))
    ask = Sample.model_validate({"model": "plain", "options": {"guidance": 2.0}})
    with pytest.raises(Invalid) as refusal:
        target.request(ask, Settings())
    assert [error.field for error in refusal.value.errors] == ["options.guidance"]
