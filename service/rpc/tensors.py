"""Arrays as the message `Tensor`, and back."""

from __future__ import annotations

from math import prod

import numpy as np
import orjson

from pushforward.service.application.commands.arrays import as_texts
from pushforward.service.domain.errors import Invalid
from pushforward.service.rpc.pb import pushforward_pb2 as pb

DTYPES = {"float32": "<f4", "float64": "<f8", "uint8": "u1", "int32": "<i4", "int64": "<i8"}
STRINGS = "string"  # the type of texts
RECORDS = "json"  # the type of records, each an object
MAX_AXES = 64  # of an array, numpy's own limit


def array(tensor: pb.Tensor, field: str) -> np.ndarray:
    """A tensor's numbers, not copied, or its texts. Raises Invalid."""
    if tensor.dtype == STRINGS:
        return _texts(tensor, field)
    if tensor.dtype == RECORDS:
        return _records(tensor, field)
    if tensor.dtype not in DTYPES:
        raise Invalid.field(f"{field}.dtype", f"is {tensor.dtype!r}; send one of {', '.join(DTYPES)}")
    if len(tensor.shape) > MAX_AXES:
        raise Invalid.field(f"{field}.shape", f"cannot be: it has {len(tensor.shape)} axes, of {MAX_AXES} at most")
    dtype, shape = np.dtype(DTYPES[tensor.dtype]), tuple(tensor.shape)
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(tensor.data):
        raise Invalid.field(
            f"{field}.data", f"holds {len(tensor.data)} bytes, which is not what shape {list(shape)} promises"
        )
    try:
        return np.frombuffer(tensor.data, dtype).reshape(shape)
    except ValueError as error:  # NumPy refuses the shape, although the number of bytes is right
        raise Invalid.field(f"{field}.shape", f"is not possible: {error}") from error


def tensor(x: np.ndarray) -> pb.Tensor:
    """An array, row-major and little-endian."""
    if x.dtype.kind == "U":
        return pb.Tensor(dtype=STRINGS, shape=x.shape, strings=x.reshape(-1).tolist())
    if x.dtype.kind == "O":
        written = [orjson.dumps(record).decode() for record in x.reshape(-1).tolist()]
        return pb.Tensor(dtype=RECORDS, shape=x.shape, strings=written)
    name = str(x.dtype) if x.dtype in (np.float64, np.int64) else "float32"
    return pb.Tensor(dtype=name, shape=x.shape, data=np.ascontiguousarray(x, DTYPES[name]).tobytes())


def _records(tensor: pb.Tensor, field: str) -> np.ndarray:
    """The records of a tensor of shape [] or [n]. Raises Invalid."""
    records = _texts(tensor, field).reshape(-1).tolist()
    try:
        read = [orjson.loads(text) for text in records]
    except orjson.JSONDecodeError as error:
        raise Invalid.field(f"{field}.strings", f"holds what is no JSON: {error}") from error
    return np.fromiter(read, object, len(read)).reshape(tuple(tensor.shape))


def _texts(tensor: pb.Tensor, field: str) -> np.ndarray:
    """The texts of a tensor of shape [] or [n]. Raises Invalid."""
    texts, shape = list(tensor.strings), tuple(tensor.shape)
    if shape not in ((), (len(texts),)) or prod(shape) != len(texts):
        raise Invalid.field(
            f"{field}.strings", f"holds {len(texts)} texts; give shape [] for one, or [n] for n of them"
        )
    try:
        return as_texts(texts).reshape(shape)
    except ValueError as error:
        raise Invalid.field(f"{field}.strings", str(error)) from error
