"""The run of a training as a client sends it: whole, or the fields that change the run of a preset or of a start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, final

from pydantic import GetPydanticSchema, StringConstraints, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from pushforward.models.presets import PRESETS
from pushforward.models.run import START_PATTERN, Run


@final
@dataclass(frozen=True)
class ChangedFields:
    """Fields that change the run of what a training starts from, which is not known before it is looked up."""

    fields: Mapping[str, Any]


def _changed(run: Any, validate: ValidatorFunctionWrapHandler, fields: ValidationInfo) -> Any:
    """The run itself; with a preset, the preset's run with these fields changed; the fields alone for a start."""
    preset = fields.data.get("preset")
    if run is None:
        return None
    if preset is None:
        is_change = fields.data.get("start_from") is not None and isinstance(run, Mapping) and not _is_whole(run)
        return ChangedFields(run) if is_change else validate(run)
    if not isinstance(run, Mapping):
        raise ValueError("must be an object of the preset's fields to change")
    if preset not in PRESETS:
        return None  # the application refuses an unknown preset
    return validate(PRESETS[preset].run.changed(run))


def _is_whole(run: Mapping[str, Any]) -> bool:
    """Whether it says what is trained, and on what."""
    family, data = run.get("family"), run.get("data")
    return isinstance(family, Mapping) and "family" in family and isinstance(data, Mapping) and "source" in data


StartFrom = Annotated[str, StringConstraints(pattern=START_PATTERN)]
AskedRun = Annotated[
    Run | ChangedFields | None,
    GetPydanticSchema(lambda _, handler: handler.generate_schema(Annotated[Run | None, WrapValidator(_changed)])),
]
