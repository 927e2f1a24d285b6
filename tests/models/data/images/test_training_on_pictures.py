"""Models are trained on pictures by the library, and draw pictures."""

from collections import deque
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from pushforward.models import Model, Run, load, sample, train
from pushforward.models.spec.conditions import Labels
from pushforward.models.training.checkpoint import save_model
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train as training
from pushforward.models.training.state import fresh
from pushforward.service.formats.png import png
from tests.models.data.images.pictures import encoded, zipped

FAMILIES: list[dict[str, Any]] = [
    {"family": "vae", "width": 8, "latent": 4},
    {"family": "diffusion", "width": 8},
]


def blobs(n: int, height: int, width: int, channels: int) -> np.ndarray:
    """Soft spots at random places, (n, H, W, C) of bytes."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    spots = [
        np.exp(-((y - height * rng.random()) ** 2 + (x - width * rng.random()) ** 2) / 50)[..., None]
        * rng.random(channels)
        for _ in range(n)
    ]
    return np.round(255 * np.stack(spots)).astype(np.uint8)


def run_of(family: dict[str, Any], **data: Any) -> Run:
    return Run.model_validate({
        "family": family,
        "data": {"source": "images", "path": "x.zip", **data},
        "budget": {"steps": 3},
        "optimizer": {"batch_size": 8},
    })  # fmt: skip


def trained(root: Path, run: Run) -> Model:
    """Trained and saved, but not judged, which draws hundreds of samples."""
    data = load_data(run, root)
    state = fresh(run, data, torch.device("cpu"))
    deque(training(data, state), maxlen=0)
    (root / "model").mkdir()
    save_model(root / "model", state, {}, data.fingerprint)
    return load(root / "model")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family["family"])
def test_digits_written_as_pictures_train_a_conditional_model(tmp_path: Path, family: dict[str, Any]) -> None:
    digits = load_digits()
    zipped(tmp_path, {
        f"digits/{label}/{i:04}.png": encoded((image * 15.9).astype(np.uint8))
        for i, (image, label) in enumerate(zip(digits.images[:100], digits.target, strict=False))
    })  # fmt: skip
    run = run_of(family, size=8, mode="L", condition="label")
    model = train(run, tmp_path / "model", data_root=tmp_path)
    assert model.card.spec.condition == Labels(n_classes=10, names=tuple("0123456789"))
    assert "Labels: 0 is '0', 1 is '1', 2 is '2'" in " ".join(model.card.notes)
    assert sample(model, 3, condition=7).shape == (3, 1, 8, 8)


@pytest.mark.parametrize(("mode", "size"), [("RGB", (64, 64)), ("RGBA", (24, 40))])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family["family"])
def test_large_pictures_train_models_that_draw_them(
    tmp_path: Path, family: dict[str, Any], mode: str, size: tuple[int, int]
) -> None:
    pixels = blobs(24, *size, len(mode))
    zipped(tmp_path, {f"{i:02}.png": encoded(each) for i, each in enumerate(pixels)})
    model = trained(tmp_path, run_of(family, size=size, mode=mode))
    drawn = sample(model, 2)
    assert drawn.shape == (2, len(mode), *size)
    assert Image.open(BytesIO(png(drawn.numpy(), model.card.spec))).mode == mode


def test_gray_pictures_of_16_bits_train_a_continuous_model_that_draws_16_bits(tmp_path: Path) -> None:
    deep = blobs(24, 16, 16, 1)[..., 0].astype(np.uint16) * 257
    zipped(tmp_path, {f"{i:02}.png": encoded(each) for i, each in enumerate(deep)})
    model = trained(tmp_path, run_of(FAMILIES[1], size=16, mode="L"))
    assert (model.card.spec.levels, model.card.spec.high) == (None, 65535)
    assert Image.open(BytesIO(png(sample(model, 2).numpy(), model.card.spec))).mode == "I;16"
