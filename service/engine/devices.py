"""Which device a worker and its training children compute on."""

import torch

from pushforward.models.errors import Hindered


def device(wanted: str) -> torch.device:
    """The device of a setting; `auto` is CUDA where there is a GPU."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def present(wanted: str) -> torch.device:
    """The device, if the driver has it. Raises Hindered."""
    chosen = device(wanted)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise Hindered(f"the device {chosen} is not there")
    return chosen
