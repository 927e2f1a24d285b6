"""`models.training.compute.memory`: what a run needs is counted, and what is too much is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pushforward.models.errors import InvalidData, TooLarge
from pushforward.models.families import FAMILIES
from pushforward.models.run import Run
from pushforward.models.spec.condition import Condition
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.text import Text
from pushforward.models.training.compute.memory import available_bytes, check, is_out_of_memory, too_large

CONDITIONS: dict[str, Condition] = {  # of families that need one
    "cyclegan": Labels(n_classes=2),
    "stargan": Labels(n_classes=2),
    "text_to_image": Text(max_length=8),
}


def run(family: str, **fields: object) -> Run:
    data: dict[str, str] = {"source": "npy", "path": "x.npy"}
    if family in CONDITIONS:
        data["condition"] = "label"
    if family == "text_to_image":
        data = {"source": "captioned_digits", "condition": "text"}
    return Run.model_validate({"family": {"family": family, **fields}, "data": data, "optimizer": {"batch_size": 10}})


def test_parameters_are_counted_five_times_and_a_batch_twice() -> None:
    wanted = run("vae", latent=2, width=8, depth=1)
    spec = DataSpec(shape=(4,))
    n_parameters = sum(p.numel() for p in wanted.family.build(spec).parameters())
    needed_bytes = 4 * (5 * n_parameters + 2 * 10 * 4)
    check(wanted, spec, needed_bytes)
    with pytest.raises(TooLarge, match=f"{n_parameters:,} parameters") as refusal:
        check(wanted, spec, needed_bytes - 1)
    assert refusal.value.field == "run.family"


def test_nothing_is_built_while_it_is_counted() -> None:
    with pytest.raises(TooLarge, match="10,000,000 numbers"):
        check(run("vae", width=2048), DataSpec(shape=(10_000_000,)), 2**30)  # 760 GiB


@pytest.mark.parametrize("name", FAMILIES)
def test_images_of_three_million_numbers_are_refused_with_figures_at_the_api(name: str) -> None:
    spec = DataSpec(shape=(3, 1024, 1024), low=0, high=255, levels=256, n_rows=20)
    with pytest.raises(InvalidData, match=r"1024x1024|3,?145,?728|unit cube"):
        run(name).family.check(spec)


@pytest.mark.parametrize("name", FAMILIES)
def test_vectors_of_a_million_numbers_are_refused_with_figures_and_nothing_is_built(name: str) -> None:
    spec = DataSpec(shape=(2**20,), low=0, high=255, levels=256, n_rows=20)
    with pytest.raises((InvalidData, TooLarge), match=r"1,?048,?576|unit cube"):
        check(run(name), spec.model_copy(update={"condition": CONDITIONS.get(name)}), 2**30)


def test_what_a_container_has_left_is_what_is_free(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    cpu = torch.device("cpu")
    assert available_bytes(cpu, tmp_path) == 600
    (tmp_path / "memory.stat").write_text("anon 50\nfile 350\ninactive_file 100\nactive_file 200\nshmem 50\n")
    assert available_bytes(cpu, tmp_path) == 900  # pages of files are given back
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(cpu, tmp_path) > 1000
    assert available_bytes(cpu, tmp_path / "none") > 1000


def test_an_allocation_beyond_the_limit_of_the_process_fails_and_is_known_for_what_it_is() -> None:
    code = """
import numpy as np, torch
from pushforward.models.training.compute.memory import is_out_of_memory, limit_process
limit_process(2**26)
for allocate in (lambda: torch.ones(2**26), lambda: np.ones(2**26)):
    try:
        allocate()
    except (MemoryError, RuntimeError) as error:
        assert is_out_of_memory(error)
    else:
        raise AssertionError("it did not fail")
torch.ones(2**20)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(OSError("out of memory"))


def test_the_array_that_was_too_much_is_told() -> None:
    said = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9895604649984 bytes. Error")
    assert "9,216.0 GiB" in too_large(said, 2**30).message
