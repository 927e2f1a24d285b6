"""Small models in a store, of fresh weights."""

from pathlib import Path

import torch

from models.checkpoint import save_model
from models.run import Run
from models.train import fresh, load_data

MOONS = "moons@1"


def put_model(store: Path, reference: str = MOONS, *, latent: int = 2, seed: int = 0) -> Path:
    """A VAE of points in the plane."""
    run = Run.model_validate(
        {
            "family": {"family": "vae", "latent": latent, "width": 16, "depth": 1},
            "data": {"source": "two_moons"},
            "seed": seed,
        }
    )
    data = load_data(run, store)
    name, _, version = reference.partition("@")
    folder = store / name / version
    folder.mkdir(parents=True)
    save_model(folder, fresh(run, data, torch.device("cpu")), {}, data.fingerprint)
    return folder
