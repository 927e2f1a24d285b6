"""A forecast of a training, in a child process: its first steps are taken, measured and thrown away."""

from __future__ import annotations

from time import perf_counter

import torch

from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.run import Run
from pushforward.models.training.compute import memory
from pushforward.models.training.data import load_data
from pushforward.models.training.reports.forecast import forecast
from pushforward.service.domain.forecasts import Forecast
from pushforward.service.runner.messages import DONE, ForecastOrder, Foreseen, Send


def run_order(order: ForecastOrder, device: torch.device, free_bytes: int, send: Send) -> int:
    """Measure, and send what was foreseen; the exit code. Raises LaboratoryError."""
    began = perf_counter()
    run = Run.model_validate(order.run)
    data = load_data(run, order.data_root, ScratchSpace(order.scratch, memory.rows_bytes(order.memory_bytes)))
    memory.check(run, data.spec, free_bytes)
    foreseen = forecast(run, data, device, free_bytes, read_s=perf_counter() - began)
    told = Forecast(**foreseen._asdict(), device=_name_of(device), torch_threads=order.torch_threads)
    send(Foreseen(forecast=told))
    return DONE


def _name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
