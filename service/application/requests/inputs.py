"""Arrays of requests, checked against what a model's rows and codes are. All raise Invalid."""

from __future__ import annotations

import numpy as np

from pushforward.models.family import Completes, Decodes, Family
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.patches import patches_under
from pushforward.models.spec.row_checks import check_rows, where_not_finite
from pushforward.service.application.commands.commands import Complete
from pushforward.service.application.commands.validation import refusing
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Invalid


def rows_of(spec: DataSpec, field: str, x: np.ndarray, *, on_levels: bool = False) -> np.ndarray:
    """Data, (n, *shape), in the dtype of the model's data."""
    with refusing(field):
        spec.check(x, field=field, on_levels=on_levels)
    return spec.hold(x)


def patches_of(spec: DataSpec, family: Family, ask: Complete) -> np.ndarray:
    """Patches, (n, *patches_shape), in the dtype of the model's data."""
    shape = family.patches_shape(spec) if isinstance(family, Completes) else ()
    if ask.x is not None and ask.mask is not None:
        with refusing("mask"):
            return patches_under(rows_of(spec, "x", ask.x), ask.mask, shape)
    patches = np.empty(0) if ask.patches is None else ask.patches
    if patches.shape[1:] != shape or len(patches) == 0:
        raise Invalid.field("patches", _other_patches(patches.shape, shape))
    with refusing("patches"):
        as_rows = spec.model_copy(update={"shape": shape})
        check_rows(as_rows, patches, (), field="patches", on_levels=False)
    return spec.hold(patches)


def codes_of(card: Card, family: Family, z: np.ndarray) -> np.ndarray:
    """Codes, (n, *latent_shape), float32."""
    shape = card.latent_shape
    if shape is None and isinstance(family, Decodes):
        shape = family.latent_shape(card.spec.varying)
    if shape is None or z.shape[1:] != tuple(shape) or len(z) == 0:
        wanted = ", ".join(map(str, shape or ()))
        raise Invalid.field("z", f"has shape {list(z.shape)}; send at least one code: [n, {wanted}]")
    with np.errstate(over="ignore"):
        codes = z.astype(np.float32, copy=False)
    if not np.isfinite(codes).all():
        message = "holds values that are NaN, infinite or beyond float32; every code must be finite"
        raise Invalid.field("z", f"{message}: {where_not_finite(codes)}")
    return codes


def _other_patches(sent: Shape, shape: Shape) -> str:
    """What is wrong with patches of the shape (n, N', ...) where each row needs those of `shape`, (N, C, s, s)."""
    wanted = f"[n, {', '.join(map(str, shape))}]"
    if len(sent) == 1 + len(shape) and sent[0] > 0 and sent[2:] == shape[1:]:
        return f"has {sent[1]} patches a row, and {shape[0]} are needed; send {wanted}"
    return f"has shape {list(sent)}; send at least one row of {shape[0]} patches of shape {list(shape[1:])}: {wanted}"
