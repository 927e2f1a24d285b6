"""The published models of a store that the code before the folders were divided wrote."""

import json
from typing import Any

from pushforward.service.stores.disk_models import DiskModels
from tests import old_store


def holds(card: Any, written: Any) -> bool:
    """Whether a card has all that was written, beside fields that came later."""
    if isinstance(card, dict) and isinstance(written, dict):
        return all(name in card and holds(card[name], value) for name, value in written.items())
    return bool(card == written)


async def test_every_version_is_listed_with_the_card_that_was_written() -> None:
    cards = {card.model: card.model_dump(mode="json") for card in await DiskModels(old_store.STORE).newest()}
    assert sorted(cards) == old_store.MODELS
    for name, card in cards.items():
        written = json.loads((old_store.STORE / name / "1" / "card.json").read_text())
        del written["sha256"]  # of the file
        assert holds(card, written)


async def test_old_versions_have_no_scores_of_held_out_rows() -> None:
    models = DiskModels(old_store.STORE)
    assert {await models.held_out_log_prob(card) for card in await models.newest()} == {None}
