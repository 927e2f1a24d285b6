"""The networks that are served: trained through the service, exported for the peers, called without any server.

decoder   a variational autoencoder of 784 numbers in [0, 1]: its decoder 20-400-784 is what every server samples
points    a denoising diffusion of 64 numbers, sampled by DDIM in 50 steps
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peers.decoder import decoder as peers_decoder
from safetensors.torch import save_file

from pushforward.models.family import Decodes, Samples, Scores
from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.storage.model import Model, load_model
from pushforward.service.client import Client

DECODER, POINTS = "decoder", "points"
SIZE, POINTS_SIZE = 784, 64
DDIM_STEPS = 50
CHUNK_ROWS = 512

RUNS = {
    DECODER: {
        "family": {
            "family": "vae",
            "latent": 20,
            "width": 400,
            "depth": 1,
            "likelihood": {"likelihood": "bernoulli"},
        },
        "data": {"source": "npy", "path": "decoder.npy", "low": 0.0, "high": 1.0},
        "budget": {"steps": 100},
    },
    POINTS: {
        "family": {"family": "diffusion"},
        "data": {"source": "npy", "path": "points.npy"},
        "budget": {"steps": 100},
    },
}


def train(data: Path, port: int) -> None:
    """Both models, through the service on a port that reads data from a folder."""
    rng = np.random.default_rng(0)
    np.save(data / "decoder.npy", rng.random((1000, SIZE), dtype=np.float32))
    np.save(data / "points.npy", rng.standard_normal((1000, POINTS_SIZE), dtype=np.float32))
    with Client(f"http://127.0.0.1:{port}") as client:
        for model, run in RUNS.items():
            job_id = client.train(model, run=run)["id"]
            while (state := client.get(f"/jobs/{job_id}")["state"]) not in ("succeeded", "failed", "cancelled"):
                time.sleep(0.1)
            if state != "succeeded":
                raise SystemExit(f"the training of {model} {state}")


def load(store: Path) -> Model:
    """The autoencoder, on one thread as the worker has it."""
    torch.set_num_threads(1)
    return load_model(store / DECODER / "1", torch.device("cpu"))


def export(model: Model, file: Path) -> None:
    """The decoder's weights for the peers, whose answers are seen to be ours."""
    layers = model.nets["decoder"].state_dict()
    names = {"layers.1": "0", "layers.3": "2"}
    weights = {f"{names[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": value for name, value in layers.items()}
    save_file(weights, file)
    theirs = peers_decoder()
    theirs.load_state_dict(weights)
    z = torch.randn(8, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = model.family.decode(model.nets, z, no_condition(z)) if isinstance(model.family, Decodes) else z
        if not theirs(z).allclose(ours):
            raise SystemExit("the peers' network does not answer as ours does")


def likelihood_rows_per_s(model: Model, rows: np.ndarray, k: int, seconds: float) -> float:
    """Of the bound of k draws, one batch after the other."""
    family, x = model.family, torch.from_numpy(rows)
    if not isinstance(family, Scores):
        raise TypeError("a model without likelihood")
    options, noise = family.ScoreOptions.model_validate({"k": k}), Noise.rows(0, len(rows))
    with torch.no_grad():
        return len(rows) * calls_per_s(lambda: family.log_prob(model.nets, x, no_condition(x), noise, options), seconds)


def samples_per_s(model: Model, n: int, seconds: float) -> float:
    """Of n rows at a time, computed in chunks."""
    family = model.family
    if not isinstance(family, Samples):
        raise TypeError("a model without samples")
    sampler = family.sampler(model.nets, family.SampleOptions())

    def draw() -> np.ndarray:
        out = np.empty((n, SIZE), np.float32)
        for first in range(0, n, CHUNK_ROWS):
            noise = Noise.rows(0, min(CHUNK_ROWS, n - first), start=first)
            out[first : first + len(noise)] = sample(sampler, noise).numpy()
        return out

    return n * calls_per_s(draw, seconds)


def calls_per_s(call: Callable[[], object], seconds: float) -> float:
    """How often a call is made, after one to warm up."""
    call()
    began, n = time.perf_counter(), 0
    while (spent_s := time.perf_counter() - began) < seconds or n == 0:
        call()
        n += 1
    return n / spent_s
