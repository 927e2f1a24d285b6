"""A picture as an array: decoded, turned as its camera says, cropped, resized and brought to a mode.

    header      at most 4096 pixels a side, before anything is decoded
    turned      by the EXIF orientation
    mode        opacity is kept in RGBA alone; else the picture is laid on white
    cropped     the center, to the aspect that is wanted
    resized     by a box filter: the mean of the pixels that a new one covers, those of RGBA weighted by their opacity

A picture that has the size and the mode already is what comes out, number for number.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.errors import InvalidData

if TYPE_CHECKING:
    from PIL.Image import Image

Mode = Literal["L", "RGB", "RGBA"]
Crop = Literal["center", "none"]

CHANNELS: dict[Mode, int] = {"L": 1, "RGB": 3, "RGBA": 4}
FORMATS = ("PNG", "JPEG", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_SIDE_PX = 4096
GREATEST_16_BIT = 65535

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_HEAD_BYTES = 26  # up to the depth and the kind of color
PNG_GRAY = 0


@final
@dataclass(frozen=True)
class PictureForm:
    """What all pictures are brought to."""

    height: int
    width: int
    mode: Mode
    crop: Crop
    deep: bool  # gray with 16 bits

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a row, channels first."""
        return CHANNELS[self.mode], self.height, self.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Bytes, or float32, which holds 16 bits exactly."""
        return np.dtype(np.float32 if self.deep else np.uint8)


def is_deep(head: bytes) -> bool:
    """Whether a file that begins so is a gray PNG of 16 bits."""
    return head.startswith(PNG_START) and head[24:PNG_HEAD_BYTES] == bytes([16, PNG_GRAY])


def check_mode(mode: Mode, of: str, *, deep: bool) -> None:
    """Refuse a picture of 16 bits where they would be lost. Raises InvalidData."""
    if deep and mode != "L":
        raise InvalidData(f"is {mode}, but {of} is gray with 16 bits; give L, or save it with 8", field="mode")


def decoded(data: bytes, form: PictureForm, *, of: str) -> NDArray[Any]:
    """A picture, (C, H, W).

    Arguments:
        data: the bytes of the file.
        form: what it is brought to.
        of: its name, for messages.

    Raises:
        InvalidData: naming the picture and the remedy.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=FORMATS) as picture:
                _check_size(picture, of)
                _check_depth(picture, form, of)
                return _formed(ImageOps.exif_transpose(picture), form)
    except (InvalidData, MemoryError):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _refused(of, f"has too many pixels; give at most {MAX_SIDE_PX} a side") from error
    except UnidentifiedImageError as error:
        raise _refused(of, "is not a picture in PNG, JPEG or WebP; convert it, or leave it out") from error
    except Exception as error:
        raise _refused(of, f"cannot be read, it is torn or altered: {error}; save it again, or leave it out") from error


def _refused(of: str, why: str) -> InvalidData:
    return InvalidData(f"{of} {why}", field="path")


def _check_size(picture: Image, of: str) -> None:
    if max(picture.size) > MAX_SIDE_PX:
        width, height = picture.size
        raise _refused(of, f"is {width}x{height} pixels; give at most {MAX_SIDE_PX} a side")


def _check_depth(picture: Image, form: PictureForm, of: str) -> None:
    deep = picture.mode.startswith("I")
    check_mode(form.mode, of, deep=deep)
    if deep != form.deep:
        own, first = (16, 8) if deep else (8, 16)
        raise _refused(of, f"has {own} bits for each pixel, the first picture {first}; save all alike")


def _formed(picture: Image, form: PictureForm) -> NDArray[Any]:
    """(C, H, W)."""
    if form.deep:
        return np.round(np.asarray(_resized(_floats(picture), form)))[None]
    numbers = np.asarray(_resized(_of_mode(picture, form.mode), form))
    return numbers[None] if numbers.ndim == 2 else np.moveaxis(numbers, -1, 0)


def _floats(picture: Image) -> Image:
    """A gray picture of 16 bits with its numbers as float32; a shade that stands for transparency becomes white."""
    from PIL import Image

    numbers = np.asarray(picture).astype(np.float32)
    numbers[numbers == picture.info.get("transparency", -1)] = GREATEST_16_BIT
    return Image.fromarray(numbers)


def _of_mode(picture: Image, mode: Mode) -> Image:
    from PIL import Image

    if mode != "RGBA" and picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert(mode)


def _resized(picture: Image, form: PictureForm) -> Image:
    from PIL import Image

    width, height = picture.size
    left = top = 0.0
    if form.crop == "center":
        scale = min(width / form.width, height / form.height)
        left, top = max(0.0, (width - scale * form.width) / 2), max(0.0, (height - scale * form.height) / 2)
    box = (left, top, width - left, height - top)
    return picture.resize((form.width, form.height), Image.Resampling.BOX, box)
