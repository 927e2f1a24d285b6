"""MLflow: a run for each job in the experiment `pushforward`, found again by its tag when the job resumes.

A resumed attempt writes only steps that are newer than the run's newest.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from PIL import Image

from pushforward.service.domain.jobs import Job, State
from pushforward.service.domain.ports import Update
from pushforward.service.trackers.tracker import Tracker, parameters, points, scalars

EXPERIMENT = "pushforward"
JOB, MODEL = "pushforward.job", "pushforward.model"  # tags
STATUS = {State.SUCCEEDED: "FINISHED", State.FAILED: "FAILED", State.CANCELLED: "KILLED", State.QUEUED: "SCHEDULED"}
AT_ONCE = 100  # parameters of one call
MOST_CHARACTERS = 500  # of a parameter
PACE = "steps_per_s"  # a metric of each progress


@dataclass
class _Run:
    """A run, and what is written of it."""

    id: str
    newest: int = -1  # step that the attempts before wrote
    step: int = 0  # of the latest progress
    point: int = 0  # step of the latest point of the curve


@final
class MlflowRuns(Tracker):
    """Runs of a tracking server, or of the files or the database that the address names."""

    name = "MLflow"

    def __init__(self, uri: str) -> None:
        self._client = MlflowClient(tracking_uri=uri)
        self._runs: dict[str, _Run] = {}

    def begin(self, job: Job) -> None:
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        experiment_id = self._client.create_experiment(EXPERIMENT) if experiment is None else experiment.experiment_id
        found = self._client.search_runs([experiment_id], f"tags.`{JOB}` = '{job.id}'", max_results=1)
        if found:
            run = _Run(found[0].info.run_id)
            steps = [metric.step for metric in self._client.get_metric_history(run.id, PACE)]
            run.newest = run.point = max(steps, default=0)
            self._client.update_run(run.id, status="RUNNING")
        else:
            tags = {JOB: job.id, MODEL: job.model}
            created = self._client.create_run(experiment_id, tags=tags, run_name=f"{job.model} {job.id}")
            run = _Run(created.info.run_id)
            chosen = [Param(name, str(value)[:MOST_CHARACTERS]) for name, value in parameters(job.run).items()]
            for first in range(0, len(chosen), AT_ONCE):
                self._client.log_batch(run.id, params=chosen[first : first + AT_ONCE])
        self._runs[job.id] = run

    def record(self, job_id: str, update: Update) -> None:
        run, data = self._runs[job_id], update.data
        if update.kind == "log" or data["step"] <= run.newest:
            return
        if update.kind == "progress":
            run.step = data["step"]
            values = [(name, run.step, value) for name, value in scalars(data).items()]
            values += points(data, run.point)
            run.point = max((step for name, step, _ in values if name.startswith("held_out/")), default=run.point)
            self._log(run, values)
        else:
            image = Image.open(BytesIO(b64decode(data["png"]))).convert("RGB")
            self._client.log_image(run.id, image, key=data["what"], step=data["step"])

    def end(self, job_id: str, state: State | None, metrics: Mapping[str, float]) -> None:
        run = self._runs.pop(job_id)
        self._log(run, ((f"metrics/{name}", run.step, value) for name, value in metrics.items()))
        if state in STATUS:
            status = STATUS[state]
            end = self._client.update_run if state is State.QUEUED else self._client.set_terminated
            end(run.id, status)

    def flush(self) -> None:
        """Every call has written already."""

    def _log(self, run: _Run, values: Iterable[tuple[str, int, float]]) -> None:
        now_ms = int(1000 * time.time())
        metrics = [Metric(name, float(value), now_ms, step) for name, step, value in values]
        if metrics:
            self._client.log_batch(run.id, metrics=metrics)
