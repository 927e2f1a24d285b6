"""`service.trackers` against the real libraries: what is written is read back by TensorBoard and by MLflow."""

import logging
import os
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from pushforward.service.domain.jobs import Job, State
from pushforward.service.domain.ports import Update
from pushforward.service.formats.pictures import heat
from pushforward.service.processes.supervision import StartError
from pushforward.service.settings import Settings
from pushforward.service.trackers import thread as tracker_thread
from pushforward.service.trackers.configured import trackers_of
from pushforward.service.trackers.thread import Trackers
from pushforward.service.trackers.tracker import parameters
from tests.service.conftest import Bench, small_run

ID = "a1986a0ae53f04a8"
RUN = {"family": {"family": "vae", "latent": 2}, "optimizer": {"betas": [0.9, 0.99], "lr": 1e-3, "ema": None}}
LOSS = "losses/elbo_nats"
CURVE = (10, 20, 30)
PICTURE = heat(np.eye(64))


def job_of(epoch: int, **changes: Any) -> Job:
    fields = {"id": ID, "state": State.RUNNING, "model": "moons", "run": RUN, "created_at": 1.0}
    return Job.model_validate(fields | {"epoch": epoch} | changes)


def progress(step: int) -> Update:
    norms = {"min": 0.5, "q25": 1.0, "median": 2.0, "q75": 3.0, "max": 4.0, "clipped": 0.25}
    seen = [each for each in CURVE if each <= step]
    curve = {"name": "nll_nats", "rows": 3, "steps": seen, "values": [1 / each for each in seen], "best_step": None}
    return Update(
        "progress",
        {
            "step": step,
            "total_steps": 100,
            "losses": {"elbo_nats": 1 / step, "kl_nats": "NaN"},
            "steps_per_s": 3.0,
            "rows_per_s": 30.0,
            "memory_bytes": 1000,
            "seconds_left": None,
            "gradient_norms": {"elbo": norms},
            "curve": curve,
        },
    )


def picture(step: int) -> Update:
    png = b64encode(PICTURE.png).decode()
    data = {"step": step, "what": "density", "media_type": "image/png", "png": png}
    return Update("picture", data | {"width": PICTURE.width, "height": PICTURE.height})


def write(trackers: Trackers) -> None:
    """A training whose first attempt was lost after step 25, and that resumed from step 20."""
    trackers.start()
    trackers.begin(job_of(1))
    for step in (1, 10, 25):
        trackers.record(job_of(1), progress(step))
    trackers.record(job_of(1), Update("log", {"level": "info", "message": "25 steps"}))
    trackers.end(job_of(1), lambda: State.QUEUED, {})
    trackers.begin(job_of(2))
    for step in (21, 30):
        trackers.record(job_of(2), progress(step))
    trackers.record(job_of(2), picture(30))
    trackers.end(job_of(2), lambda: State.SUCCEEDED, {"validation_rmse": 0.1})
    trackers.close(60)


@pytest.fixture
def _file_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def mlflow_runs(folder: Path) -> tuple[MlflowClient, list[MlflowRun]]:
    client = MlflowClient(tracking_uri=str(folder))
    experiment = client.get_experiment_by_name("pushforward")
    assert experiment is not None
    return client, list(client.search_runs([experiment.experiment_id]))


def in_tensorboard(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def test_tensorboard_shows_one_run_without_doubled_steps(tmp_path: Path) -> None:
    write(trackers_of(Settings(tensorboard_folder=tmp_path)))
    shown = in_tensorboard(tmp_path / "moons" / ID)
    assert [(each.step, round(1 / each.value)) for each in shown.Scalars(LOSS)] == [
        (1, 1),
        (10, 10),
        (21, 21),
        (30, 30),
    ]
    assert [each.step for each in shown.Scalars("held_out/nll_nats")] == [10, 20, 30]
    assert np.isnan(shown.Scalars("losses/kl_nats")[0].value)
    assert shown.Scalars("gradient_norms/elbo/clipped")[0].value == 0.25
    assert {"steps_per_s", "rows_per_s", "memory_bytes", "metrics/validation_rmse"} <= set(shown.Tags()["scalars"])
    [image] = shown.Images("density")
    assert (image.step, image.encoded_image_string) == (30, PICTURE.png)
    assert (image.width, image.height) == (PICTURE.width, PICTURE.height)
    [*_, state] = shown.Tensors("state/text_summary")
    assert state.tensor_proto.string_val[0] == b"succeeded"


def test_tensorboard_has_the_fields_of_the_run_as_hyperparameters(tmp_path: Path) -> None:
    write(trackers_of(Settings(tensorboard_folder=tmp_path)))
    content = in_tensorboard(tmp_path / "moons" / ID).PluginTagToContent("hparams")
    told = HParamsPluginData.FromString(content["_hparams_/session_start_info"]).session_start_info.hparams
    assert told["family.family"].string_value == "vae"
    assert told["optimizer.lr"].number_value == 1e-3


@pytest.mark.usefixtures("_file_store")
def test_mlflow_shows_one_run_without_doubled_steps(tmp_path: Path) -> None:
    write(trackers_of(Settings(mlflow_uri=str(tmp_path / "runs"))))
    client, [run] = mlflow_runs(tmp_path / "runs")
    assert run.info.status == "FINISHED"
    assert (run.data.tags["pushforward.job"], run.data.tags["pushforward.model"]) == (ID, "moons")
    assert (run.data.params["family.latent"], run.data.params["optimizer.betas"]) == ("2", "[0.9, 0.99]")
    history = client.get_metric_history(run.info.run_id, LOSS)
    assert [(each.step, round(1 / each.value)) for each in history] == [(1, 1), (10, 10), (25, 25), (30, 30)]
    assert [each.step for each in client.get_metric_history(run.info.run_id, "held_out/nll_nats")] == [10, 20, 30]
    assert run.data.metrics["metrics/validation_rmse"] == 0.1
    assert [file.path.startswith("images/density") for file in client.list_artifacts(run.info.run_id, "images")] == [
        True,
        True,
    ]


@pytest.mark.usefixtures("_file_store")
def test_a_real_training_is_written_to_both(bench: Bench, tmp_path: Path) -> None:
    trackers = trackers_of(Settings(tensorboard_folder=tmp_path / "tb", mlflow_uri=str(tmp_path / "runs")))
    trackers.start()
    tracked = bench.tracked_by(trackers)
    job_id = bench.create(small_run(30))
    tracked.run("train")
    trackers.close(60)
    job = bench.job(job_id)
    shown = in_tensorboard(tmp_path / "tb" / "moons" / job_id)
    assert shown.Scalars("losses/negative_elbo_nats")[-1].step == 30
    assert {"samples", "density"} == set(shown.Tags()["images"])
    _, [run] = mlflow_runs(tmp_path / "runs")
    assert (run.info.status, run.data.params["budget.steps"]) == ("FINISHED", "30")
    told = {name.removeprefix("metrics/"): value for name, value in run.data.metrics.items() if "metrics/" in name}
    assert told == job.metrics


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server that takes connections and never answers; once it is closed, nobody answers."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def told_by_mlflow(server: socket.socket) -> Trackers:
    return trackers_of(Settings(mlflow_uri=f"http://127.0.0.1:{server.getsockname()[1]}"))


def test_a_tracker_that_hangs_or_fails_leaves_the_job_alone_and_is_told_once(
    bench: Bench, silent: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    trackers = told_by_mlflow(silent)
    trackers.start()
    job_id = bench.create(small_run(30))
    with caplog.at_level(logging.WARNING):
        bench.tracked_by(trackers).run("train")  # while MLflow hangs
        assert bench.job(job_id).state is State.SUCCEEDED
        assert [line for line in caplog.messages if "MLflow" in line] == []
        silent.close()
        trackers.close(60)
    [told] = [line for line in caplog.messages if "is written to MLflow" in line]
    assert told.startswith(f"not all of job {job_id} is written to MLflow: MlflowException: ")


def test_what_a_slow_tracker_does_not_take_is_dropped(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracker_thread, "MOST_WAITING", 3)
    trackers = told_by_mlflow(silent)
    trackers.start()
    trackers.begin(job_of(1))
    for step in range(1, 10):
        trackers.record(job_of(1), progress(step))
    assert caplog.messages == [f"not all of job {ID} is written to MLflow: it is 3 updates behind"]
    silent.close()
    trackers.close(60)


def test_only_trainings_are_tracked(tmp_path: Path) -> None:
    trackers = trackers_of(Settings(tensorboard_folder=tmp_path / "tb"))
    trackers.start()
    sampling = job_of(1, kind="sample", run={})
    trackers.begin(sampling)
    trackers.record(sampling, progress(1))
    trackers.end(sampling, lambda: State.SUCCEEDED, {})
    trackers.close(60)
    assert [*(tmp_path / "tb").iterdir()] == []


def test_without_settings_nothing_is_tracked() -> None:
    trackers = trackers_of(Settings())
    trackers.start()
    trackers.begin(job_of(1))
    trackers.end(job_of(1), lambda: pytest.fail("nobody asks"), {})


@pytest.mark.parametrize(
    ("package", "setting", "remedy"),
    [
        ("tensorboardX", "PUSHFORWARD_TENSORBOARD_FOLDER", "pip install 'pushforward[tensorboard]'"),
        ("mlflow", "PUSHFORWARD_MLFLOW_URI", "pip install 'pushforward[mlflow]'"),
    ],
)
def test_a_worker_without_the_package_does_not_start_and_says_what_to_install(
    redis_url: str, tmp_path: Path, package: str, setting: str, remedy: str
) -> None:
    without = f"import sys, runpy; sys.modules[{package!r}] = None; sys.argv = ['w']"
    worker = f"{without}; runpy.run_module('pushforward.service.worker', run_name='__main__')"
    environment = {**os.environ, setting: str(tmp_path / "x"), "PUSHFORWARD_REDIS_URL": redis_url}
    ended = subprocess.run([sys.executable, "-c", worker], env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert f"the worker cannot start: {setting} is set, but {package} is not installed: {remedy}" in ended.stderr


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"PUSHFORWARD_TENSORBOARD_FOLDER .* cannot be written"):
        trackers_of(Settings(tensorboard_folder=tmp_path / "file" / "runs")).start()


def test_an_address_of_no_kind_that_mlflow_knows_is_refused() -> None:
    with pytest.raises(StartError, match="PUSHFORWARD_MLFLOW_URI carrier://pigeon is of no use"):
        trackers_of(Settings(mlflow_uri="carrier://pigeon")).start()


def test_fields_of_a_run_have_their_paths_as_names() -> None:
    assert parameters(RUN) == {
        "family.family": "vae",
        "family.latent": 2,
        "optimizer.betas": "[0.9, 0.99]",
        "optimizer.lr": 1e-3,
    }
