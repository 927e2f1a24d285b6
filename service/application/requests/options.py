"""The options of a request: which ones a family has for each capability, and their values with the defaults."""

from __future__ import annotations

from typing import Any

from pushforward.models.config.config import Options
from pushforward.models.family import Completes, Decodes, Encodes, Family, Samples, Scores, Translates
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tabular.completion import CompletesRows
from pushforward.service.application.commands.commands import AnyAsk, Sample
from pushforward.service.application.commands.validation import parse, refusing
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.inference import Op


def option_types(family: type[Family]) -> dict[Op, type[Options]]:
    """The options of a family, by capability."""
    types: dict[Op, type[Options]] = {}
    if issubclass(family, Samples):
        types["sample"] = family.SampleOptions
    if issubclass(family, Scores):
        types["likelihood"] = family.ScoreOptions
    if issubclass(family, Encodes):
        types["encode"] = family.EncodeOptions
    if issubclass(family, Decodes):
        types["decode"] = family.DecodeOptions
    if issubclass(family, Completes | CompletesRows):
        types["complete"] = family.CompleteOptions
    if issubclass(family, Translates):
        types["translate"] = family.TranslateOptions
    return types


def options_of(ask: AnyAsk, family: Family, spec: DataSpec) -> dict[str, Any]:
    """The options of a request, with their defaults. Raises Invalid."""
    options = parse(option_types(type(family)).get(ask.op, Options), ask.options, within="options")
    if isinstance(ask, Sample) and isinstance(family, Samples):
        with refusing("options"):
            family.check_sampling(spec, options)
    chosen = options.model_dump(mode="json")
    if ask.condition is None and chosen.get("guidance"):
        raise Invalid.field(
            "options.guidance", "leans on a condition, and none is given; give condition, or leave guidance out"
        )
    return chosen
