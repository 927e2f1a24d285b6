"""The trackers that the settings ask for; their packages are loaded only then."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pushforward.service.processes.supervision import StartError
from pushforward.service.settings import Settings
from pushforward.service.trackers.thread import Trackers
from pushforward.service.trackers.tracker import Tracker


def trackers_of(settings: Settings) -> Trackers:
    """Its `start` raises StartError with the remedy where a package is missing, or where nothing can be written."""
    return Trackers(tuple(_makers(settings)))


def _makers(settings: Settings) -> Iterator[Callable[[], Tracker]]:
    if settings.tensorboard_folder is not None:
        yield partial(_tensorboard, settings.tensorboard_folder)
    if settings.mlflow_uri is not None:
        yield partial(_mlflow, settings.mlflow_uri)


def _tensorboard(folder: Path) -> Tracker:
    try:
        from pushforward.service.trackers.tensorboard_files import TensorBoardFiles
    except ImportError as error:
        raise _missing("PUSHFORWARD_TENSORBOARD_FOLDER", error, "pushforward[tensorboard]") from None
    try:
        return TensorBoardFiles(folder)
    except OSError as error:
        raise StartError(
            f"PUSHFORWARD_TENSORBOARD_FOLDER {folder} cannot be written: {error.strerror}; name a folder that can"
        ) from None


def _mlflow(uri: str) -> Tracker:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a worker reports to this address and to no other
    try:
        from mlflow.exceptions import MlflowException

        from pushforward.service.trackers.mlflow_runs import MlflowRuns
    except ImportError as error:
        raise _missing("PUSHFORWARD_MLFLOW_URI", error, "pushforward[mlflow]") from None
    try:
        return MlflowRuns(uri)
    except ImportError as error:
        raise _missing(f"PUSHFORWARD_MLFLOW_URI {uri}", error, "mlflow") from None
    except MlflowException as error:
        raise StartError(f"PUSHFORWARD_MLFLOW_URI {uri} is of no use: {error}") from None


def _missing(setting: str, error: ImportError, package: str) -> StartError:
    missing = (error.name or package).partition(".")[0]
    return StartError(f"{setting} is set, but {missing} is not installed: pip install '{package}', or unset it")
