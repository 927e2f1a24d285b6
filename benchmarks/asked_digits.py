"""How often a classifier of real digits sees the digit that was asked for: by a caption, or by patches of an image.

    python benchmarks/asked_digits.py               # trains both presets: ten minutes on two cores
    python benchmarks/asked_digits.py --steps 200   # a look at whether it works

text-digits     captions of every digit with every set of attributes, eight each; a support vector machine that was
                fitted to all digits under all maps tells digit and attributes.
puzzle-digits   patches of held-out digits; one that was fitted to the training rows tells the digit of the whole.

The figures are in docs/results/asked_digits.md.
"""

from __future__ import annotations

import argparse
import sys
from itertools import compress, product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sklearn.svm import SVC

from pushforward.models import Run, load, sample, train
from pushforward.models.data import Rows
from pushforward.models.data.captioned_digits import ATTRIBUTES, captions
from pushforward.models.data.digits import Digits
from pushforward.models.families.puzzle_gan import PuzzleGAN
from pushforward.models.noise import Noise
from pushforward.models.presets import PRESETS
from pushforward.models.storage.model import Model
from pushforward.models.training.data import load_data

SETS = list(product((False, True), repeat=len(ATTRIBUTES)))
EACH = 8  # captions of a digit with a set of attributes


def main(words: list[str]) -> int:
    """Train both, and print what is seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="of each training; left out: those of the preset")
    steps = parser.parse_args(words).steps
    with TemporaryDirectory() as folder:
        for name, look in (("text-digits", of_captions), ("puzzle-digits", of_patches)):
            run = PRESETS[name].run
            if steps is not None:
                run = Run.model_validate(run.changed({"budget": {"steps": steps}}))
            train(run, Path(folder) / name)
            print(name, {what: round(share, 3) for what, share in look(load(Path(folder) / name), run).items()})
    return 0


def of_captions(model: Model, run: Run) -> dict[str, float]:
    """Shares of samples in which the digit, and each attribute, is the one that was asked for."""
    digits, rng = Digits().rows(Path()), np.random.default_rng(0)
    asked = [(digit, has) for digit in range(10) for has in SETS for _ in range(EACH)]
    told = [captions(digit, tuple(compress(ATTRIBUTES, has))) for digit, has in asked]
    x = sample(model, len(asked), condition=np.array([each[rng.integers(len(each))] for each in told]))
    kinds = np.concatenate([10 * kind + np.asarray(digits.y) for kind in range(len(SETS))])
    seen = fitted(np.concatenate([under(has, digits.x) for has in SETS]), kinds).predict(x.flatten(1).numpy())
    shares = {"digit": float(np.mean([kind % 10 == digit for kind, (digit, _) in zip(seen, asked, strict=True)]))}
    for i, attribute in enumerate(ATTRIBUTES):
        alike = [SETS[kind // 10][i] == has[i] for kind, (_, has) in zip(seen, asked, strict=True)]
        shares[attribute] = float(np.mean(alike))
    return shares


def of_patches(model: Model, run: Run) -> dict[str, float]:
    """The share of wholes whose digit is that of the held-out image of which the patches are."""
    family, spec, data = model.family, model.card.spec, load_data(run, Path())
    if not isinstance(family, PuzzleGAN):
        raise TypeError(f"{family.family} is not made of patches")
    noise, u = Noise.rows(0, len(data.validation.x)), torch.from_numpy(data.validation.x.astype(np.float32))
    ends = torch.tensor([extent - family.patch_side(spec) + 1 for extent in spec.shape[1:]])
    cut = family.cut(spec, u, (noise.uniform(1, (family.patches, 2)) * ends).long())
    with torch.no_grad():
        x = family.complete(model.nets, cut.patches, noise, torch.zeros(len(u), 0))
    if not isinstance(data.train, Rows):
        raise TypeError("the rows of training are not at hand")
    judge = fitted(data.train.x, np.asarray(data.train.y))
    return {"digit": float((judge.predict(x.flatten(1).numpy()) == data.validation.y).mean())}


def under(has: tuple[bool, ...], x: np.ndarray) -> np.ndarray:
    """Images under some of the maps."""
    for attribute in compress(ATTRIBUTES.values(), has):
        x = attribute(x)
    return x


def fitted(x: np.ndarray, y: np.ndarray) -> SVC:
    return SVC(C=10, gamma=0.001).fit(x.reshape(len(x), -1).astype(float), y)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
