"""The published models on disk: `{store}/{model}/{version}/{weights.safetensors,model.json,card.json}`.

A version is published and deleted by one rename, whole or not at all. In between, nothing changes but the report of its
evaluation beside the card (`models.storage.evaluation`), which is read when it is asked for. Other entries of
the store (a damaged folder, a name that starts with a dot) are ignored.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import final

from pushforward.models.config.json_float import from_json
from pushforward.models.storage.card import ModelCard
from pushforward.models.storage.durable import sync
from pushforward.models.storage.evaluation import EvaluationReport, read_report
from pushforward.models.storage.sealed import seal, unseal
from pushforward.service.domain.catalog import NAME_PATTERN, Card
from pushforward.service.domain.errors import Conflict, NotFound

log = logging.getLogger(__name__)

TRASH = ".deleted"
SETTLED_S = 1.0  # after which a change of a folder certainly changes its mtime


@final
class DiskModels:
    """`ports.Models`. Reads in threads; the cards of a model are cached until the mtime of its folder changes."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known: dict[str, tuple[str, int, tuple[Card, ...]]] = {}  # by model: folder, its mtime in ns, versions

    async def newest(self) -> Sequence[Card]:
        def read() -> list[Card]:
            return [cards[-1] for name in model_names(self._store) if (cards := self._cards(name))]

        return await asyncio.to_thread(read)

    async def versions(self, model: str) -> Sequence[Card]:
        cards = await self._readable(model)
        if not cards:
            raise NotFound(f"there is no model {model!r}; list the models for those there are")
        return cards

    async def get(self, reference: str) -> Card:
        model, _, version = reference.partition("@")
        if not version:
            return (await self.versions(model))[-1]
        for card in await self._readable(model):
            if str(card.version) == version:
                return card
        if await asyncio.to_thread((self._store / model / version).is_dir):
            raise NotFound(f"the files of {reference} are damaged, see the log; restore them, or train it again")
        numbers = ", ".join(str(card.version) for card in await self.versions(model))
        raise NotFound(f"model {model!r} has no version {version}; it has {numbers}")

    async def evaluation(self, card: Card) -> EvaluationReport | None:
        return await asyncio.to_thread(read_evaluation, self._store / card.model / str(card.version))

    async def held_out_log_prob(self, card: Card) -> Sequence[float] | None:
        return await asyncio.to_thread(read_held_out_log_prob, self._store / card.model / str(card.version))

    async def _readable(self, model: str) -> tuple[Card, ...]:
        cards = self._remembered(model)
        return await asyncio.to_thread(self._cards, model) if cards is None else cards

    async def delete(self, reference: str) -> Sequence[str]:
        model, _, version = reference.partition("@")
        doomed = [await self.get(reference)] if version else await self.versions(model)
        await asyncio.to_thread(_remove, self._store, doomed)
        self._known.pop(model, None)
        return [card.reference for card in doomed]

    def _remembered(self, model: str) -> tuple[Card, ...] | None:
        """The cached cards, if the folder has not changed: one `stat`, cheap enough for every request."""
        known = self._known.get(model)
        if known is None:
            return None
        folder, mtime_ns, cards = known
        return cards if _mtime_ns(folder) == mtime_ns else None

    def _cards(self, model: str) -> tuple[Card, ...]:
        """The versions of a model, oldest first."""
        known = self._remembered(model)
        if known is not None:
            return known
        folder = str(self._store / model)
        mtime_ns = _mtime_ns(folder)
        cards = tuple(read_versions(self._store, model))
        if cards and time.time() - mtime_ns / 1e9 > SETTLED_S:
            self._known[model] = folder, mtime_ns, cards
        return cards


def publish(folder: Path, store: Path, *, model: str, version: int, job: str) -> Card:
    """Move a finished model folder (`models.training.checkpoint.save_model`) into the store as a version of `model`.

    Publishing again for the same job returns the same card. Raises Conflict where another job published the version.
    """
    target = store / model / str(version)
    published = read_card(target)
    if published is not None:
        if published.job != job:
            raise Conflict(f"{published.reference} was published by job {published.job}")
        return published
    laboratory = unseal((folder / "model.json").read_bytes(), ModelCard.model_fields.keys())
    card = Card.model_validate(
        {**laboratory, "model": model, "version": version, "job": job, "created_at": time.time()}
    )
    (folder / "card.json").write_bytes(seal(card.model_dump(mode="json")))
    for file in folder.iterdir():
        sync(file)
    sync(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    sync(store)
    folder.rename(target)
    sync(target.parent)
    return card


def newest_number(store: Path, model: str) -> int:
    """The highest version number in the store, readable or not; 0 where there is none."""
    return max((number for number, _ in _numbered(store / model)), default=0)


def model_names(store: Path) -> list[str]:
    """The folders that may hold a model, sorted."""
    if not store.is_dir():
        return []
    return sorted(
        entry.name for entry in os.scandir(store) if re.fullmatch(NAME_PATTERN, entry.name) and entry.is_dir()
    )


def read_versions(store: Path, model: str) -> Iterator[Card]:
    """The readable versions of a model, oldest first."""
    for number, folder in sorted(_numbered(store / model)):
        card = read_card(folder)
        if card is None:
            log.warning("%s is not a readable model; skipped", folder)
        elif (card.model, card.version) != (model, number):
            log.warning("%s says it is %s; skipped", folder, card.reference)
        else:
            yield card


def read_card(folder: Path) -> Card | None:
    """The card of a version, or None where it is missing, torn or altered."""
    try:
        members = unseal((folder / "card.json").read_bytes(), Card.model_fields.keys())
        card = Card.model_validate_json(json.dumps(members))
        weights_bytes = (folder / "weights.safetensors").stat().st_size
    except (OSError, ValueError) as error:
        if folder.is_dir():
            log.warning("%s: %s", folder, error)
        return None
    return card if weights_bytes == card.weights_bytes else None


def read_evaluation(folder: Path) -> EvaluationReport | None:
    """The report of a version's latest evaluation; None where it is missing, torn or altered."""
    try:
        return read_report(folder)
    except (OSError, ValueError) as error:
        log.warning("%s: the report of its evaluation cannot be read: %s", folder, error)
        return None


def read_held_out_log_prob(folder: Path) -> tuple[float, ...] | None:
    """Log p of held-out rows, from `model.json`; None where none are kept, or the file is missing, torn or altered.

    It is not on the service's card, which lists of models show.
    """
    try:
        members = unseal((folder / "model.json").read_bytes(), ModelCard.model_fields.keys())
    except (OSError, ValueError) as error:
        log.warning("%s: the scores of held-out rows cannot be read: %s", folder, error)
        return None
    scores = members.get("held_out_log_prob")
    return None if scores is None else tuple(from_json(score) for score in scores)


def _numbered(folder: Path) -> Iterator[tuple[int, Path]]:
    if re.fullmatch(NAME_PATTERN, folder.name) and folder.is_dir():
        for entry in os.scandir(folder):
            if re.fullmatch("[1-9][0-9]{0,8}", entry.name) and entry.is_dir():
                yield int(entry.name), Path(entry.path)


def _remove(store: Path, cards: Sequence[Card]) -> None:
    trash = store / TRASH
    trash.mkdir(exist_ok=True)
    for card in cards:
        grave = trash / secrets.token_hex(8)
        with suppress(FileNotFoundError):  # deleted by another process
            (store / card.model / str(card.version)).rename(grave)
        shutil.rmtree(grave, ignore_errors=True)


def _mtime_ns(folder: str) -> int:
    """The modification time of a folder; 0 where there is none."""
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116  (for every request; to make a Path takes ten times as long)
    except FileNotFoundError:
        return 0
