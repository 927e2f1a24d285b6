"""BentoML, batching adaptively. Settings: BATCH requests at most, LATENCY_MS, past which it refuses.

A batchable method lives in a service of its own, and the service that parses and writes JSON in another beside it, as
its documentation recommends for batching; both in one process (`bentoml.depends`).
"""

import os

import bentoml
import numpy as np
from decoder import load, sample


@bentoml.service(
    workers=int(os.environ["WORKERS"]),
    traffic={"timeout": 30},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Decoder:
    """Samples rows."""

    def __init__(self) -> None:
        self.net = load()

    @bentoml.api(
        batchable=True,
        max_batch_size=int(os.environ["BATCH"]),
        max_latency_ms=int(os.environ["LATENCY_MS"]),
        route="/sample",
    )
    def samples(self, n: np.ndarray) -> np.ndarray:
        return sample(self.net, len(n)).numpy()
