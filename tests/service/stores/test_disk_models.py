"""`service.stores.disk_models`: versions appear and vanish whole; foreign files do no harm."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pushforward.models.storage.sealed import seal
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Conflict, NotFound
from pushforward.service.stores.disk_models import DiskModels, newest_number, publish, read_card

WEIGHTS = b"weights"


def finished(folder: Path, **changes: Any) -> Path:
    """What the laboratory leaves."""
    card = {
        "family": "vae",
        "capabilities": ["sample"],
        "spec": {"shape": [2]},
        "latent_shape": [4],
        "run": {"seed": 0},
        "metrics": {"validation_rmse": 0.5},
        "n_parameters": 12,
        "data_fingerprint": "f",
        "weights_sha256": "s",
        "weights_bytes": len(WEIGHTS),
        **changes,
    }
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(WEIGHTS)
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def put(store: Path, model: str, version: int, job: str = "j") -> Card:
    return publish(finished(store / ".jobs" / f"{model}{version}"), store, model=model, version=version, job=job)


async def test_a_published_model_is_found_by_name_and_version(tmp_path: Path) -> None:
    models = DiskModels(tmp_path)
    first, second = put(tmp_path, "moons", 1), put(tmp_path, "moons", 2)
    assert await models.get("moons") == second
    assert await models.get("moons@1") == first
    assert list(await models.versions("moons")) == [first, second]
    assert first.metrics == {"validation_rmse": 0.5}


async def test_the_newest_version_of_each_model_is_listed_by_name(tmp_path: Path) -> None:
    for model, version in (("b", 1), ("a", 9), ("a", 10)):
        put(tmp_path, model, version)
    assert [card.reference for card in await DiskModels(tmp_path).newest()] == ["a@10", "b@1"]


async def test_an_empty_store_has_no_models(tmp_path: Path) -> None:
    assert await DiskModels(tmp_path / "none").newest() == []


@pytest.mark.parametrize("reference", ["ghost", "ghost@1", "moons@2", "..", ".jobs", "moons/1", "@1"])
async def test_what_is_not_there_is_not_found(tmp_path: Path, reference: str) -> None:
    put(tmp_path, "moons", 1)
    with pytest.raises(NotFound):
        await DiskModels(tmp_path).get(reference)


async def test_publishing_again_for_the_same_job_changes_nothing(tmp_path: Path) -> None:
    card = put(tmp_path, "moons", 1)
    again = publish(finished(tmp_path / "x", n_parameters=99), tmp_path, model="moons", version=1, job="j")
    assert again == card
    assert await DiskModels(tmp_path).get("moons") == card


def test_a_version_of_another_job_is_never_replaced(tmp_path: Path) -> None:
    put(tmp_path, "moons", 1, job="one")
    with pytest.raises(Conflict, match="moons@1 was published by job one"):
        put(tmp_path, "moons", 1, job="two")


async def test_a_new_version_is_seen_at_once(tmp_path: Path) -> None:
    models = DiskModels(tmp_path)
    put(tmp_path, "moons", 1)
    os.utime(tmp_path / "moons", (1e9, 1e9))  # long settled, so that it is remembered
    assert (await models.get("moons")).version == 1
    assert (await models.get("moons")).version == 1
    put(tmp_path, "moons", 2)
    assert (await models.get("moons")).version == 2


async def test_a_deleted_version_is_gone_and_the_others_stay(tmp_path: Path) -> None:
    models = DiskModels(tmp_path)
    for version in (1, 2, 3):
        put(tmp_path, "moons", version)
    assert await models.delete("moons@3") == ["moons@3"]
    assert (await models.get("moons")).version == 2
    assert await models.delete("moons") == ["moons@1", "moons@2"]
    with pytest.raises(NotFound):
        await models.get("moons")
    with pytest.raises(NotFound):
        await models.delete("moons")
    assert list((tmp_path / ".deleted").iterdir()) == []


async def test_two_may_delete_at_once(tmp_path: Path) -> None:
    models = DiskModels(tmp_path)
    for version in range(1, 30):
        put(tmp_path, "moons", version)
    outcomes = await asyncio.gather(*(models.delete("moons") for _ in range(4)), return_exceptions=True)
    assert all(isinstance(outcome, NotFound | list) for outcome in outcomes), outcomes
    assert list((tmp_path / ".deleted").iterdir()) == []


async def test_torn_and_foreign_folders_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "moons", 1)
    for version in (2, 3, 4, 5):
        put(tmp_path, "moons", version)
    (tmp_path / "moons" / "2" / "card.json").write_text('{"model": "moo')
    (tmp_path / "moons" / "3" / "weights.safetensors").write_bytes(WEIGHTS[:-1])
    (tmp_path / "moons" / "4" / "card.json").unlink()
    (tmp_path / "moons" / "5").rename(tmp_path / "moons" / "6")
    (tmp_path / "moons" / "notes").mkdir()
    (tmp_path / "moons" / "7").write_text("a file")
    (tmp_path / "Not A Model").mkdir()
    (tmp_path / "lost+found").mkdir()
    models = DiskModels(tmp_path)
    assert [card.reference for card in await models.newest()] == ["moons@1"]
    assert [card.version for card in await models.versions("moons")] == [1]


def test_an_unreadable_version_still_takes_its_number(tmp_path: Path) -> None:
    put(tmp_path, "moons", 1)
    (tmp_path / "moons" / "8").mkdir()
    assert newest_number(tmp_path, "moons") == 8
    assert newest_number(tmp_path, "ghost") == 0


async def test_every_flipped_bit_of_a_card_is_noticed(tmp_path: Path) -> None:
    put(tmp_path, "moons", 1)
    file = tmp_path / "moons" / "1" / "card.json"
    content = file.read_bytes()
    for at in range(len(content)):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        assert read_card(file.parent) is None
    with pytest.raises(NotFound, match="the files of moons@1 are damaged"):
        await DiskModels(tmp_path).get("moons@1")
    file.write_bytes(content)
    assert (await DiskModels(tmp_path).get("moons@1")).version == 1


async def test_a_damaged_version_beside_a_whole_one_says_so(tmp_path: Path) -> None:
    for version in (1, 2):
        put(tmp_path, "moons", version)
    file = tmp_path / "moons" / "1" / "card.json"
    file.write_bytes(file.read_bytes().replace(b"0.5", b"0.7"))
    with pytest.raises(NotFound, match="damaged"):
        await DiskModels(tmp_path).get("moons@1")
    assert (await DiskModels(tmp_path).get("moons")).version == 2


def test_a_card_of_before_there_were_digests_is_read(tmp_path: Path) -> None:
    card = put(tmp_path, "moons", 1)
    (tmp_path / "moons" / "1" / "card.json").write_text(card.model_dump_json(indent=2) + "\n")
    assert read_card(tmp_path / "moons" / "1") == card


def test_what_was_altered_before_it_is_published_is_not_published(tmp_path: Path) -> None:
    folder = finished(tmp_path / "made")
    content = seal(json.loads((folder / "model.json").read_text()))
    (folder / "model.json").write_bytes(content.replace(b"0.5", b"0.7"))
    with pytest.raises(ValueError, match="altered"):
        publish(folder, tmp_path, model="moons", version=1, job="j")
    assert not (tmp_path / "moons").exists()


async def test_scores_of_held_out_rows_are_read_with_the_model_and_are_not_on_its_card(tmp_path: Path) -> None:
    folder = finished(tmp_path / "made", held_out_log_prob=["-Infinity", -1.5])
    card = publish(folder, tmp_path, model="moons", version=1, job="j")
    assert await DiskModels(tmp_path).held_out_log_prob(card) == (float("-inf"), -1.5)
    assert "held_out_log_prob" not in card.model_dump()


async def test_a_model_of_an_older_release_has_no_scores_of_held_out_rows(tmp_path: Path) -> None:
    card = put(tmp_path, "moons", 1)
    assert await DiskModels(tmp_path).held_out_log_prob(card) is None


@pytest.mark.parametrize("damage", ["altered", "missing"])
async def test_scores_that_are_altered_or_missing_are_none(tmp_path: Path, damage: str) -> None:
    card = put(tmp_path, "moons", 1)
    file = tmp_path / "moons" / "1" / "model.json"
    content = seal({**json.loads(file.read_text()), "held_out_log_prob": [-2.5]})
    file.write_bytes(content)
    assert await DiskModels(tmp_path).held_out_log_prob(card) == (-2.5,)
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content.replace(b"-2.5", b"-3.5"))
    assert await DiskModels(tmp_path).held_out_log_prob(card) is None
