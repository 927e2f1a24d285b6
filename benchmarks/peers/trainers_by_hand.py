"""A VAE trained by others' loops, in the peers' environment: pythae's trainer, Lightning's, and a plain loop.

    python trainers_by_hand.py pythae|lightning|plain rows.npy EPOCHS BATCH

For each line on standard input it trains anew, and prints {"steps": ..., "seconds": ...}. The networks are those of
`pushforward train --family vae --family.network perceptron --family.width 256 --family.depth 2 --family.latent 8`: two
perceptrons with SiLU, binary cross-entropy, Adam at 1e-3, gradients clipped where the trainer can.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

LATENT, WIDTH, LR, CLIP_NORM = 8, 256, 1e-3, 1.0
Training = Callable[[Tensor, int, int], None]


def trunk(n_in: int, *n_out: int) -> nn.Sequential:
    sizes = [n_in, *n_out]
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.SiLU())]
    return nn.Sequential(nn.Flatten(), *layers)


class PlainVAE(nn.Module):
    """Two perceptrons."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(trunk(size, WIDTH, WIDTH), nn.Linear(WIDTH, 2 * LATENT))
        self.decoder = nn.Sequential(trunk(LATENT, WIDTH, WIDTH), nn.Linear(WIDTH, size))

    def loss(self, x: Tensor) -> Tensor:
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
        log_p = -F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(1)
        kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)
        return (kl - log_p).mean()


def plain(x: Tensor, epochs: int, batch: int) -> None:
    model = PlainVAE(x.shape[1])
    adam = torch.optim.Adam(model.parameters(), lr=LR)
    for _ in range(epochs):
        for (rows,) in DataLoader(TensorDataset(x), batch, shuffle=True):
            loss = model.loss(rows)
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            adam.step()


def lightning(x: Tensor, epochs: int, batch: int) -> None:
    import lightning as L

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.vae = PlainVAE(x.shape[1])

        def training_step(self, rows: list[Tensor], _: int) -> Tensor:
            return self.vae.loss(rows[0])

        def configure_optimizers(self) -> torch.optim.Adam:
            return torch.optim.Adam(self.parameters(), lr=LR)

    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        gradient_clip_val=CLIP_NORM,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), DataLoader(TensorDataset(x), batch, shuffle=True))


def pythae(x: Tensor, epochs: int, batch: int) -> None:
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = trunk(x.shape[1], WIDTH, WIDTH)
            self.mu, self.log_var = nn.Linear(WIDTH, LATENT), nn.Linear(WIDTH, LATENT)

        def forward(self, rows: Tensor) -> ModelOutput:
            hidden = self.trunk(rows)
            return ModelOutput(embedding=self.mu(hidden), log_covariance=self.log_var(hidden))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(trunk(LATENT, WIDTH, WIDTH), nn.Linear(WIDTH, x.shape[1]), nn.Sigmoid())

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.layers(z))

    config = VAEConfig(input_dim=(x.shape[1],), latent_dim=LATENT, reconstruction_loss="bce")
    with tempfile.TemporaryDirectory() as folder:
        BaseTrainer(
            model=VAE(config, encoder=Encoder(), decoder=Decoder()),
            train_dataset=BaseDataset(x, torch.ones(len(x))),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                per_device_train_batch_size=batch,
                learning_rate=LR,
                optimizer_cls="Adam",
                no_cuda=True,
                train_dataloader_num_workers=0,
            ),
        ).train(log_output_dir=None)


TRAININGS: dict[str, Training] = {"plain": plain, "lightning": lightning, "pythae": pythae}


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    train, rows, epochs, batch = TRAININGS[sys.argv[1]], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    x = torch.from_numpy(np.load(rows))
    steps = epochs * -(-len(x) // batch)
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # trainers print
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        for _ in sys.stdin:
            torch.manual_seed(0)
            since = time.perf_counter()
            train(x, epochs, batch)
            answers.write(json.dumps({"steps": steps, "seconds": time.perf_counter() - since}) + "\n")


if __name__ == "__main__":
    main()
