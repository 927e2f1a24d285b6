"""Requests as plain data: JSON, npy, query parameters; and arrays of answers. NumPy is imported at first use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, final
from urllib.parse import quote

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

NPY, JSON = "application/x-npy", "application/json"
PNG, SVG, CSV = "image/png", "image/svg+xml", "text/csv"


@final
@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="@")


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def as_json(body: Any) -> bytes:
    """JSON, with arrays as lists. Raises ValueError or TypeError for a value that JSON cannot hold."""
    return json.dumps(body, default=_as_list, allow_nan=False).encode()


def with_json(method: str, path: str, body: Any, *, accept: str = JSON, headers: Mapping[str, str] = {}) -> Request:
    """A request with a JSON body."""
    return Request(method, path, {}, as_json(body), {"Content-Type": JSON, "Accept": accept, **headers})


def with_rows(path: str, rows: ArrayLike, fields: Mapping[str, Any], *, accept: str) -> Request:
    """A request whose body is an array as npy; the other fields are query parameters. Raises ValueError for objects."""
    query = {name: value if name == "model" else as_json(value).decode() for name, value in given(fields).items()}
    return Request("POST", path, query, npy(rows), {"Content-Type": NPY, "Accept": accept})


def npy(rows: ArrayLike) -> bytes:
    """An array as `numpy.save` writes it. Raises ValueError for objects."""
    import numpy as np

    stream = BytesIO()
    np.save(stream, np.asarray(rows), allow_pickle=False)
    return stream.getvalue()


def array(content: bytes) -> NDArray[Any]:
    """The array of an npy. Raises ValueError for another content."""
    import numpy as np

    loaded: NDArray[Any] = np.load(BytesIO(content), allow_pickle=False)
    return loaded


def numbers(values: Any) -> NDArray[np.float64]:
    """Numbers of JSON, in which those that are not finite are texts."""
    import numpy as np

    return np.array([float(value) for value in values], np.float64)


def floats(rows: Any) -> NDArray[np.float32]:
    """Rows of JSON."""
    import numpy as np

    return np.asarray(rows, np.float32)


def flags(values: Any) -> NDArray[np.bool_]:
    """Truth values of JSON."""
    import numpy as np

    return np.array(values, bool)


def _as_list(value: Any) -> Any:
    import numpy as np

    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is not JSON")
