"""The small classifier whose features and labels are compared."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward.models.data import Digits
from pushforward.models.evaluation import classifier
from pushforward.models.evaluation.classifier import Frozen
from pushforward.models.evaluation.measurement import finished
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.storage.evaluation import CLASSIFIER_WEIGHTS, write_classifier

CPU = torch.device("cpu")
PLANE = DataSpec(shape=(2,))
RNG = np.random.default_rng(0)
LABELS = RNG.integers(3, size=300)
ROWS = (3 * np.eye(3)[LABELS][:, :2] + 0.3 * RNG.standard_normal((300, 2))).astype(np.float32)


@pytest.fixture(scope="module")
def of_plane() -> Frozen:
    net = finished(classifier.trained(ROWS, LABELS, PLANE, 3, seed=1, device=CPU))
    return classifier.frozen(net, 3, "f" * 64, classifier.accuracy(net, ROWS, LABELS, CPU))


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    rows = Digits().rows(Path())
    assert rows.y is not None
    return rows.x, rows.y


def test_it_finds_the_labels_of_digits_that_it_did_not_see(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    spec = Digits().outline(Path())
    net = finished(classifier.trained(x[:1500], y[:1500], spec, 10, seed=0, device=CPU))
    assert classifier.accuracy(net, x[1500:], y[1500:], CPU) > 0.93


def test_vectors_are_read_by_a_perceptron(of_plane: Frozen) -> None:
    assert of_plane.card.accuracy > 0.99
    features, labels = classifier.read(of_plane.classifier, ROWS, CPU)
    assert features.shape == (300, 64)
    assert features.dtype == np.float64
    assert (labels == LABELS).mean() == of_plane.card.accuracy


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 40, 40), (2, 8, 8)])
def test_images_that_are_not_convolved_are_read_by_a_perceptron_too(shape: tuple[int, ...]) -> None:
    net = classifier.new_classifier(DataSpec(shape=shape), 2, 0)
    assert net(torch.zeros(3, *shape)).shape == (3, 2)


def test_the_same_rows_labels_and_seed_give_the_same_weights(of_plane: Frozen) -> None:
    again, other = (
        classifier.weights_of(finished(classifier.trained(ROWS, LABELS, PLANE, 3, seed=seed, device=CPU)))
        for seed in (1, 2)
    )
    assert sha256(again).hexdigest() == of_plane.card.weights_sha256
    assert sha256(other).hexdigest() != of_plane.card.weights_sha256


@pytest.mark.parametrize(("rows", "steps"), [(10, 150), (960, 300), (60_000, 600)])
def test_it_passes_forty_times_over_the_rows_within_bounds(rows: int, steps: int) -> None:
    assert classifier.n_steps(rows) == steps


def test_it_leaves_the_global_generator_as_it_was() -> None:
    before = torch.random.get_rng_state()
    classifier.new_classifier(PLANE, 3, 5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_stored_one_is_used_again(of_plane: Frozen, tmp_path: Path) -> None:
    write_classifier(tmp_path, of_plane.card, classifier.weights_of(of_plane.classifier))
    found = classifier.stored(tmp_path, PLANE, "f" * 64, CPU)
    assert found is not None
    assert found.card == of_plane.card
    for mine, theirs in zip(*(classifier.read(each.classifier, ROWS, CPU) for each in (found, of_plane)), strict=True):
        assert np.array_equal(mine, theirs)


def test_one_of_other_data_or_of_altered_weights_is_not_used(of_plane: Frozen, tmp_path: Path) -> None:
    assert classifier.stored(tmp_path, PLANE, "f" * 64, CPU) is None
    weights = classifier.weights_of(of_plane.classifier)
    write_classifier(tmp_path, of_plane.card, weights)
    assert classifier.stored(tmp_path, PLANE, "e" * 64, CPU) is None
    (tmp_path / CLASSIFIER_WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert classifier.stored(tmp_path, PLANE, "f" * 64, CPU) is None
    (tmp_path / CLASSIFIER_WEIGHTS).unlink()
    assert classifier.stored(tmp_path, PLANE, "f" * 64, CPU) is None


@pytest.mark.parametrize(("shape", "layer"), [((2, 20), torch.nn.Conv1d), ((1, 8, 8), torch.nn.Conv2d)])
def test_series_and_images_are_read_by_convolutions(shape: tuple[int, ...], layer: type[torch.nn.Module]) -> None:
    net = classifier.new_classifier(DataSpec(shape=shape), 3, 0)
    assert any(isinstance(each, layer) for each in net.modules())
    assert net(torch.zeros(4, *shape)).shape == (4, 3)


def test_series_of_a_length_that_convolutions_do_not_cover_are_read_by_a_perceptron() -> None:
    net = classifier.new_classifier(DataSpec(shape=(2, 5)), 3, 0)
    assert not any(isinstance(each, torch.nn.Conv1d) for each in net.modules())
    assert net(torch.zeros(4, 2, 5)).shape == (4, 3)
