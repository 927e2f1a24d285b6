r"""What a translation of held-out rows is worth: whether cycles close, whether it arrives, and how far from the truth.

Each row x of the domain c goes to the next domain (`Translates.other`) and back.

    validation_rmse_of_cycle            between a row and where it returns to, data units
    translated_sliced_wasserstein       between translations to a domain and other rows of that domain, standardized,
                                        averaged over domains; `untranslated_...` of rows that stay as they are
    translation_rmse                    between a translation and the true one, where the source knows it, data units:
                                        of several that are as true as one another the nearest;
                                        `untranslated_rmse` of rows that stay as they are

Distances are those of `models.evaluation.samples`: in standard deviations of the training rows.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pushforward.models.data import KnowsTranslations
from pushforward.models.evaluation.baselines import flat
from pushforward.models.evaluation.measurement import Numbers, Reals
from pushforward.models.evaluation.sample_metrics import sliced_wasserstein
from pushforward.models.evaluation.samples import common_scale
from pushforward.models.family import Translates
from pushforward.models.training.data import TrainingData, held_out
from pushforward.models.training.state import TrainingState, device_of

TRANSLATED_ROWS = 2_000  # held-out rows
LEAST_OF_A_DOMAIN = 8  # rows whose distance is told


@torch.no_grad()
def measure(family: Translates, data: TrainingData, state: TrainingState) -> Numbers:
    """All numbers; a condition is a domain."""
    spec, nets = data.spec, state.served
    x, c = held_out(data, slice(TRANSLATED_ROWS), device_of(state))
    to = family.other(nets, c)
    there = family.translate(nets, x, to, c)
    back = family.translate(nets, there, c, to)
    metrics = {"validation_rmse_of_cycle": rmse(back.cpu().numpy(), x.cpu().numpy())}
    if spec.condition is None:
        return metrics
    domain, target = (spec.condition.values(each).cpu().numpy() for each in (c, to))
    arrived = spec.clip(there).cpu().numpy()
    metrics |= distances(arrived, x.cpu().numpy(), domain, target, spec.shape)
    if isinstance(data.source, KnowsTranslations):
        rows = data.validation.of(np.arange(len(x)))
        truths = data.source.counterparts(rows, np.round(target))
        for name, found in (("translation_rmse", arrived), ("untranslated_rmse", x.cpu().numpy())):
            metrics[name] = min(rmse(found, truth) for truth in truths)
    return metrics


def rmse(x: Reals, y: Reals) -> float:
    """Root of the mean squared difference of elements."""
    return float(np.sqrt(np.square(x.astype(np.float64) - y).mean()))


def distances(
    arrived: Reals, x: Reals, domain: NDArray[np.floating], target: NDArray[np.floating], shape: tuple[int, ...]
) -> Numbers:
    """Of translations, and of rows that stay, from other rows of the domain they go to; none where these are few.

    arrived, x: (N, *shape); domain, target: (N, V).
    """
    unit = common_scale(flat(x), shape)
    translated, untranslated = list[float](), list[float]()
    for value in np.unique(domain.round(3), axis=0):
        goes, lies = (np.isclose(each, value, atol=1e-2).all(1) for each in (target, domain))
        n = min(goes.sum(), lies.sum())
        if n < LEAST_OF_A_DOMAIN:
            continue
        there = flat(x[lies])[:n] / unit
        translated.append(sliced_wasserstein(flat(arrived[goes])[:n] / unit, there))
        untranslated.append(sliced_wasserstein(flat(x[goes])[:n] / unit, there))
    if not translated:
        return {}
    return {
        "translated_sliced_wasserstein": float(np.mean(translated)),
        "untranslated_sliced_wasserstein": float(np.mean(untranslated)),
    }
