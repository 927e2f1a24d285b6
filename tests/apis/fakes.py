"""Honest stand-ins for the ports, without PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pushforward.models.capabilities import capabilities
from pushforward.models.data import Source, TwoMoons
from pushforward.models.families.vae import VAE
from pushforward.models.family import Decodes, Family
from pushforward.models.form import form_of
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.storage.evaluation import EvaluationReport
from pushforward.service.application.application import Application
from pushforward.service.domain.catalog import Card, Worker
from pushforward.service.domain.errors import NotFound, Unavailable
from pushforward.service.domain.inference import Op
from pushforward.service.domain.jobs import Kind
from pushforward.service.domain.ports import Asks
from pushforward.service.jobs.memory_record import MemoryJobs
from pushforward.service.settings import Settings
from pushforward.service.stores.disk_datasets import DiskDatasets
from pushforward.service.stores.disk_files import DiskFiles

MOONS = VAE.model_validate({"latent": 2, "width": 8, "depth": 1, "likelihood": {"likelihood": "gaussian"}})

HELD_OUT = tuple(-9 + 8 * i / 198 for i in range(199))  # nats


def card(
    name: str, family: Family, spec: DataSpec, *, able: tuple[Op, ...] | None = None, data: Source | None = None
) -> Card:
    form = form_of(family, spec)
    return Card(
        model=name,
        version=1,
        family=family.family,
        capabilities=able or capabilities(form),
        spec=spec,
        latent_shape=form.latent_shape(spec.varying) if isinstance(form, Decodes) else None,
        run={"family": family.model_dump(mode="json"), "data": (data or TwoMoons()).model_dump(mode="json")},
        metrics={"validation_nats": 1.5},
        notes=family.notes,
        n_parameters=1,
        data_fingerprint="0" * 64,
        weights_sha256="0" * 64,
        weights_bytes=4,
        job="j",
        created_at=1.0,
    )


@dataclass
class MemoryModels:
    """`ports.Models`."""

    cards: dict[str, Card]
    reports: dict[str, EvaluationReport] = field(default_factory=dict)
    held_out: dict[str, Sequence[float]] = field(default_factory=dict)  # by reference

    async def newest(self) -> Sequence[Card]:
        return list(self.cards.values())

    async def versions(self, model: str) -> Sequence[Card]:
        return [await self.get(model)]

    async def get(self, reference: str) -> Card:
        name, _, version = reference.partition("@")
        if name not in self.cards or version not in ("", "1"):
            raise NotFound(f"there is no model {reference!r}")
        return self.cards[name]

    async def evaluation(self, card: Card) -> EvaluationReport | None:
        return self.reports.get(card.reference)

    async def held_out_log_prob(self, card: Card) -> Sequence[float] | None:
        return self.held_out.get(card.reference)

    async def delete(self, reference: str) -> Sequence[str]:
        card = await self.get(reference)
        del self.cards[card.model]
        return [card.reference]


@dataclass
class Wakeups:
    """`ports.Wakeups`."""

    woken: list[str] = field(default_factory=list)

    async def wake(self, job_id: str, kind: Kind = "train") -> None:
        self.woken.append(job_id)


@dataclass
class Workers:
    """`ports.Workers`."""

    alive: bool = True

    async def live(self) -> Sequence[Worker]:
        return [Worker(id="w", device="cpu", models=(), training=(), seen_at=1.0)] if self.alive else []


@dataclass
class Reach:
    """`ports.Reach`."""

    workers: Workers

    async def reach(self) -> Sequence[Worker]:
        if not (live := await self.workers.live()):
            raise Unavailable("no worker is alive", retry_after_s=1.0)
        return live


def application(settings: Settings, cards: Sequence[Card], asks: Asks) -> Application:
    workers = Workers()
    return Application.over(
        jobs=MemoryJobs(settings),
        wakeups=Wakeups(),
        asks=asks,
        models=MemoryModels(
            {card.model: card for card in cards}, held_out={card.reference: HELD_OUT for card in cards}
        ),
        workers=workers,
        reach=Reach(workers),
        files=DiskFiles(settings.store),
        datasets=DiskDatasets(settings.data_root),
        settings=settings,
    )
