"""`service.runner.watch.reports`: what a training tells beside its losses."""

from mmap import mmap
from pathlib import Path

import torch

from pushforward.models.run import Run
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.state import fresh
from pushforward.service.runner.watch.reports import gradient_norms, memory_bytes, rows_per_step


def moons(folder: Path, **data: object) -> tuple[Run, TrainingData]:
    run = Run.model_validate(
        {"family": {"family": "vae", "latent": 2, "width": 8}, "data": {"source": "two_moons"} | data}
    )
    return run, load_data(run, folder)


def test_norms_are_told_by_their_quantiles_and_the_share_that_was_clipped_and_then_forgotten(tmp_path: Path) -> None:
    run, data = moons(tmp_path)
    state = fresh(run, data, torch.device("cpu"))
    for norm in (3.0, 0.25, 0.5, 0.75, 1.0):
        state.note_norm("elbo", norm)
    [(loss, told)] = gradient_norms(state).items()
    assert loss == "elbo"
    assert told.model_dump() == {"min": 0.25, "q25": 0.5, "median": 0.75, "q75": 1.0, "max": 3.0, "clipped": 0.2}
    assert gradient_norms(state) == {}


def test_the_last_batch_of_an_epoch_may_be_smaller(tmp_path: Path) -> None:
    assert rows_per_step(moons(tmp_path)[1], 64) == 64
    assert rows_per_step(moons(tmp_path, n=100)[1], 64) == 50


def test_memory_is_what_this_process_holds() -> None:
    n_bytes = 2**26
    before = memory_bytes(torch.device("cpu"))
    with mmap(-1, n_bytes) as held:  # fresh pages: an allocator may hand out those it holds already
        held.write(b"1" * n_bytes)
        assert memory_bytes(torch.device("cpu")) - before > 0.5 * n_bytes
