"""The environment, as one frozen object. Every setting is `PUSHFORWARD_` and its name in capitals."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """How this process is set up; the units are in the names."""

    model_config = SettingsConfigDict(env_prefix="PUSHFORWARD_", frozen=True)

    redis_url: str = "redis://127.0.0.1:6379/0"  # or unix:///path/to/redis.sock
    redis_password: SecretStr | None = None
    redis_password_file: Path | None = None  # a docker secret; wins over redis_password
    store: Path = Path("store")  # models, job checkpoints and sampled files
    data_root: Path = Path("data")  # the only place a run may read files from

    http_host: str = "127.0.0.1"
    http_port: int = Field(8000, ge=0, le=65535)
    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(8001, ge=0, le=65535)
    gateways: int = Field(1, ge=1)  # processes that share these ports

    metrics_host: str = "127.0.0.1"  # of a worker
    metrics_port: int = Field(0, ge=0, le=65535)  # of a worker; 0 for none
    metrics_folder: Path | None = None  # processes that share it show each other's metrics

    ask_timeout_s: float = Field(30.0, gt=0)
    max_rows: int = Field(10_000, ge=1)  # of one ask
    max_stream_rows: int = Field(100_000, ge=1)  # of one sample that is sent in parts
    max_file_rows: int = Field(10_000_000, ge=1)  # of one sample that a job draws into a file
    max_file_bytes: int = Field(8 * 2**30, ge=1024)  # of such a file
    max_values: int = Field(16_000_000, ge=1)  # numbers in one answer
    max_body_bytes: int = Field(64 * 2**20, ge=1024)
    max_pending_rows: int = Field(100_000, ge=1)  # waiting at one gateway
    max_queued_jobs: int = Field(1000, ge=1)

    device: str = "auto"  # cpu, cuda, cuda:1; auto takes cuda where there is one
    memory_bytes: int = Field(4 * 2**30, ge=2**20)  # of models held by one worker
    torch_threads: int = Field(1, ge=1)  # of the inference thread and of each training child
    compile: Literal["auto", "off"] = "auto"  # networks that have computed for long, where it makes them faster
    training_slots: int = Field(1, ge=1)
    lease_s: float = Field(30.0, gt=0)  # a runner that has not beaten for so long has lost its job
    beat_s: float = Field(1.0, gt=0)
    reconcile_s: float = Field(5.0, gt=0)
    checkpoint_s: float = Field(15.0, gt=0)  # between checkpoints of a training
    cancel_grace_s: float = Field(10.0, gt=0)  # from SIGTERM to SIGKILL of a training child
    stall_s: float = Field(600.0, gt=0)  # a training child silent for so long is killed, and the job tried again
    keep_work_s: float = Field(7 * 86400.0, ge=0)  # the checkpoints of a job that was cancelled or crashed
    keep_files_s: float = Field(86400.0, ge=0)  # the files of finished samplings
    max_attempts: int = Field(3, ge=1)  # claims of a job without progress before it fails

    def redis_secret(self) -> str | None:
        """The password, wherever it was given."""
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


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0))
