"""Samplings with real children: every way in which a file is drawn, or not."""

import os
import signal
import threading
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from pushforward.models.family import Samples
from pushforward.models.noise import Noise
from pushforward.models.spec.condition import Words
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.program import State as Rows
from pushforward.models.stepwise.sampling import Sampler, sample
from pushforward.models.storage.model import load_model
from pushforward.service.domain.jobs import Job, Sampling, State
from pushforward.service.runner import sample as child_sample
from pushforward.service.runner.messages import DONE, Message, ProgressMessage, SampleOrder
from pushforward.service.runner.sample import chunks
from tests.service.conftest import Bench, until
from tests.service.models_on_disk import (
    CAPTIONED,
    DOTS,
    FAR,
    MOONS,
    STEPS,
    TOLD,
    TREES,
    put_captioned,
    put_dots,
    put_far,
    put_model,
    put_spoiled,
    put_steps,
    put_told,
    put_trees,
)

from .test_supervisor import child_of, kill_child

torch.set_num_threads(1)

LONG = Sampling(model=STEPS, n=60_000, seed=3, options={"steps": 20})


def drawn(bench: Bench, ask: Sampling, first: int, rows: int) -> np.ndarray:
    """The same rows, at once."""
    name, _, version = ask.model.partition("@")
    model = load_model(bench.settings.store / name / version, torch.device("cpu"))
    assert isinstance(model.family, Samples)
    sampler = model.family.sampler(model.nets, model.family.SampleOptions.model_validate(ask.options))
    return model.nets.spec.quantize(sample(sampler, Noise.rows(ask.seed, rows, start=first))).numpy()


def drawn_at_once(bench: Bench, ask: Sampling) -> bytes:
    """The whole file, drawn in this process."""
    file, model = bench.settings.store / "whole.npy", bench.settings.store / ask.model.replace("@", "/")
    order = SampleOrder(
        device="cpu", torch_threads=1, memory_bytes=None, ask=ask, model=model, file=file, earlier=(), rows=0
    )
    assert child_sample.run_order(order, torch.device("cpu"), lambda _: None, threading.Event()) == DONE
    return file.read_bytes()


def file_of(bench: Bench, job: Job) -> Path:
    [file] = (bench.settings.store / ".files").glob(f"{job.id}-*.npy")
    return file


def test_a_sampling_ends_as_a_file_of_the_rows_that_its_seed_gives(bench: Bench) -> None:
    put_model(bench.settings.store)
    ask = Sampling(model=MOONS, n=3000, seed=2**64 - 1)
    job_id = bench.create_sampling(ask)
    bench.supervisor.run("sample")
    job = bench.job(job_id)
    assert (job.state, job.kind, job.version) == (State.SUCCEEDED, "sample", 1)
    assert (job.progress.step, job.progress.total_steps) == (3000, 3000)
    content = file_of(bench, job).read_bytes()
    assert (job.file_bytes, job.file_sha256) == (len(content), sha256(content).hexdigest())
    rows = np.load(file_of(bench, job))
    assert (rows.shape, rows.dtype) == ((3000, 2), np.float32)
    np.testing.assert_allclose(rows[:5], drawn(bench, ask, 0, 5), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(rows[-5:], drawn(bench, ask, 2995, 5), rtol=1e-5, atol=1e-6)
    assert not (bench.settings.store / ".jobs" / job_id).exists()


def test_a_file_of_data_far_from_zero_keeps_what_tells_its_rows_apart(bench: Bench) -> None:
    put_far(bench.settings.store)
    job_id = bench.create_sampling(Sampling(model=FAR, n=3000, seed=1))
    bench.supervisor.run("sample")
    rows = np.load(file_of(bench, bench.job(job_id)))
    assert (rows.shape, rows.dtype) == ((3000, 3), np.float64)
    assert len(np.unique(rows[:, 0])) == 3000
    assert np.abs(rows[:, 0] - 1e8).max() < 100
    assert (rows[:, 1] == 123456789.0).all()


def test_rows_of_a_table_become_a_file_of_it_that_a_later_attempt_writes_again(bench: Bench, tmp_path: Path) -> None:
    put_trees(bench.settings.store)
    npy, csv = (Sampling(model=TREES, n=3000, seed=1, media_type=each) for each in ("application/x-npy", "text/csv"))
    job_id = bench.create_sampling(csv)
    bench.supervisor.run("sample")
    job = bench.job(job_id)
    [file] = (bench.settings.store / ".files").glob(f"{job.id}-*.csv")
    content = file.read_bytes()
    assert (job.state, job.file_bytes, job.file_sha256) == (State.SUCCEEDED, len(content), sha256(content).hexdigest())
    assert content.count(b"\n") == 1 + 3000

    (tmp_path / "rows.npy").write_bytes(drawn_at_once(bench, npy))  # an attempt that ended before its csv was whole
    (tmp_path / "longer.csv").write_bytes(content * 10)
    order = SampleOrder(
        device="cpu",
        torch_threads=1,
        memory_bytes=None,
        ask=csv,
        model=bench.settings.store / "trees" / "1",
        file=tmp_path / "again" / "rows.csv",
        earlier=(tmp_path / "longer.csv", tmp_path / "rows.npy"),
        rows=3000,
    )
    order.file.parent.mkdir()
    said: list[Message] = []
    assert child_sample.run_order(order, torch.device("cpu"), said.append, threading.Event()) == DONE
    assert order.file.read_bytes() == content
    assert {each.step for each in said if isinstance(each, ProgressMessage)} == {3000}  # none was drawn anew


class Patient(Sampler):
    """Three steps of one."""

    steps = 3

    def init(self, given: tuple[Tensor], noise: Noise) -> Rows:
        return (noise.normal(0, (2,)),)

    def step(self, state: Rows, k: Tensor, noise: Noise) -> Rows:
        return (state[0] + 1,)

    def finish(self, state: Rows, noise: Noise) -> Tensor:
        return state[0]


@final
class Greedy(Patient):
    """Takes more memory than there is for more than 100 rows."""

    def step(self, state: Rows, k: Tensor, noise: Noise) -> Rows:
        if len(noise) > 100 and int(k[0]) == 1:
            raise torch.OutOfMemoryError("100 rows fit")
        return super().step(state, k, noise)


def test_chunks_that_do_not_fit_into_memory_are_halved() -> None:
    drawn_parts = chunks(
        Greedy(), DataSpec(shape=(2,)), torch.empty(1, 0), seed=5, first=300, n=1800, device=torch.device("cpu")
    )
    parts = [part for part in drawn_parts if part is not None]
    assert max(map(len, parts)) == 64
    np.testing.assert_allclose(
        np.concatenate(parts), Noise.rows(5, 1500, start=300).normal(0, (2,)).numpy() + 3, rtol=1e-5
    )


def test_a_model_that_draws_what_is_not_finite_leaves_no_file_and_says_what_an_ask_would(bench: Bench) -> None:
    put_spoiled(bench.settings.store)
    job_id = bench.create_sampling(Sampling(model=MOONS, n=10, seed=0))
    bench.supervisor.run("sample")
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.FAILED, 1)
    assert job.error is not None
    assert job.error.type == "diverged"
    assert job.error.detail == "the model's samples are not finite; train it again with a lower learning rate"
    assert not (bench.settings.store / ".files").exists()


def test_rows_of_data_with_levels_lie_on_levels(bench: Bench) -> None:
    put_dots(bench.settings.store)
    job_id = bench.create_sampling(Sampling(model=DOTS, n=10, seed=0))
    bench.supervisor.run("sample")
    assert set(np.unique(np.load(file_of(bench, bench.job(job_id))))) <= {0.0, 2.0, 4.0}


def test_a_sampling_is_of_its_condition(bench: Bench) -> None:
    model = load_model(put_told(bench.settings.store), torch.device("cpu"))
    assert isinstance(model.family, Samples)
    sampler, noise = model.family.sampler(model.nets, model.family.SampleOptions()), Noise.rows(3, 4)
    for label in (0, 1):
        stream = BytesIO(drawn_at_once(bench, Sampling(model=TOLD, n=4, seed=3, condition=label)))
        told = sample(sampler, noise, torch.eye(2)[[label] * 4]).numpy()
        np.testing.assert_allclose(np.load(stream), told, rtol=1e-5, atol=1e-6)
        assert np.abs(told - sample(sampler, noise, torch.eye(2)[[1 - label] * 4]).numpy()).max() > 1e-3


def test_a_sampling_is_of_its_text(bench: Bench) -> None:
    model = load_model(put_captioned(bench.settings.store), torch.device("cpu"))
    kind = model.card.spec.condition
    assert isinstance(model.family, Samples)
    assert kind is not None
    sampler, noise = model.family.sampler(model.nets, model.family.SampleOptions()), Noise.rows(3, 4)
    for text in ("a three", "an inverted 8"):
        stream = BytesIO(drawn_at_once(bench, Sampling(model=CAPTIONED, n=4, seed=3, condition=Words(text=text))))
        told = sample(sampler, noise, kind.code(torch.from_numpy(kind.read(np.array([text] * 4)))))
        np.testing.assert_allclose(np.load(stream), model.card.spec.from_networks(told), rtol=1e-5, atol=1e-5)


def test_a_sampling_resumes_after_a_kill_to_the_same_bytes(bench: Bench) -> None:
    put_told(bench.settings.store)
    ask = LONG.model_copy(update={"model": TOLD, "condition": 1})
    whole = drawn_at_once(bench, ask)
    broken = bench.create_sampling(ask)
    runner = bench.supervise("sample")
    until(lambda: bench.job(broken).progress.step > 0)
    kill_child(broken)
    runner.join(60)
    job = bench.job(broken)
    assert (job.state, job.epoch) == (State.SUCCEEDED, 2)
    assert job.file_sha256 == sha256(whole).hexdigest()
    assert file_of(bench, job).read_bytes() == whole
    [resumed] = [event.data["message"] for event in bench.events(broken) if event.kind == "log"]
    assert int(resumed.removeprefix("goes on at row ")) > 0


def test_a_cancelled_sampling_leaves_nothing(bench: Bench) -> None:
    put_steps(bench.settings.store)
    job_id = bench.create_sampling(LONG.model_copy(update={"n": 10**7}))
    runner = bench.supervise("sample")
    until(lambda: bench.job(job_id).progress.step > 0)
    bench.cancel(job_id)
    runner.join(30)
    assert bench.job(job_id).state is State.CANCELLED
    assert child_of(job_id) is None
    assert not (bench.settings.store / ".jobs" / job_id).exists()
    assert not (bench.settings.store / ".files").exists()


def test_a_drained_sampling_waits_again_and_keeps_its_rows(bench: Bench) -> None:
    put_steps(bench.settings.store)
    job_id = bench.create_sampling(LONG.model_copy(update={"n": 10**7}))
    runner = bench.supervise("sample")
    until(lambda: bench.job(job_id).progress.step > 0)
    bench.draining.set()
    runner.join(30)
    job = bench.job(job_id)
    assert job.state is State.QUEUED
    file = bench.settings.store / ".jobs" / job_id / "1" / "rows.npy"
    assert file.stat().st_size >= 8 * job.progress.step


def test_a_frozen_child_that_wakes_spoils_nothing(bench: Bench) -> None:
    put_steps(bench.settings.store)
    whole = drawn_at_once(bench, LONG)
    frozen = bench.create_sampling(LONG)
    runner = bench.supervise("sample")
    until(lambda: bench.job(frozen).progress.step > 0)
    child = child_of(frozen)
    assert child is not None
    os.kill(child.pid, signal.SIGSTOP)
    bench.runs.lose(frozen, 1, bench.lost)  # as if its lease had run out
    bench.supervisor.run("sample")
    runner.join(30)
    assert bench.job(frozen).epoch == 2
    assert bench.job(frozen).file_sha256 == sha256(whole).hexdigest()
    assert child_of(frozen) is None


def test_a_model_that_is_gone_fails_the_job_at_once_and_says_so(bench: Bench) -> None:
    job_id = bench.create_sampling(Sampling(model="nobody@3", n=10, seed=0))
    bench.supervisor.run("sample")
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.FAILED, 1)
    assert job.error is not None
    assert job.error.type == "bad-checkpoint"
    assert "nobody@3 is gone" in job.error.detail


def test_an_option_that_does_not_fit_the_model_is_named(bench: Bench) -> None:
    put_steps(bench.settings.store)
    job_id = bench.create_sampling(Sampling(model=STEPS, n=10, seed=0, options={"sampler": "ddim", "steps": 21}))
    bench.supervisor.run("sample")
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.FAILED, 1)
    assert job.error is not None
    assert job.error.type == "invalid-input"
    assert job.error.detail.startswith("options.steps: is 21, but the model has 20 noise levels")


def test_a_file_for_which_there_is_no_room_is_not_begun(bench: Bench) -> None:
    put_model(bench.settings.store)
    job_id = bench.create_sampling(Sampling(model=MOONS, n=10**14, seed=0))
    bench.supervisor.run("sample")
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.FAILED, 1)
    assert job.error is not None
    assert job.error.type == "store"
    assert "make room" in job.error.detail
