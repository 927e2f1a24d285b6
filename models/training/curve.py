r"""The held-out curve: one loss at about forty steps of a training, and the weights of the least.

The loss is -log p(x) of the averaged weights, nats a row, where a family scores cheaply (`Scores.curve_options`), else
the family's own objective (`Validates`); games have neither. Rows and noise are the same at every point, so that
points differ by the weights alone. Nothing random is drawn from the training's own streams, and when a point is due
follows from the step: a training that resumes has the same curve. A training that starts from other weights has one
point more, at its start, of the weights that were served: if it makes things worse, those are served.

**Which weights are served.** Those of the last step, unless those of the lowest point (of equal points the later) are
better by more than chance. The lowest of forty points is low by luck as well, so both are compared once more at the
end, with other noise, and on other rows where enough are held out: the loss is taken in groups of rows, and the mean of
the differences d_g must exceed its standard error, std(d_g) / sqrt(G). A matched flow shows the need: its points from
the first third on lie within that error of one another, and log p is worse by 0.05 nats at the lowest.

**Cost.** A training step of B rows costs about three forward passes of B rows. The rows of a point are as many as take
all points to `SHARE` of that, and the weights of the lowest are one more copy in memory and in each checkpoint, which
holds four without it.
"""

from __future__ import annotations

from math import ceil, isfinite

import torch
from torch import Tensor

from pushforward.models.family import Family, Scores, Validates
from pushforward.models.held_out import keeps_best
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.storage.card import Curve

POINTS = 40  # at most, and one at the end
LEAST_STEPS = 10  # between two points
SHARE = 0.03  # of a training's work
LEAST_ROWS = 16
ELEMENTS_AT_ONCE = 2**18  # of the rows of a call: bounds its memory
SEED = 1
GROUPS = 16  # of rows, whose losses two sets of weights are compared by


def every(total_steps: int) -> int:
    """Steps between two points."""
    return max(LEAST_STEPS, ceil(total_steps / POINTS))


def is_due(step: int, total_steps: int) -> bool:
    """Whether the curve has a point after this step."""
    return step % every(total_steps) == 0 or step == total_steps


def points_after(step: int, total_steps: int) -> int:
    """How many points the curve has after this step."""
    return 0 if step >= total_steps else ceil(total_steps / every(total_steps)) - step // every(total_steps)


def rows_of_a_point(total_steps: int, batch_rows: int, held_out: int) -> int:
    """How many held-out rows a point is the mean of."""
    points = ceil(total_steps / every(total_steps))
    return min(held_out, max(LEAST_ROWS, int(3 * SHARE * total_steps * batch_rows / points)))


@torch.no_grad()
def held_out_loss(family: Family, nets: Nets, x: Tensor, c: Tensor) -> tuple[str, float]:
    """The loss's name, and its mean over rows.  x: (B, *shape), data units; c: (B, C)."""
    name, means, sizes = _losses(family, nets, x, c, at_once=_at_once(nets), seed=SEED)
    return name, float(means @ sizes / sizes.sum())


@torch.no_grad()
def is_better(family: Family, nets: Nets, than: Nets, x: Tensor, c: Tensor) -> bool:
    """Whether the loss of `nets` is lower by more than a standard error.  x: (B, *shape); c: (B, C)."""
    at_once = min(_at_once(nets), ceil(len(x) / GROUPS))
    ours, theirs = (_losses(family, each, x, c, at_once=at_once, seed=SEED + 1)[1] for each in (nets, than))
    lower = theirs - ours
    if len(lower) < 2:
        return bool((lower > 0).all())
    return bool(lower.mean() > lower.std() / len(lower) ** 0.5)


def extended(curve: Curve | None, family: Family, point: tuple[int, float], name: str, rows: int) -> Curve:
    """The curve with one more point, (step, value)."""
    curve = curve or Curve(name=name, rows=rows)
    step, value = point
    lowest = min((v for v in curve.values if isfinite(v)), default=value)
    is_best = keeps_best(family) and isfinite(value) and value <= lowest
    return Curve(
        name=name,
        rows=rows,
        steps=(*curve.steps, step),
        values=(*curve.values, value),
        best_step=step if is_best else curve.best_step,
    )


def _at_once(nets: Nets) -> int:
    return max(LEAST_ROWS, ELEMENTS_AT_ONCE // nets.spec.size)


def _losses(family: Family, nets: Nets, x: Tensor, c: Tensor, *, at_once: int, seed: int) -> tuple[str, Tensor, Tensor]:
    """The loss's name, its means over so many rows at once, (G,), and how many each is of, (G,), float64."""
    rng = torch.Generator(x.device).manual_seed(seed)
    name, means, sizes = "", list[float](), list[int]()
    for first in range(0, len(x), at_once):
        some = slice(first, first + at_once)
        name, mean = _mean_loss(family, nets, x[some], c[some], first, rng, seed)
        means.append(mean)
        sizes.append(len(x[some]))
    return name, torch.tensor(means, dtype=torch.float64), torch.tensor(sizes, dtype=torch.float64)


def _mean_loss(
    family: Family, nets: Nets, x: Tensor, c: Tensor, first: int, rng: torch.Generator, seed: int
) -> tuple[str, float]:
    if isinstance(family, Validates):
        index = torch.arange(first, first + len(x), device=x.device)
        loss = family.held_out(nets, Batch(x, c, rng, 1, 1, index))
        return loss.name, float(loss.value)
    if not isinstance(family, Scores):
        raise TypeError(f"{family.family} has no loss that can be held out")
    noise = Noise.rows(seed, len(x), start=first, device=x.device)
    scored = family.log_prob(nets, x, c, noise, family.curve_options())
    kind = "upper_bound" if scored.kind == "lower_bound" else scored.kind
    return f"nll_nats_{kind}", -float(scored.value.double().mean())
