"""Presets of series."""

from pushforward.models.presets.preset import preset

ROWS = (
    preset(
        "vae-series",
        "VAE of windows of an autoregressive process of entropy 46.8 nats: convolutions along the steps.",
        family={"family": "vae", "latent": 16, "width": 16},
        data={"source": "autoregressive_process"},
        optimizer={"lr": 4e-3, "decay": "cosine"},
        budget={"steps": 1000},
    ),
    preset(
        "flow-matching-series",
        "Flow matching of windows of an autoregressive process of entropy 24.1 nats: a small UNet along the steps.",
        family={"family": "flow_matching", "width": 16},
        data={"source": "autoregressive_process", "length": 16},
        optimizer={"lr": 4e-3, "decay": "cosine"},
        budget={"steps": 800},
    ),
)
