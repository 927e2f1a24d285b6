"""`models.spec.patches`: the patches of what is known of an image."""

import numpy as np
import pytest

from pushforward.models.errors import InvalidInput
from pushforward.models.spec.patches import patches_under

X = np.arange(2 * 36.0).reshape(2, 1, 6, 6)
SHAPE = (2, 1, 2, 2)


def test_patches_are_where_the_mask_is() -> None:
    mask = np.zeros((6, 6))
    mask[0:2, 1:3] = mask[3:5, 4:6] = 1
    patches = patches_under(X, mask, SHAPE)
    assert patches.shape == (2, *SHAPE)
    np.testing.assert_array_equal(patches[1, 0], X[1, :, 0:2, 1:3])
    np.testing.assert_array_equal(patches[1, 1], X[1, :, 3:5, 4:6])


def test_each_shows_most_of_what_those_before_it_do_not() -> None:
    mask = np.zeros((6, 6))
    mask[0:2, 0:3] = mask[4:6, 0:2] = 1
    first, second = patches_under(X[:1], mask, SHAPE)[0]
    np.testing.assert_array_equal(first, X[0, :, 0:2, 0:2])
    np.testing.assert_array_equal(second, X[0, :, 4:6, 0:2])


def test_where_fewer_fit_one_is_there_twice() -> None:
    mask = np.zeros((1, 6, 6))
    mask[0, 2:4, 2:4] = 1
    patches = patches_under(X[:1], mask, SHAPE)[0]
    np.testing.assert_array_equal(patches[0], patches[1])


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.ones((5, 6)), r"has shape \[5, 6\]; send \[6, 6\] for all rows"),
        (np.ones((3, 6, 6)), "for all rows, or one each"),
        (np.full((6, 6), 0.5), "must hold 1 where a row is known"),
        (np.eye(6), "shows no whole patch in row 0; show one of 2x2 pixels at least"),
    ],
)
def test_a_mask_that_shows_no_patch_is_refused(mask: np.ndarray, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as refused:
        patches_under(X, mask, SHAPE)
    assert refused.value.field == "mask"
