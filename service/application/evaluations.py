"""From a command to the evaluation of a model, checked against its card before a job is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from pushforward.models.data import AnyData, Source
from pushforward.models.evaluation.metrics.classifiers.boosted_trees import TrainOnSynthetic, default_target
from pushforward.models.evaluation.metrics.registry import METRICS, has, why_not
from pushforward.models.evaluation.reference_labels import READ_LABELS, unlike
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application.commands.commands import Evaluate
from pushforward.service.application.commands.spelling import nearest
from pushforward.service.application.requests.requests import TargetModel
from pushforward.service.application.trainings.training import outlined, pinned, read_of_source
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Conflict, FieldError, Invalid, Unsupported
from pushforward.service.domain.jobs import ModelEvaluation

LABELS_READ = 10_000_000  # of a file, before a job is made of it; a worker reads more

_DATA: TypeAdapter[Source] = TypeAdapter(AnyData)


async def checked_evaluation(command: Evaluate, target: TargetModel, data_root: Path) -> ModelEvaluation:
    """What a job compares. Raises Unsupported, Invalid, Conflict, Unavailable."""
    card = target.card
    if "sample" not in card.capabilities:
        raise Unsupported(f"{card.family} has no samples to compare; evaluate a model that answers sample")
    if not target.family.fits_data:
        raise Unsupported(
            f"{card.family} does not learn the distribution of its rows; its metrics are on the card of {card.model}"
        )
    source = _source(card)
    there = has(card.spec, source, card.capabilities)
    refused = {name: f"{why}; leave it out" for name, metric in METRICS.items() if (why := why_not(metric, there))}
    against: Literal["held_out"] | dict[str, Any] = "held_out"
    if not isinstance(command.against, str):
        rows = await pinned(command.against, data_root, "against")
        refused |= await _refused(rows, set(command.metrics or METRICS) - {*refused}, card, source, data_root)
        against = rows.model_dump(mode="json")
    if command.metrics is None:
        metrics = tuple(name for name in METRICS if name not in refused)
    else:
        metrics = _checked(command.metrics, refused, card)
    return ModelEvaluation(
        model=card.reference,
        against=against,
        metrics=metrics,
        target=_target(command.target, metrics, card),
        n=command.n,
        seed=command.seed,
    )


def _target(name: str | None, metrics: tuple[str, ...], card: Card) -> str | None:
    """The column that is predicted, where one is. Raises Invalid where it is none, or nothing is predicted."""
    if TrainOnSynthetic.name not in metrics or card.spec.table is None:
        if name is not None:
            raise Invalid.field("target", f"is for {TrainOnSynthetic.name}, which is not measured; leave it out")
        return None
    modelled = [column.name for column in card.spec.table.modelled]
    if name is not None and name not in modelled:
        remedy = nearest(name, modelled) or f"choose one of {', '.join(modelled[:20])}"
        raise Invalid.field("target", f"there is no column {name!r} that {card.model} models; {remedy}")
    return modelled[default_target(card.spec.table)] if name is None else name


def _source(card: Card) -> Source:
    """The data of a model. Raises Conflict where this service does not know them."""
    try:
        return _DATA.validate_python(card.run["data"])
    except (KeyError, ValidationError) as error:
        raise Conflict(f"{card.reference} was trained on data of another release; train it again") from error


def _checked(names: tuple[str, ...], refused: Mapping[str, str], card: Card) -> tuple[str, ...]:
    """The same metrics. Raises Invalid where one is refused: why, and what to do."""
    faults = tuple(
        FieldError(f"metrics.{place}", f"{name} does not apply to {card.model}: {refused[name]}")
        for place, name in enumerate(names)
        if name in refused
    )
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise Invalid(f"{faults[0].field}: {faults[0].message}{more}", errors=faults)
    return names


def _check_columns(card: Card, outline: DataSpec) -> None:
    """Raises Invalid where a table lacks columns of the model's, or either is no table."""
    wanted = [] if card.spec.table is None else [column.name for column in card.spec.table.modelled]
    there = [] if outline.file_table is None else [column.name for column in outline.file_table.columns]
    if card.spec.table is None or outline.table is None:
        raise Invalid.field("against", f"holds {_kind(outline)}, and {card.model} models {_kind(card.spec)}")
    lacking = next((name for name in wanted if name not in there), None)
    if lacking is not None:
        raise Invalid.field("against", f"lacks the column {lacking!r} of {card.model}; give a table that has it")


def _kind(spec: DataSpec) -> str:
    return "arrays" if spec.table is None else "a table"


async def _refused(
    against: Source, metrics: Set[str], card: Card, source: Source, data_root: Path
) -> Mapping[str, str]:
    """Metrics that rows of `against` have no labels for: why, and what to do.

    Raises Invalid where these rows are not of the model's kind, Unavailable.
    """
    outline = (await outlined(against, data_root, "against")).spec
    if card.spec.table is not None or outline.table is not None:
        _check_columns(card, outline)
        return {}
    if outline.shape != card.spec.shape:
        shape, wanted = list(outline.shape), list(card.spec.shape)
        raise Invalid.field("against", f"has rows of shape {shape}; give rows of shape {wanted}, as {card.model} has")
    told, asked = card.spec.condition, metrics & READ_LABELS
    if not asked or not isinstance(told, Labels) or (outline.n_rows or 0) > LABELS_READ:
        return {}
    found = await read_of_source(against, partial(unlike, against, data_root, source, told.n_classes), "against")
    return {} if found is None else dict.fromkeys(asked, f"{found.why}; leave it out, or {found.remedy}")
