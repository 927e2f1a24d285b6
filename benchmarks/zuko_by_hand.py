"""zuko's neural spline flow as its README writes it: Adam at 1e-3 on standardized rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import zuko
from defaults_data import Split
from judging import Judged, Nll, judged
from torch import Tensor

BATCH = 512
SHARE_SET_ASIDE = 0.1


def zuko_by_hand(rows: Split, seed: int, steps: int) -> Judged:
    """Three autoregressive spline transforms, perceptrons of 64 x 64 units: zuko's defaults."""
    torch.manual_seed(seed)
    x = rows.train[np.random.default_rng(seed).permutation(len(rows.train))]
    n = max(1, round(SHARE_SET_ASIDE * len(x)))
    mean, std = x[n:].mean(0), x[n:].std(0)
    aside, train, test = (torch.from_numpy((part - mean) / std).float() for part in (x[:n], x[n:], rows.test))
    return judged(_training(train, float(np.log(std).sum()), steps), aside, test, steps)


def _training(x: Tensor, log_scale: float, steps: int) -> Iterator[Nll]:
    flow = zuko.flows.NSF(features=x.shape[1], transforms=3, hidden_features=[64, 64])
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-3)
    step = 0
    while step < steps:
        for batch in torch.split(x[torch.randperm(len(x))], BATCH)[: steps - step]:
            loss = -flow().log_prob(batch).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            yield lambda some: log_scale - flow().log_prob(some)
