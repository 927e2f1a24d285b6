"""From a command to the evaluation of a model, checked against its card before a job is made of it."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pushforward.models.data import AnyData, Source
from pushforward.models.evaluation.metrics.metric import Need
from pushforward.models.evaluation.metrics.registry import METRICS, applicable, has, why_not
from pushforward.service.application.commands.commands import Evaluate
from pushforward.service.application.requests.requests import TargetModel
from pushforward.service.application.training import outlined
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Conflict, FieldError, Invalid, Unsupported
from pushforward.service.domain.jobs import ModelEvaluation

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
    there = has(card.spec, _source(card))
    metrics = applicable(there) if command.metrics is None else _checked(command.metrics, there, card)
    if not isinstance(command.against, str):
        await _check_against(command.against, card, data_root)
    against = command.against if isinstance(command.against, str) else command.against.model_dump(mode="json")
    return ModelEvaluation(
        model=card.reference, against=against, metrics=tuple(metrics), n=command.n, seed=command.seed
    )


def _source(card: Card) -> Source:
    """The data of a model. Raises Conflict where this service does not know them."""
    try:
        return _DATA.validate_python(card.run["data"])
    except (KeyError, ValidationError) as error:
        raise Conflict(f"{card.reference} was trained on data of another release; train it again") from error


def _checked(names: tuple[str, ...], there: frozenset[Need], card: Card) -> tuple[str, ...]:
    """The same metrics. Raises Invalid where one does not apply to the model."""
    faults = tuple(
        FieldError(f"metrics.{place}", f"{name} does not apply to {card.model}: {why}; leave it out")
        for place, name in enumerate(names)
        if (why := why_not(METRICS[name], there))
    )
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise Invalid(f"{faults[0].field}: {faults[0].message}{more}", errors=faults)
    return names


async def _check_against(source: Source, card: Card, data_root: Path) -> None:
    """Raises Invalid where rows of the source are not of the model's kind, Unavailable."""
    outline = await outlined(source, data_root, "against")
    if outline.shape != card.spec.shape:
        shape, wanted = list(outline.shape), list(card.spec.shape)
        raise Invalid.field("against", f"has rows of shape {shape}; give rows of shape {wanted}, as {card.model} has")
