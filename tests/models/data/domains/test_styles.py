"""Styles are exact maps of images."""

import numpy as np
import pytest

from pushforward.models.data.domains.styles import STYLES, Style, styled

IMAGES = np.random.default_rng(0).integers(0, 17, (5, 1, 8, 8)).astype(np.uint8)
THREE = IMAGES.repeat(3, axis=1)


def test_a_dot_becomes_a_square_where_it_is_thick() -> None:
    dot = np.zeros((1, 1, 5, 5))
    dot[0, 0, 1, 3] = 7
    square = np.zeros((1, 1, 5, 5))
    square[0, 0, :3, 2:] = 7
    np.testing.assert_array_equal(styled(dot, ["thick"], low=0, high=16), square)


def test_a_column_is_slanted_by_whole_pixels_about_the_middle() -> None:
    column = np.zeros((1, 1, 8, 8))
    column[..., 3] = 9
    slanted = styled(column, ["slanted"], low=0, high=16)
    assert slanted[0, 0].argmax(1).tolist() == [5, 4, 4, 3, 3, 2, 2, 1]
    assert slanted.sum() == column.sum()


def test_what_is_moved_out_of_an_image_is_lost_and_what_comes_in_is_dark() -> None:
    full = np.full((1, 1, 8, 8), 3.0)
    slanted = styled(full, ["slanted"], low=1, high=16)
    assert slanted[0, 0, 0].tolist() == [1, 1, 3, 3, 3, 3, 3, 3]
    assert slanted[0, 0, 7].tolist() == [3, 3, 3, 3, 3, 3, 1, 1]


def test_an_image_inverted_twice_is_itself() -> None:
    inverted = styled(IMAGES, ["inverted"], low=0, high=16)
    np.testing.assert_array_equal(inverted + IMAGES, 16)
    np.testing.assert_array_equal(styled(inverted, ["inverted"], low=0, high=16), IMAGES)


@pytest.mark.parametrize("style", STYLES)
def test_a_style_keeps_type_shape_and_range_and_changes_nothing_in_place(style: Style) -> None:
    before = THREE.copy()
    found = styled(THREE, [style], low=0, high=16)
    assert (found.dtype, found.shape) == (THREE.dtype, THREE.shape)
    assert found.max() <= 16
    np.testing.assert_array_equal(THREE, before)


def test_a_colored_image_is_red_by_its_gray_levels() -> None:
    found = styled(THREE.astype(np.float32), ["colored"], low=0.5, high=16)
    np.testing.assert_array_equal(found[:, :1], IMAGES)
    np.testing.assert_array_equal(found[:, 1:], 0.5)


def test_an_inverted_colored_image_is_dark_on_red() -> None:
    found = styled(THREE, ["colored", "inverted"], low=0, high=16)
    np.testing.assert_array_equal(found[:, :1], 16 - IMAGES)
    np.testing.assert_array_equal(found[:, 1:], 0)


def test_an_image_of_one_channel_cannot_be_colored() -> None:
    with pytest.raises(ValueError, match="colored images have 3 channels, these have 1: repeat the gray one"):
        styled(IMAGES, ["colored"], low=0, high=16)


def test_styles_apply_in_the_order_of_the_catalogue_whatever_order_they_are_named_in() -> None:
    step_by_step = THREE
    for style in STYLES:
        step_by_step = styled(step_by_step, [style], low=0, high=16)
    np.testing.assert_array_equal(styled(THREE, STYLES[::-1], low=0, high=16), step_by_step)
