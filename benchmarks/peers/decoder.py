"""The network that every peer serves, the decoder of a variational autoencoder, and the one answer they all give.

    x = sigmoid(W2 silu(W1 z + b1) + b2),   z ~ N(0, I) of 20 numbers,   x of 784

The weights are those of a model that our service trained; `python benchmarks/serving.py` writes them to the file that
DECODER_WEIGHTS names. All peers write JSON with orjson, the fastest there is, and leave torch one thread, as ours does.
"""

from __future__ import annotations

import os

import orjson
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

LATENT, WIDTH, SIZE = 20, 400, 784


def decoder() -> nn.Sequential:
    """The network without weights, (B, 20) to (B, 784)."""
    return nn.Sequential(nn.Linear(LATENT, WIDTH), nn.SiLU(), nn.Linear(WIDTH, SIZE), nn.Sigmoid())


def load() -> nn.Sequential:
    """The trained network, ready to be called."""
    torch.set_num_threads(1)
    net = decoder()
    net.load_state_dict(load_file(os.environ["DECODER_WEIGHTS"]))
    return net.requires_grad_(False).eval()


@torch.inference_mode()
def sample(net: nn.Sequential, n: int) -> Tensor:
    """New rows, (n, 784)."""
    rows: Tensor = net(torch.randn(n, LATENT))
    return rows


def body(rows: Tensor) -> bytes:
    """The answer: {"samples": [[784 numbers], ...]}."""
    return orjson.dumps({"samples": rows.numpy()}, option=orjson.OPT_SERIALIZE_NUMPY)
