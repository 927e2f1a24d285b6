"""Decoding: formats, orientation, opacity, crop and size."""

from io import BytesIO
from typing import Any
from zlib import compress, crc32

import numpy as np
import pytest
from PIL import Image

from pushforward.models.data.images.decoding import MAX_SIDE_PX, PNG_START, PictureForm, decoded, is_deep
from pushforward.models.errors import InvalidData
from tests.models.data.images.pictures import encoded, random_pixels

RNG = np.random.default_rng(0)
ROTATED = 6  # by EXIF: the camera was turned, so the picture is turned right


def form(height: int, width: int, mode: Any = "RGB", crop: Any = "center", *, deep: bool = False) -> PictureForm:
    return PictureForm(height, width, mode, crop, deep)


def picture(data: bytes, to: PictureForm) -> np.ndarray:
    """(H, W, C)."""
    return np.moveaxis(decoded(data, to, of="'x' of 'y'"), 0, -1)


@pytest.mark.parametrize(("name", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 95})])
def test_each_format_is_read(name: str, options: dict[str, Any]) -> None:
    smooth = np.linspace(0, 255, 16 * 24 * 3).reshape(16, 24, 3).astype(np.uint8)
    read = picture(encoded(smooth, name, **options), form(16, 24))
    assert np.abs(read.astype(int) - smooth).max() <= (4 if name == "JPEG" else 0)


@pytest.mark.parametrize("name", ["BMP", "GIF", "TIFF", "PPM"])
def test_other_formats_are_refused_whatever_their_name(name: str) -> None:
    with pytest.raises(InvalidData, match=r"^'x' of 'y' is not a picture in PNG, JPEG or WebP"):
        picture(encoded(np.zeros((8, 8), np.uint8), name), form(8, 8))


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_turned_as_its_camera_says(name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :8] = 255  # upper left
    options = {"lossless": True} if name == "WEBP" else {}
    read = picture(encoded(pixels, name, exif=exif, **options), form(24, 16))
    assert np.abs(read.astype(int) - np.rot90(pixels, -1)).max() <= (8 if name == "JPEG" else 0)


def test_opacity_is_kept_in_rgba_and_laid_on_white_elsewhere() -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., 0] = 255
    pixels[:2, :, 3], pixels[2:, :, 3] = 255, 0  # red above, nothing below
    data = encoded(pixels)
    np.testing.assert_array_equal(picture(data, form(4, 4, "RGBA")), pixels)
    color = picture(data, form(4, 4))
    assert color[0, 0].tolist() == [255, 0, 0]
    assert color[3, 3].tolist() == [255, 255, 255]
    assert picture(data, form(4, 4, "L"))[:, 0, 0].tolist() == [76, 76, 255, 255]


def test_a_shade_or_a_color_that_stands_for_transparency_becomes_white() -> None:
    gray = np.arange(16, dtype=np.uint8).reshape(4, 4)
    expected = np.where(gray == 5, 255, gray)
    np.testing.assert_array_equal(picture(encoded(gray, transparency=5), form(4, 4, "L"))[..., 0], expected)
    deep = gray.astype(np.uint16) * 4096
    read = picture(encoded(deep, transparency=5 * 4096), form(4, 4, "L", deep=True))[..., 0]
    np.testing.assert_array_equal(read, np.where(deep == 5 * 4096, 65535, deep))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_png_is_brought_to_every_mode(mode: str) -> None:
    stream = BytesIO()
    shades = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 2, 0))
    shades.convert(mode).save(stream, "PNG")
    for to in ("L", "RGB", "RGBA"):
        read = picture(stream.getvalue(), form(2, 2, to))
        assert (read[:, 0, :3] == 0).all()
        assert (read[:, 1, :3] == 255).all()


def test_color_of_16_bits_is_read_as_8() -> None:
    pixels = RNG.integers(0, 65536, (2, 3, 3)).astype(">u2")
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    chunks = (b"IHDR" + (3).to_bytes(4, "big") + (2).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0]),
              b"IDAT" + compress(lines), b"IEND")  # fmt: skip
    data = PNG_START + b"".join((len(each) - 4).to_bytes(4, "big") + each + crc(each) for each in chunks)
    assert not is_deep(data)
    np.testing.assert_array_equal(picture(data, form(2, 3)), pixels // 256)


def test_of_an_animation_the_first_frame_is_read() -> None:
    first, *others = random_pixels(8, 8, 3, n=3)
    frames = [Image.fromarray(each) for each in others]
    for name, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        data = encoded(first, name, save_all=True, append_images=frames, **options)
        np.testing.assert_array_equal(picture(data, form(8, 8)), first)


def test_a_box_filter_gives_the_mean_of_the_pixels_that_a_new_one_covers() -> None:
    pixels = RNG.integers(0, 256, (12, 20), dtype=np.uint8)
    means = pixels.reshape(6, 2, 10, 2).mean((1, 3))
    assert (
        np.abs(picture(encoded(pixels), form(6, 10, "L"))[..., 0] - means).max() <= 1
    )  # rounded for rows, then for columns
    deep = RNG.integers(0, 65536, (12, 20), dtype=np.uint16)
    means = deep.reshape(6, 2, 10, 2).mean((1, 3))
    assert np.abs(picture(encoded(deep), form(6, 10, "L", deep=True))[..., 0] - means).max() <= 0.51


def test_colors_that_are_not_seen_do_not_bleed_into_the_mean() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = 255, 0, 0, 255  # one red pixel among transparent green ones
    pixels.reshape(-1, 4)[1:, 1] = 255
    assert picture(encoded(pixels), form(1, 1, "RGBA"))[0, 0].tolist() == [255, 0, 0, 64]


@pytest.mark.parametrize(("crop", "columns"), [("center", [10, 10]), ("none", [0, 0])])
def test_the_center_is_kept_or_all_is_squeezed(crop: Any, columns: list[int]) -> None:
    pixels = np.zeros((10, 40), np.uint8)
    pixels[:, 15:25] = 10  # of 40 columns the middle ten
    read = picture(encoded(pixels), form(10, 10, "L", crop))[0, :, 0]
    assert [read[0], read[-1]] == columns
    tall = picture(encoded(pixels.T.copy()), form(10, 10, "L", crop))[:, 0, 0]
    assert [tall[0], tall[-1]] == columns


@pytest.mark.parametrize(("height", "width"), [(28, 28), (24, 40), (7, 3), (1, 64)])
def test_pictures_of_any_aspect_come_out_in_the_size_that_is_wanted(height: int, width: int) -> None:
    for pixels in (random_pixels(31, 17, 3, n=1)[0], random_pixels(17, 31, 3, n=1)[0], random_pixels(1, 1, 3, n=1)[0]):
        assert picture(encoded(pixels), form(height, width)).shape == (height, width, 3)


def test_pictures_of_too_many_pixels_are_refused_by_their_header() -> None:
    for width, height in ((MAX_SIDE_PX + 1, 1), (1, MAX_SIDE_PX + 1)):
        with pytest.raises(InvalidData, match=f"is {width}x{height} pixels; give at most {MAX_SIDE_PX} a side"):
            picture(encoded(np.zeros((height, width), np.uint8)), form(8, 8))
    assert picture(encoded(np.zeros((1, MAX_SIDE_PX), np.uint8)), form(8, 8)).shape == (8, 8, 3)
    for side in (10_000, 2**20):  # Pillow warns of the first, and refuses the second
        data = bytearray(encoded(np.zeros((8, 8), np.uint8)))
        data[16:24] = side.to_bytes(4, "big") * 2
        data[29:33] = crc(bytes(data[12:29]))
        with pytest.raises(InvalidData, match="has too many pixels; give at most 4096 a side"):
            picture(bytes(data), form(8, 8))


def crc(chunk: bytes) -> bytes:
    return crc32(chunk).to_bytes(4, "big")


def test_8_and_16_bits_are_not_mixed() -> None:
    shallow, deep = encoded(np.zeros((8, 8), np.uint8)), encoded(np.zeros((8, 8), np.uint16))
    assert [is_deep(each[:26]) for each in (shallow, deep)] == [False, True]
    with pytest.raises(InvalidData, match="has 8 bits for each pixel, the first picture 16"):
        picture(shallow, form(8, 8, "L", deep=True))
    with pytest.raises(InvalidData, match="has 16 bits for each pixel, the first picture 8"):
        picture(deep, form(8, 8, "L"))
    with pytest.raises(InvalidData, match="is RGB, but 'x' of 'y' is gray with 16 bits; give L") as refusal:
        picture(deep, form(8, 8))
    assert refusal.value.field == "mode"


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_a_torn_picture_is_refused(name: str) -> None:
    whole = encoded(random_pixels(16, 16, 3, n=1)[0], name)
    for size in range(0, len(whole) - len(whole) // 4, 13):
        with pytest.raises(InvalidData, match=r"^'x' of 'y' "):
            picture(whole[:size], form(16, 16))
