"""What ranks sum and agree on, in two real processes that speak gloo."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

RANK = """
import json, sys
import torch, torch.distributed as dist
from torch import nn
from pushforward.models.losses import Loss
from pushforward.models.networks import Nets
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.training.compute.ranks import FailedElsewhere, Ranks, Sum

rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
ranks = Ranks(rank, 2, torch.device("cpu"))
nets = Nets(DataSpec(shape=(2,)), a=nn.Linear(2, 1), b=nn.Linear(1, 1))

def part(share, value):
    gradients = tuple(torch.full_like(p, value, requires_grad=False) for p in nets["a"].parameters())
    return Sum(Loss("l", torch.tensor(value), ("a",), {"term_nats": torch.tensor(10 * value)}, 2.0), gradients, share)

def told(whole):
    if whole is None:
        return None
    loss = whole.loss
    return [loss.name, loss.trains, float(loss.value), float(loss.terms["term_nats"]), loss.lr_ratio, whole.share,
            [g.tolist() for g in whole.gradients]]

result = {"summed": told(ranks.summed(part(0.5, 1.0 + rank), nets))}
result["one lacks"] = told(ranks.summed(part(0.25, 4.0) if rank == 1 else None, nets))
result["all lack"] = told(ranks.summed(None, nets))
result["agreed"] = ranks.agree(rank, -rank, 5)

result["failed elsewhere"] = False
if rank == 1:
    ranks.tell_failure()
else:
    try:
        ranks.summed(part(1.0, 1.0), nets)
    except FailedElsewhere:
        result["failed elsewhere"] = True
result["agreed after a failure"] = ranks.agree(7)

before = [torch.zeros(4), torch.zeros((), dtype=torch.int64), torch.zeros(2, dtype=torch.bool), torch.ones(1)]
now = [each.clone() for each in before]
now[0][rank] = 1.0 + rank  # codes of rows that each rank stores
now[1] += 3 + rank  # a counter of both
now[2][1] = rank == 1  # a flag of one
ranks.settle(now, before)
result["buffers"] = [each.tolist() for each in now]
dist.destroy_process_group()
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What ranks 0 and 1 tell."""
    meeting = str(tmp_path_factory.mktemp("ranks") / "meeting")
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen([sys.executable, "-c", RANK, str(rank), meeting], stdout=subprocess.PIPE, env=environment)
        for rank in (0, 1)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return [json.loads(output) for output in outputs]


def test_losses_terms_and_gradients_are_summed_and_the_same_everywhere(both: list[dict[str, Any]]) -> None:
    for each in both:
        assert each["summed"] == ["l", ["a"], 3.0, 30.0, 2.0, 1.0, [[[3.0, 3.0]], [3.0]]]


def test_a_rank_without_a_loss_learns_of_it_and_adds_nothing(both: list[dict[str, Any]]) -> None:
    for each in both:
        assert each["one lacks"] == ["l", ["a"], 4.0, 40.0, 2.0, 0.25, [[[4.0, 4.0]], [4.0]]]
        assert each["all lack"] is None


def test_all_agree_on_the_greatest_of_what_each_tells(both: list[dict[str, Any]]) -> None:
    assert [each["agreed"] for each in both] == [[1, 0, 5], [1, 0, 5]]


def test_memory_that_fails_on_one_rank_is_told_to_the_other(both: list[dict[str, Any]]) -> None:
    assert [each["failed elsewhere"] for each in both] == [True, False]
    assert [each["agreed after a failure"] for each in both] == [[7], [7]]


def test_buffers_become_those_of_the_lowest_rank_that_changed_them(both: list[dict[str, Any]]) -> None:
    for each in both:
        assert each["buffers"] == [[1.0, 2.0, 0.0, 0.0], 3, [False, True], [1.0]]
