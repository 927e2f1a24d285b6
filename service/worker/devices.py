"""Which device a worker and its training children compute on."""

import torch


def device(wanted: str) -> torch.device:
    """`auto` takes CUDA where there is one."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)
