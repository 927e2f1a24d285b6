"""The environment, as one frozen object. Every setting is `PUSHFORWARD_` and its name in capitals."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _parts(text: object) -> object:
    return [part.strip().lower() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


def _check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/?#\s]+", origin):
            raise ValueError(f"{origin!r} is no origin; write scheme://host or scheme://host:port, or * for all")
    return origins


def _check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        if host != "*" and not re.fullmatch(r"(\*\.)?[^/:@*\s]+|\[[0-9a-f:.]+\]", host):
            raise ValueError(f"{host!r} is no host; write a name without scheme and port, *.name, or * for all")
    return hosts


Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_check_hosts)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_check_origins)]


class Settings(BaseSettings):
    """The settings of a process; the units are in the names."""

    model_config = SettingsConfigDict(env_prefix="PUSHFORWARD_", frozen=True)

    redis_url: str = "redis://127.0.0.1:6379/0"  # or unix:///path/to/redis.sock
    redis_password: SecretStr | None = None
    redis_password_file: Path | None = None  # a docker secret; wins over redis_password
    store: Path = Path("store")  # models, job checkpoints and sampled files
    data_root: Path = Path("data")  # the only place a run may read files from; uploads are kept in it

    http_host: str = "127.0.0.1"
    http_port: int = Field(8000, ge=0, le=65535)
    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(8001, ge=0, le=65535)
    gateways: int = Field(1, ge=1)  # processes that share these ports
    allowed_hosts: Hosts = ()  # of the Host header, beside loopback and the address that is bound
    cors_origins: Origins = ()  # pages of these may call from a browser

    worker_host: str = "127.0.0.1"  # where a worker listens for gateways; 0.0.0.0 for those on other machines
    worker_port: int = Field(0, ge=0, le=65535)  # 0 for any that is free

    metrics_host: str = "127.0.0.1"  # of a worker
    metrics_port: int = Field(0, ge=0, le=65535)  # of a worker; 0 for none
    metrics_folder: Path | None = None  # processes that share it show each other's metrics

    tensorboard_folder: Path | None = None  # where a worker writes its trainings for TensorBoard
    mlflow_uri: str | None = None  # of the MLflow server that a worker tells of its trainings

    ask_timeout_s: float = Field(30.0, gt=0)
    max_rows: int = Field(10_000, ge=1)  # of one request
    max_stream_rows: int = Field(100_000, ge=1)  # of one sample that is sent in parts
    max_file_rows: int = Field(10_000_000, ge=1)  # of one sample that a job draws into a file
    max_file_bytes: int = Field(8 * 2**30, ge=1024)  # of such a file
    max_values: int = Field(16_000_000, ge=1)  # numbers in one response
    max_body_bytes: int = Field(64 * 2**20, ge=1024)
    max_json_bytes: int = Field(4 * 2**20, ge=1024)  # of a JSON body, and of a message outside of its tensors
    max_json_values: int = Field(500_000, ge=1)  # in a JSON body
    max_header_bytes: int = Field(64 * 2**10, ge=8192)  # of a request's address and headers, or a call's metadata
    max_bodies_bytes: int = Field(256 * 2**20, ge=1024)  # of all bodies that one gateway process holds
    max_upload_bytes: int = Field(2**30, ge=1024)  # of one dataset
    max_datasets_bytes: int = Field(16 * 2**30, ge=1024)  # of all datasets
    max_connections: int = Field(1000, ge=1)  # REST, of one gateway process
    max_calls: int = Field(1000, ge=1)  # gRPC, of one gateway process
    header_timeout_s: float = Field(10.0, gt=0)  # from a request's first byte to the end of its headers
    body_timeout_s: float = Field(60.0, gt=0)  # from there to the end of its body
    max_pending_rows: int = Field(100_000, ge=1)  # waiting at one gateway
    max_queued_jobs: int = Field(1000, ge=1)

    device: str = "auto"  # cpu, cuda, cuda:1; auto takes cuda where there is one
    memory_bytes: int = Field(4 * 2**30, ge=2**20)  # of models held by one worker
    torch_threads: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"  # of the inference thread and of each child
    compile: Literal["auto", "off"] = "auto"  # networks that are used much, where compiling makes them faster
    training_slots: int = Field(1, ge=1)
    sampling_slots: int = Field(1, ge=1)  # of samplings into files, beside the trainings
    evaluation_slots: int = Field(1, ge=1)  # of evaluations of models, beside the others
    lease_s: float = Field(30.0, gt=0)  # a runner without a heartbeat for so long has lost its job
    beat_s: float = Field(1.0, gt=0)
    reconcile_s: float = Field(5.0, gt=0)
    checkpoint_s: float = Field(15.0, gt=0)  # between checkpoints of a training
    cancel_grace_s: float = Field(10.0, gt=0)  # from SIGTERM to SIGKILL of a training child
    hang_s: float = Field(120.0, gt=0)  # a loop or thread that makes no progress for so long ends its process
    stall_s: float = Field(600.0, gt=0)  # a training child silent for so long is killed, and the job tried again
    keep_work_s: float = Field(7 * 86400.0, ge=0)  # the checkpoints of a job that failed or was cancelled
    keep_files_s: float = Field(86400.0, ge=0)  # the files of finished samplings
    keep_jobs_s: float = Field(30 * 86400.0, ge=1)  # the records of jobs that ended
    job_memory_bytes: int | None = Field(None, ge=2**28)  # of one job; None: what is free at its start
    pause_s: float = Field(1.0, gt=0)  # before a job is tried again on a machine at fault; doubles, to a minute
    max_attempts: int = Field(3, ge=1)  # claims of a job without progress before it fails

    @property
    def n_torch_threads(self) -> int:
        """CPU threads of the inference thread and of the child of each job.

        `auto` is OMP_NUM_THREADS where that is set, else the cores divided by the processes that compute at once.
        """
        if self.torch_threads != "auto":
            return self.torch_threads
        given = os.environ.get("OMP_NUM_THREADS", "")
        return int(given) if given.isdecimal() and int(given) else max(1, cores() // (self.training_slots + 1))

    def redis_secret(self) -> str | None:
        """The Redis password, from either setting."""
        if self.redis_password_file is not None:
            return _secret(self.redis_password_file)
        return self.redis_password.get_secret_value() if self.redis_password else None


def _secret(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise SystemExit(
            f"PUSHFORWARD_REDIS_PASSWORD_FILE {file} cannot be read by uid {os.getuid()}: {error.strerror}; "
            "let it be read: chmod 644 (in docker compose of docker/redis_password.txt)"
        ) from None


def cores(limit: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """CPU cores this process may use: those it may run on, or fewer by a container's limit, `{quota|max} {period}`."""
    may_run_on = len(os.sched_getaffinity(0))
    quota, _, period = limit.read_text().partition(" ") if limit.exists() else ("max", "", "")
    return may_run_on if quota == "max" else min(may_run_on, max(1, int(quota) // int(period)))
