"""Noise by address: exact, reproducible, and random as far as tests can tell."""

from math import sqrt

import numpy as np
import pytest
import torch
from scipy import stats

from pushforward.models.noise import Noise, bits, device_bits, device_normals, normals

N = 200_000
GOLDEN_FIRST_DRAW = [
    [17252185511788943077, 1319381213666719975, 16690694411719326023],
    [16527193069172728533, 9024415584663543490, 16772848661725601886],
]
GOLDEN_EIGHTH_DRAW = [[11071046203132849001], [17259656943821506478]]
GOLDEN_NORMALS = [-0.157177, 2.069572, 0.330444, -0.996153]


def test_the_integers_are_pinned() -> None:
    """A change of these changes every sample of every model."""
    noise = Noise.rows(42, 2)
    assert bits(noise.key(0), 3).tolist() == GOLDEN_FIRST_DRAW
    assert bits(noise.key(7), 1).tolist() == GOLDEN_EIGHTH_DRAW


def test_spans_are_rows_of_several_seeds_in_order() -> None:
    spans = [(2**64 - 1, 5, 3), (7, 0, 1), (7, 2**40, 2)]
    for some in (spans, spans[:1]):
        noise = Noise.spans(some, torch.device("cpu"))
        expected = Noise.join([Noise.rows(seed, n, start=start) for seed, start, n in some])
        assert np.array_equal(noise.seed, expected.seed)
        assert np.array_equal(noise.row, expected.row)


def test_splitmix_is_the_published_one() -> None:
    """The first outputs of SplitMix64 seeded with 1234567, as Steele, Lea & Flood's generator prints them."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert bits(np.array([1234567], np.uint64), 3)[0].tolist() == published


def test_the_normals_are_pinned() -> None:
    assert Noise.rows(42, 1).normal(0, (4,))[0].tolist() == pytest.approx(GOLDEN_NORMALS, abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_torch_computes_the_same_integers_as_numpy(n: int) -> None:
    key = Noise.rows(2**64 - 1, 50).key(3)
    assert np.array_equal(device_bits(key, n, torch.device("cpu")).numpy().view(np.uint64), bits(key, n))


def test_torch_draws_the_same_normals_as_numpy() -> None:
    key = Noise.rows(5, 400).key(2)
    assert np.allclose(device_normals(key, 50, torch.device("cpu")).numpy(), normals(key, 50), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_row_is_the_same_whatever_batch_chunk_or_order_it_comes_in(kind: str) -> None:
    noise = Noise.rows(9, 100)
    whole = getattr(noise, kind)(4, (7,))
    chunks = torch.cat([getattr(noise[a:b], kind)(4, (7,)) for a, b in ((0, 1), (1, 34), (34, 100))])
    order = np.random.default_rng(0).permutation(100)
    assert torch.equal(whole, chunks)
    assert torch.equal(whole[order], getattr(noise[order], kind)(4, (7,)))
    assert torch.equal(whole[60:], getattr(Noise.rows(9, 40, start=60), kind)(4, (7,)))
    assert torch.equal(whole, getattr(Noise.join([Noise.rows(1, 3), noise]), kind)(4, (7,))[3:])


def test_rows_may_stand_at_different_draws() -> None:
    noise = Noise.rows(9, 3)
    each = noise.normal(torch.tensor([5, 0, 2]), (4,))
    assert torch.equal(each, torch.stack([noise.normal(k, (4,))[i] for i, k in enumerate((5, 0, 2))]))


def test_more_words_begin_with_the_same_words() -> None:
    key = Noise.rows(3, 2).key(0)
    assert np.array_equal(bits(key, 9)[:, :4], bits(key, 4))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3, 5)])
def test_noise_has_the_shape_asked_for(shape: tuple[int, ...]) -> None:
    assert Noise.rows(0, 4).normal(0, shape).shape == (4, *shape)
    assert Noise.rows(0, 4).uniform(0, shape).dtype == torch.float32


def test_uniforms_are_uniform_and_inside_the_open_interval() -> None:
    u = Noise.rows(1, 400).uniform(0, (N // 400,)).double().numpy().ravel()
    assert u.min() > 0
    assert u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3


def test_normals_are_normal() -> None:
    """Moments to the fourth within five standard errors, and Kolmogorov-Smirnov."""
    z = Noise.rows(2, 400).normal(1, (N // 400,)).double().numpy().ravel()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 5 * sqrt(variance / N)
    assert stats.kstest(z, "norm").pvalue > 1e-3


@pytest.mark.parametrize("neighbor", ["seed", "row", "draw", "element", "pair"])
def test_neighboring_addresses_are_uncorrelated(neighbor: str) -> None:
    """And so are their squares."""
    n, size = 2000, 100
    here, rows = Noise.rows(10, n), Noise.rows(10, n + 1)
    other = {
        "seed": (here.normal(0, (size,)), Noise.rows(11, n).normal(0, (size,))),
        "row": (rows.normal(0, (size,))[:-1], rows.normal(0, (size,))[1:]),
        "draw": (here.normal(0, (size,)), here.normal(1, (size,))),
        "element": (here.normal(0, (size,))[:, :-1], here.normal(0, (size,))[:, 1:]),
        "pair": (here.normal(0, (size,))[:, : size // 2], here.normal(0, (size,))[:, size // 2 :]),
    }
    a, b = (t.double().flatten() for t in other[neighbor])
    bound = 5 / sqrt(len(a))
    assert abs((a * b).mean()) < bound
    assert abs(((a**2 - 1) * (b**2 - 1)).mean()) < 2 * bound


def test_every_bit_of_a_word_is_as_often_set_as_not() -> None:
    words = bits(Noise.rows(0, 500).key(0), 100).ravel()
    for place in range(64):
        ones = int(((words >> np.uint64(place)) & np.uint64(1)).sum())
        assert abs(ones - len(words) / 2) < 5 * sqrt(len(words)) / 2


def test_no_two_addresses_share_a_word() -> None:
    words = np.concatenate(
        [bits(Noise.rows(seed, 50).key(draw), 20).ravel() for seed in range(10) for draw in range(10)]
    )
    assert len(np.unique(words)) == len(words)
