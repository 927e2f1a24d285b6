"""torchcfm's flow matching as its examples write it, in the peers' environment.

    python torchcfm_by_hand.py rows.npz SEED STEPS     # prints what `benchmarks/judging.py` calls Judged, as JSON

Its own perceptron, Adam at 1e-3 on standardized rows; likelihoods along the field by RK4 with the exact divergence.
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
from torch import Tensor, nn
from torchcfm.conditional_flow_matching import ConditionalFlowMatcher
from torchcfm.models.models import MLP

sys.path.insert(0, str(Path(__file__).parent.parent))
from judging import Nll, judged

BATCH, RK4_STEPS = 128, 32


def main() -> None:
    torch.set_num_threads(1)
    rows, seed, steps = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(seed)
    x = rows["train"][np.random.default_rng(seed).permutation(len(rows["train"]))]
    n = max(1, min(500, round(0.1 * len(x))))
    mean, std = x[n:].mean(0), x[n:].std(0)
    aside, train, test = (torch.from_numpy((part - mean) / std).float() for part in (x[:n], x[n:], rows["test"]))
    since = time.process_time()
    result = judged(training(train, float(np.log(std).sum()), steps), aside, test, steps)
    print(json.dumps({**vars(result), "seconds": time.process_time() - since}))


def training(x: Tensor, log_scale: float, steps: int) -> Iterator[Nll]:
    model, matcher = MLP(dim=x.shape[1], time_varying=True), ConditionalFlowMatcher(sigma=0.0)
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(steps):
        x1 = x[torch.randint(len(x), (BATCH,))]
        t, xt, ut = matcher.sample_location_and_conditional_flow(torch.randn_like(x1), x1)
        loss = (model(torch.cat([xt, t[:, None]], 1)) - ut).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield lambda some: log_scale - log_prob(model, some)


@torch.enable_grad()
def log_prob(model: nn.Module, x: Tensor) -> Tensor:
    """Standard normal at t = 0, and minus the integral of the divergence from there."""

    def slope(x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        x = x.detach().requires_grad_()
        v = model(torch.cat([x, x.new_full((len(x), 1), t)], 1))
        parts = (torch.autograd.grad(v[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(x.shape[1]))
        return v.detach(), sum(parts)

    h, divergence = -1 / RK4_STEPS, 0.0
    for t in torch.linspace(1, 0, RK4_STEPS + 1)[:-1].tolist():
        k1, d1 = slope(x, t)
        k2, d2 = slope(x + h / 2 * k1, t + h / 2)
        k3, d3 = slope(x + h / 2 * k2, t + h / 2)
        k4, d4 = slope(x + h * k3, t + h)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        divergence = divergence + h / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    return (-0.5 * (x**2).sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi) + divergence).detach()


if __name__ == "__main__":
    main()
