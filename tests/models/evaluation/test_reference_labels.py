"""Which labels mean the same."""

import struct
from pathlib import Path

import numpy as np
import pytest

from pushforward.models.data import (
    CaptionedDigits,
    Digits,
    EightGaussians,
    GridGaussians,
    Idx,
    Npy,
    RingGaussians,
    Source,
    StyledDigits,
    TurnedMoons,
    TwoMoons,
)
from pushforward.models.evaluation.reference_labels import READ_LABELS, unlike

DIGITS = Digits(condition="label")
MODES = EightGaussians(condition="label")
STYLES = StyledDigits(condition="label")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`ten.npz` and the folder `ten` have labels 0 to 9, `three.npz` 0 to 2."""
    for name, n in (("ten", 10), ("three", 3)):
        np.savez(tmp_path / f"{name}.npz", x=np.zeros((20, 1, 8, 8), np.uint8), y=np.arange(20) % n)
    for name, labeled in (("ten", True), ("bare", False)):
        (tmp_path / name).mkdir()
        images = struct.pack(">4I", 0x803, 20, 8, 8) + bytes(20 * 64)
        (tmp_path / name / "train-images-idx3-ubyte").write_bytes(images)
        if labeled:
            labels = struct.pack(">2I", 0x801, 20) + bytes(i % 10 for i in range(20))
            (tmp_path / name / "train-labels-idx1-ubyte").write_bytes(labels)
    return tmp_path


TEN = Npy(path="ten.npz", condition="label")


@pytest.mark.parametrize(
    ("mine", "n_classes", "against"),
    [
        (DIGITS, 10, Digits()),
        (DIGITS, 10, CaptionedDigits()),
        (DIGITS, 10, TEN),
        (DIGITS, 10, Idx(path="ten")),
        (TEN, 10, DIGITS),
        (TEN, 10, Idx(path="ten")),
        (STYLES, 2, StyledDigits(seed=3)),
        (MODES, 8, EightGaussians(condition="label", seed=3)),
        (TwoMoons(condition="label"), 2, TwoMoons(condition="label", noise=0.2)),
    ],
)
def test_labels_of_one_meaning_are_alike(root: Path, mine: Source, n_classes: int, against: Source) -> None:
    assert unlike(against, root, mine, n_classes) is None


@pytest.mark.parametrize(
    ("mine", "n_classes", "against", "why"),
    [
        (DIGITS, 10, STYLES, "labels of `against` are the styles plain, thick, those of its data digits"),
        (STYLES, 2, StyledDigits(styles=("thick", "plain")), "are the styles thick, plain"),
        (MODES, 8, GridGaussians(condition="label"), "are parts of grid_gaussians, those of its data parts of eight"),
        (MODES, 8, RingGaussians(condition="label"), "are parts of ring_gaussians"),
        (TwoMoons(condition="label"), 2, TurnedMoons(condition="label"), "are parts of turned_moons"),
        (DIGITS, 10, Npy(path="three.npz", condition="label"), "has the labels 0 to 2, its data the labels 0 to 9"),
        (MODES, 8, TEN, "has the labels 0 to 9, its data the labels 0 to 7"),
        (MODES, 8, EightGaussians(), "rows of `against` have no labels"),
        (DIGITS, 10, Npy(path="ten.npz"), "rows of `against` have no labels"),
        (DIGITS, 10, Idx(path="bare"), "rows of `against` have no labels"),
        (DIGITS, 10, StyledDigits(condition="vector"), "rows of `against` have no labels"),
    ],
)
def test_labels_of_another_meaning_or_number_are_not(
    root: Path, mine: Source, n_classes: int, against: Source, why: str
) -> None:
    found = unlike(against, root, mine, n_classes)
    assert found is not None
    assert why in found.why


def test_the_accuracy_of_a_classifier_alone_reads_labels_of_reference_rows() -> None:
    assert {"classification_accuracy"} == READ_LABELS
