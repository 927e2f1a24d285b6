"""Checkpoints appear whole or not at all, and nothing altered is ever loaded."""

import json
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
import torch

from pushforward.models.errors import BadCheckpoint, Hindered
from pushforward.models.run import Run
from pushforward.models.storage.model import load_model, read_model_card
from pushforward.models.storage.sealed import seal, unseal
from pushforward.models.training.checkpoint import latest_state, save_model, save_state
from pushforward.models.training.data import TrainingData
from pushforward.models.training.state import TrainingState
from tests.full_disk import full_disk

CPU = torch.device("cpu")


def steps_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_two_newest_states_are_kept(training: Iterator[TrainingState], tmp_path: Path) -> None:
    for state in training:
        save_state(tmp_path, state)
    assert steps_in(tmp_path) == ["step-0000000007", "step-0000000008"]


def test_a_folder_without_states_has_no_latest(data: TrainingData, run: Run, tmp_path: Path) -> None:
    assert latest_state(tmp_path / "none", data, run, CPU) is None


@pytest.mark.parametrize("file", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_torn_state_is_passed_over_for_the_one_before(
    training: Iterator[TrainingState], data: TrainingData, run: Run, tmp_path: Path, file: str, share: float,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    older, newer = (save_state(tmp_path, next(training)) for _ in range(2))
    os.truncate(newer / file, int(share * (newer / file).stat().st_size))
    with caplog.at_level(logging.WARNING):
        state = latest_state(tmp_path, data, run, CPU)
    assert state is not None
    assert state.step == 1
    assert older.exists()
    assert newer.name in caplog.text


@pytest.mark.parametrize("file", ["state.safetensors", "state.json"])
def test_a_flipped_bit_is_noticed_wherever_it_is(
    training: Iterator[TrainingState], data: TrainingData, run: Run, tmp_path: Path, file: str
) -> None:
    place = save_state(tmp_path, next(training))
    whole = (place / file).read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        if whole[at : at + 1].isspace():  # between the words of JSON any space is as good
            continue
        altered = bytearray(whole)
        altered[at] ^= 1
        (place / file).write_bytes(altered)
        assert latest_state(tmp_path, data, run, CPU) is None


def test_a_missing_file_is_passed_over(
    training: Iterator[TrainingState], data: TrainingData, run: Run, tmp_path: Path
) -> None:
    place = save_state(tmp_path, next(training))
    (place / "state.json").unlink()
    assert latest_state(tmp_path, data, run, CPU) is None


def test_a_full_disk_leaves_the_states_before_and_no_temporary(
    training: Iterator[TrainingState], data: TrainingData, run: Run, tmp_path: Path
) -> None:
    save_state(tmp_path, next(training))
    state = next(training)
    with full_disk(4096), pytest.raises(OSError, match="File too large"):
        save_state(tmp_path, state)
    assert steps_in(tmp_path) == ["step-0000000001"]
    assert latest_state(tmp_path, data, run, CPU) is not None
    save_state(tmp_path, state)  # and when there is room again, it goes on
    assert steps_in(tmp_path) == ["step-0000000001", "step-0000000002"]


def test_what_a_killed_writer_left_is_swept_away(training: Iterator[TrainingState], tmp_path: Path) -> None:
    (tmp_path / ".writing-x").mkdir()
    save_state(tmp_path, next(training))
    assert steps_in(tmp_path) == ["step-0000000001"]


def test_a_state_that_was_passed_over_is_replaced(
    training: Iterator[TrainingState], data: TrainingData, run: Run, tmp_path: Path
) -> None:
    state = next(training)
    place = save_state(tmp_path, state)
    (place / "state.safetensors").write_bytes(b"")
    later = tmp_path / "step-0000000009"
    later.mkdir()
    save_state(tmp_path, state)
    assert steps_in(tmp_path) == ["step-0000000001"]
    assert latest_state(tmp_path, data, run, CPU) is not None


def test_a_state_of_another_run_or_of_other_data_is_passed_over(
    training: Iterator[TrainingState], data: TrainingData, run: Run, tmp_path: Path
) -> None:
    save_state(tmp_path, next(training))
    other_data = replace(data, fingerprint="other")
    assert latest_state(tmp_path, data, run.model_copy(update={"seed": 1}), CPU) is None
    assert latest_state(tmp_path, other_data, run, CPU) is None


WRITER = """
import sys, torch
from pathlib import Path
from pushforward.models.training.checkpoint import save_state
from pushforward.models.run import Run
from pushforward.models.training.data import load_data
from pushforward.models.training.state import fresh
torch.set_num_threads(1)
run = Run.model_validate_json(sys.argv[2])
state = fresh(run, load_data(run, Path(sys.argv[1])), torch.device("cpu"))
while True:
    state.step += 1
    save_state(Path(sys.argv[1]), state)
    print(state.step, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_state_that_loads(data: TrainingData, run: Run, tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), run.model_dump_json()], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    written = int(writer.stdout.readline())
    for _ in range(8):
        os.kill(writer.pid, signal.SIGSTOP)  # as dead as killed: the folder is what it is
        state = latest_state(tmp_path, data, run, CPU)
        assert state is not None
        assert state.step >= written
        os.kill(writer.pid, signal.SIGCONT)
        written = int(writer.stdout.readline())
    writer.kill()
    writer.wait(10)
    writer.stdout.close()
    assert latest_state(tmp_path, data, run, CPU) is not None


@pytest.fixture
def saved(training: Iterator[TrainingState], tmp_path: Path) -> Path:
    state = list(training)[-1]
    folder = tmp_path / "model"
    folder.mkdir()
    save_model(folder, state, {"validation_rmse": 1.5}, "f" * 64)
    return folder


def test_a_card_tells_what_the_model_is(saved: Path) -> None:
    card = load_model(saved, CPU).card
    assert card.family == "vae"
    assert card.spec.levels == 17
    assert card.latent_shape == (2,)
    assert card.metrics == {"validation_rmse": 1.5}
    assert card.weights_bytes == (saved / "weights.safetensors").stat().st_size
    assert sorted(entry.name for entry in saved.iterdir()) == [
        "model.json",
        "state.json",
        "state.safetensors",
        "weights.safetensors",
    ]


def test_scores_of_held_out_rows_stay_with_the_model_and_older_cards_have_none(
    training: Iterator[TrainingState], tmp_path: Path
) -> None:
    save_model(tmp_path, list(training)[-1], {}, "f" * 64, (), (-inf, -1.5))
    assert load_model(tmp_path, CPU).card.held_out_log_prob == (-inf, -1.5)
    members = unseal((tmp_path / "model.json").read_bytes(), set())
    del members["held_out_log_prob"]
    (tmp_path / "model.json").write_bytes(seal(members))
    assert load_model(tmp_path, CPU).card.held_out_log_prob is None


def test_altered_weights_are_refused(saved: Path) -> None:
    weights = bytearray((saved / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (saved / "weights.safetensors").write_bytes(weights)
    with pytest.raises(BadCheckpoint, match="sha256"):
        load_model(saved, CPU)


def test_every_flipped_bit_of_a_model_card_is_noticed(saved: Path) -> None:
    file = saved / "model.json"
    content = file.read_bytes()
    for at in range(len(content)):
        for bit in range(8) if at % 16 == 0 or at > len(content) - 90 else (at % 8,):
            file.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            with pytest.raises(BadCheckpoint):
                read_model_card(saved)
    file.write_bytes(content)
    assert read_model_card(saved).family == "vae"


def test_a_model_card_of_before_there_were_digests_loads(saved: Path) -> None:
    file = saved / "model.json"
    file.write_text(json.dumps(unseal(file.read_bytes(), frozenset()), indent=1))
    assert load_model(saved, CPU).card == read_model_card(saved)


def test_a_machine_without_a_free_descriptor_is_no_bad_checkpoint(saved: Path) -> None:
    held = os.open("/dev/null", os.O_RDONLY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (held + 1, hard))  # too many open files
    try:
        with pytest.raises(Hindered, match="too many open files"):
            load_model(saved, CPU)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.close(held)


def test_torn_weights_are_refused_before_they_are_read(saved: Path) -> None:
    os.truncate(saved / "weights.safetensors", 100)
    with pytest.raises(BadCheckpoint, match="100 bytes"):
        load_model(saved, CPU)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_missing_file_is_a_bad_checkpoint(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        load_model(saved, CPU)


def test_weights_of_another_architecture_are_refused_by_name(saved: Path) -> None:
    card = unseal((saved / "model.json").read_bytes(), frozenset())
    card["run"]["family"]["width"] = 16
    (saved / "model.json").write_bytes(seal(card))
    with pytest.raises(BadCheckpoint, match="decoder"):
        load_model(saved, CPU)


def test_a_card_of_an_unknown_family_is_refused(saved: Path) -> None:
    card = unseal((saved / "model.json").read_bytes(), frozenset())
    card["run"]["family"] = {"family": "os.system"}
    (saved / "model.json").write_bytes(seal(card))
    with pytest.raises(BadCheckpoint, match=r"os\.system"):
        load_model(saved, CPU)


def test_a_card_can_be_read_without_torch() -> None:
    code = "import sys, models.storage.card, models.run; assert not {'torch', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
