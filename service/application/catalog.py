"""The catalog: published models, families, presets, and the workers that serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from pydantic import TypeAdapter, ValidationError

from pushforward.models.capabilities import capabilities
from pushforward.models.families import FAMILIES
from pushforward.models.family import Conditions
from pushforward.models.presets import PRESETS
from pushforward.service.application.requests.options import option_types
from pushforward.service.application.trainings.outlines import summary_of
from pushforward.service.domain.catalog import Card, EvaluatedCard, Name, Reference, Worker
from pushforward.service.domain.errors import NotFound
from pushforward.service.domain.ports import Models, Reach, Workers

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_REFERENCE: TypeAdapter[str] = TypeAdapter(Reference)


@final
@dataclass(frozen=True)
class FamilyCard:
    """A family that can be trained."""

    family: str
    summary: str  # one line
    capabilities: tuple[str, ...]
    schema: dict[str, Any]  # JSON Schema of its fields
    options: dict[str, dict[str, Any]]  # JSON Schema of its options, by capability
    takes_condition: bool  # whether it can be trained on data with a condition


@final
@dataclass(frozen=True)
class PresetCard:
    """A named run."""

    name: str
    summary: str  # one line
    run: dict[str, Any]


@final
@dataclass(frozen=True)
class Catalog:
    """Lists what there is, and deletes models."""

    published: Models
    workers: Workers
    reach: Reach

    async def models(self, *, model: str | None = None) -> Sequence[Card]:
        """The newest version of every model, or all versions of one, oldest first. Raises NotFound."""
        return await self.published.newest() if model is None else await self.published.versions(checked_name(model))

    async def model(self, reference: str) -> Card:
        """Raises NotFound."""
        return await self.published.get(checked_reference(reference))

    async def evaluated(self, reference: str) -> EvaluatedCard:
        """The card of a model, with the report of its latest evaluation. Raises NotFound."""
        card = await self.model(reference)
        evaluation = await self.published.evaluation(card)
        return EvaluatedCard.model_validate({**dict(card), "evaluation": evaluation, "measure": card.of_likelihoods})

    async def delete(self, reference: str) -> Sequence[str]:
        """Delete a version, or all of a name; returns the deleted references. Raises NotFound."""
        return await self.published.delete(checked_reference(reference))

    def families(self) -> list[FamilyCard]:
        """All families, from the classes themselves."""
        return [
            FamilyCard(
                name,
                summary_of(cls),
                capabilities(cls),
                cls.model_json_schema(),
                {op: options.model_json_schema() for op, options in option_types(cls).items()},
                takes_condition=issubclass(cls, Conditions),
            )
            for name, cls in FAMILIES.items()
        ]

    def presets(self) -> list[PresetCard]:
        """All presets."""
        return [PresetCard(p.name, p.summary, p.run.model_dump(mode="json")) for p in PRESETS.values()]

    async def ready(self) -> Sequence[Worker]:
        """The workers that take requests. Raises Unavailable where there is none, naming what is missing."""
        return await self.reach.reach()


def checked_name(name: str) -> str:
    """The name of a model. Raises NotFound."""
    return _checked(_NAME, name)


def checked_reference(reference: str) -> str:
    """The name of a model, maybe with a version. Raises NotFound."""
    return _checked(_REFERENCE, reference)


def _checked(kind: TypeAdapter[str], reference: str) -> str:
    """Raises NotFound: no model has an invalid name."""
    try:
        return kind.validate_python(reference)
    except ValidationError:
        raise NotFound(f"there is no model {reference[:100]!r}") from None
