"""The `.npy` format of request and response bodies. A header is checked against its body; no pickle.

References:
    | NEP 1: A Simple File Format for NumPy Arrays (Kern, 2007), https://numpy.org/neps/nep-0001-npy-format.html
"""

from __future__ import annotations

from io import BytesIO
from math import prod

import numpy as np

from pushforward.service.domain.errors import Malformed

MEDIA_TYPE = "application/x-npy"
MAX_REASON_CHARS = 200


def loads(body: bytes) -> np.ndarray:
    """An array of numbers; a view of the body. Raises Malformed."""
    stream = BytesIO(body)
    shape, fortran, dtype = _read_header(stream)
    if dtype.kind not in "fiu":
        remedy = "send 0 and 1, with astype(numpy.uint8)" if dtype.kind == "b" else "send floats or integers"
        raise Malformed(f"the array holds {dtype}; {remedy}")
    promised, sent = prod(shape) * dtype.itemsize, len(body) - stream.tell()
    if promised != sent or min(shape, default=0) < 0:
        raise Malformed(f"the array's header promises {promised} bytes but {sent} follow")
    flat = np.frombuffer(body, dtype, offset=stream.tell())
    try:
        return flat.reshape(shape, order="F" if fortran else "C")
    except ValueError as error:  # NumPy refuses the shape, although the number of bytes is right
        raise Malformed(f"the array's shape is not possible: {error}") from error


def _read_header(stream: BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Raises Malformed. The header is a Python literal, whose parser raises many kinds of errors."""
    try:
        version = np.lib.format.read_magic(stream)
        if version in ((1, 0), (2, 0)):
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
    except Exception as error:
        raise Malformed(f"the body's npy header cannot be read: {str(error)[:MAX_REASON_CHARS]}") from error
    if version not in ((1, 0), (2, 0)):
        raise Malformed(f"the body's npy header is of version {version}; send version 1.0 or 2.0, as numpy.save writes")
    if not all(type(n) is int for n in shape):
        raise Malformed(f"the npy header's shape is {str(shape)[:MAX_REASON_CHARS]}; it must hold whole numbers")
    return shape, fortran, dtype


def header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """The header of an array, rows first."""
    stream = BytesIO()
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)
    return stream.getvalue()


def dumps(array: np.ndarray) -> bytes:
    """An array as `numpy.save` writes it."""
    stream = BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()
