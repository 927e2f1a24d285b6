"""Small models in a store, of fresh weights."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from pushforward.models.run import Run
from pushforward.models.training.checkpoint import save_model
from pushforward.models.training.data import load_data
from pushforward.models.training.state import fresh

MOONS = "moons@1"
DOTS = "dots@1"
STEPS = "steps@1"
TOLD = "told@1"
CAPTIONED = "captioned@1"
FAR = "far@1"
TURNED = "turned@1"
TREES = "trees@1"


def put_model(store: Path, reference: str = MOONS, *, latent: int = 2, seed: int = 0) -> Path:
    """A VAE of points in the plane."""
    family = {"family": "vae", "latent": latent, "width": 16, "depth": 1}
    return _put(store, reference, {"family": family, "data": {"source": "two_moons"}, "seed": seed})


def put_spoiled(store: Path) -> Path:
    """The same, and no weight is a number."""
    return _put(store, MOONS, {"family": {"family": "vae"}, "data": {"source": "two_moons"}}, noise=torch.nan)


def put_dots(store: Path) -> Path:
    """A VAE of four numbers, each 0, 2 or 4."""
    store.mkdir(parents=True, exist_ok=True)
    np.save(store / "dots.npy", np.tile(np.float32([[0, 2, 4, 2], [4, 4, 0, 0]]), (20, 1)))
    data = {"source": "npy", "path": "dots.npy", "low": 0, "high": 4, "levels": 3}
    return _put(store, DOTS, {"family": {"family": "vae", "latent": 2, "width": 16, "depth": 1}, "data": data})


def put_steps(store: Path, steps: int = 20, *, seed: int = 0) -> Path:
    """A diffusion of points in the plane."""
    family = {"family": "diffusion", "width": 16, "depth": 1, "steps": steps}
    return _put(store, STEPS, {"family": family, "data": {"source": "two_moons"}, "seed": seed})


def put_trees(store: Path) -> Path:
    """A VAE of a table of two columns."""
    store.mkdir(parents=True, exist_ok=True)
    lines = [f"{'oak' if i % 3 else 'ash'},{i / 7}" for i in range(60)]
    (store / "trees.csv").write_text("\n".join(["kind,height", *lines]))
    family = {"family": "vae", "latent": 2, "width": 16, "depth": 1}
    return _put(store, TREES, {"family": family, "data": {"source": "table", "path": "trees.csv"}})


def put_told(store: Path) -> Path:
    """The same, told which moon."""
    family = {"family": "diffusion", "width": 16, "depth": 1, "steps": 20}
    return _put(store, TOLD, {"family": family, "data": {"source": "two_moons", "condition": "label"}})


def put_captioned(store: Path) -> Path:
    """A model of captioned digits."""
    family = {"family": "text_to_image", "width": 8, "latent": 2, "embedding": 8}
    data = {"source": "captioned_digits", "condition": "text", "copies": 1}
    return _put(store, CAPTIONED, {"family": family, "data": data})


def put_turned(store: Path) -> Path:
    """A translator between moons and turned moons."""
    family = {"family": "cyclegan", "width": 16, "depth": 1}
    return _put(store, TURNED, {"family": family, "data": {"source": "turned_moons", "condition": "label"}})


def put_far(store: Path) -> Path:
    """A VAE of a column far from zero, one that never varies, and an ordinary one."""
    store.mkdir(parents=True, exist_ok=True)
    z = np.random.default_rng(0).standard_normal((40, 2))
    np.save(store / "far.npy", np.column_stack([1e8 + z[:, 0], np.full(40, 123456789.0), z[:, 1]]))
    family = {"family": "vae", "latent": 2, "width": 16, "depth": 1}
    return _put(store, FAR, {"family": family, "data": {"source": "npy", "path": "far.npy"}})


def _put(store: Path, reference: str, fields: dict[str, Any], *, noise: float = 0.1) -> Path:
    run = Run.model_validate(fields)
    data = load_data(run, store)
    name, _, version = reference.partition("@")
    folder = store / name / version
    folder.mkdir(parents=True)
    state = fresh(run, data, torch.device("cpu"))
    _stir(state.average, noise, torch.Generator().manual_seed(run.seed))
    save_model(folder, state, {}, data.fingerprint)
    return folder


@torch.no_grad()
def _stir(nets: torch.nn.Module, noise: float, rng: torch.Generator) -> None:
    """Some networks start as the identity, which hides mistakes."""
    for weights in nets.parameters():
        weights += noise * torch.randn(weights.shape, generator=rng)
