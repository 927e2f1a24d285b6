"""The place of a process among ranks, by the variables of torch.distributed."""

import os
import subprocess
import sys

import pytest
import torch

from pushforward.models.errors import Hindered, TooLarge
from pushforward.service.local.up import free_port
from pushforward.service.runner.ranks.group import place, share_of_cpu
from pushforward.service.runner.ranks.seat import Seat

MEETING = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "other", "MASTER_PORT": "29500"}
CPU = torch.device("cpu")


def test_the_variables_tell_the_place() -> None:
    assert Seat.of_environment(MEETING) == Seat(1, 2, "other", 29500)


def test_without_variables_or_with_one_rank_a_process_is_alone() -> None:
    assert Seat.of_environment({}) is None
    assert Seat.of_environment({**MEETING, "WORLD_SIZE": "1"}) is None


@pytest.mark.parametrize("name", ["RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_some_of_the_variables_are_not_enough(name: str) -> None:
    with pytest.raises(Hindered, match="set all, or none"):
        Seat.of_environment({key: value for key, value in MEETING.items() if key != name})


def test_the_others_of_a_machine_are_told_where_rank_0_listens_and_which_gpu_is_theirs() -> None:
    variables = Seat(0, 3, "127.0.0.1", 4000).variables(2)
    assert Seat.of_environment(variables) == Seat(2, 3, "127.0.0.1", 4000)
    assert (variables["LOCAL_RANK"], variables["LOCAL_WORLD_SIZE"]) == ("2", "3")


def test_a_rank_whose_rank_0_does_not_come_waits_for_a_while() -> None:
    with pytest.raises(Hindered, match="MASTER_ADDR"):
        Seat(1, 2, "127.0.0.1", free_port()).store(wait_s=0.2)


def test_a_run_for_another_number_of_ranks_is_refused() -> None:
    with pytest.raises(TooLarge, match="is 4, and WORLD_SIZE is 2; give 2, or 1") as error:
        place(Seat(0, 2, "other", 29500), 4, CPU)
    assert error.value.field == "run.devices"


def test_more_gpus_than_there_are_are_refused() -> None:
    with pytest.raises(TooLarge, match=r"is 64, and this worker has \d+ GPUs; give at most so many") as error:
        place(None, 64, torch.device("cuda"))
    assert error.value.field == "run.devices"
    with pytest.raises(TooLarge, match="works on cuda:1"):
        place(None, 2, torch.device("cuda:1"))


def test_one_device_is_the_one_of_the_worker() -> None:
    assert place(None, 1, torch.device("cuda:3")) == torch.device("cuda:3")


def test_ranks_of_one_machine_share_its_threads_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [share_of_cpu(n, 8) for n in (1, 2, 16)] == [8, 4, 1]
    for name, value in MEETING.items():
        monkeypatch.setenv(name, value)
    assert share_of_cpu(2, 8) == 8  # alone on its machine
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert share_of_cpu(4, 8) == 2


def test_rank_0_does_not_follow() -> None:
    command = [sys.executable, "-m", "pushforward.service.runner.ranks.follow"]
    done = subprocess.run(
        command, env={**os.environ, **MEETING, "RANK": "0"}, capture_output=True, timeout=60, check=False, text=True
    )
    assert done.returncode == os.EX_CONFIG
    assert "RANK from 1" in done.stderr
