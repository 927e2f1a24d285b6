r"""A small classifier, trained on labeled rows: its features and labels are what FD_cnn and the like compare.

It is trained on the training rows of the model's own data, never on samples, and frozen: a model that is trained longer
is compared in the same features. Images of 5x5 to 64x64 and series are read by convolutions, other rows by a
perceptron. The loss is the cross-entropy, the optimizer Adam, its learning rate falling to 0 along half a cosine.

The same rows, labels and seed give the same weights, for one number of threads, torch release and kind of processor.
"""

from __future__ import annotations

from hashlib import sha256
from math import cos, pi
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save as to_safetensors

from pushforward.models.evaluation.measurement import Evaluation, EvaluationStage
from pushforward.models.evaluation.metrics.metric import Labels, Reals
from pushforward.models.networks import Nets
from pushforward.models.networks.classifier import Classifier
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.requirements import fits_convolutions
from pushforward.models.storage.evaluation import CLASSIFIER_WEIGHTS, ClassifierCard, read_classifier_card
from pushforward.models.storage.tensors import fill, on_cpu, parse
from pushforward.models.training.compute.adam import AdamW

LEAST_STEPS, MOST_STEPS = 150, 600
EPOCHS, BATCH = 40, 128
LR, BETAS = 2e-3, (0.9, 0.999)
READ_AT_ONCE = 512


class Frozen(NamedTuple):
    """A trained classifier and its card."""

    classifier: Classifier
    card: ClassifierCard


def new_classifier(spec: DataSpec, n_classes: int, seed: int) -> Classifier:
    """Initial weights; a function of the seed."""
    flat = not fits_convolutions(spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(spec, n_classes, flat=flat)


def trained(
    x: NDArray[Any], labels: Labels, spec: DataSpec, n_classes: int, *, seed: int, device: torch.device
) -> Evaluation[Classifier]:
    """A classifier of these rows, (N, *shape) in data units; yields its progress."""
    net = new_classifier(spec, n_classes, seed).to(device)
    weights = list(net.parameters())
    adam = AdamW.of(weights)
    rng, steps = np.random.default_rng([seed, 0]), n_steps(len(x))
    for step in range(steps):
        rows = rng.integers(len(x), size=min(BATCH, len(x)))
        loss = F.cross_entropy(net(_on(x[rows], spec, device)), torch.from_numpy(labels[rows]).to(device))
        adam.step(torch.autograd.grad(loss, weights), LR * 0.5 * (1 + cos(pi * step / steps)), BETAS, 0.0)
        yield EvaluationStage("trains a classifier", step + 1, steps)
    return net.requires_grad_(False).eval()


def n_steps(n_rows: int) -> int:
    """Steps of a training: forty passes over the rows, within bounds."""
    return min(MOST_STEPS, max(LEAST_STEPS, EPOCHS * n_rows // BATCH))


@torch.inference_mode()
def read(net: Classifier, x: NDArray[Any], device: torch.device) -> tuple[Reals, Labels]:
    """The features, (N, F), and the most probable labels, (N,), of rows, (N, *shape)."""
    features, found = list[Reals](), list[Labels]()
    for first in range(0, len(x), READ_AT_ONCE):
        f = net.features(_on(x[first : first + READ_AT_ONCE], net.spec, device))
        features.append(f.double().cpu().numpy())
        found.append(net.head(f).argmax(1).cpu().numpy())
    return np.concatenate(features), np.concatenate(found)


def accuracy(net: Classifier, x: NDArray[Any], labels: Labels, device: torch.device) -> float:
    """The share of rows whose label it finds."""
    return float((read(net, x, device)[1] == labels).mean())


def weights_of(net: Classifier) -> bytes:
    """Its weights as safetensors."""
    return to_safetensors(on_cpu(net.state_dict()))


def frozen(net: Classifier, n_classes: int, fingerprint: str, found: float) -> Frozen:
    """A trained classifier with its card; `found` is the share of held-out rows whose label it finds."""
    digest = sha256(weights_of(net)).hexdigest()
    card = ClassifierCard(weights_sha256=digest, n_classes=n_classes, data_fingerprint=fingerprint, accuracy=found)
    return Frozen(net, card)


def stored(folder: Path, spec: DataSpec, fingerprint: str, device: torch.device) -> Frozen | None:
    """The classifier beside a model; None where there is none of these data, or it cannot be read.

    Raises BadCheckpoint where its weights do not fit its card.
    """
    try:
        card = read_classifier_card(folder)
        weights = (folder / CLASSIFIER_WEIGHTS).read_bytes() if card is not None else b""
    except (FileNotFoundError, ValueError):
        return None
    if card is None or card.data_fingerprint != fingerprint or sha256(weights).hexdigest() != card.weights_sha256:
        return None
    net = new_classifier(spec, card.n_classes, 0)
    fill(Nets(spec, classifier=net), {f"classifier.{name}": value for name, value in parse(weights).items()}, "weights")
    return Frozen(net.to(device).requires_grad_(False).eval(), card)


def _on(x: NDArray[Any], spec: DataSpec, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(x.astype(spec.dtype, copy=False)).to(device)
