"""What a failed forward pass, or an answer that is not finite, means for a request."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import torch

from pushforward.models.errors import LaboratoryError
from pushforward.models.spec.condition import Condition
from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.errors import Failed, Invalid, ServiceError
from pushforward.service.engine.tickets import Ticket

log = logging.getLogger(__name__)

OF_ROWS = frozenset(
    {"sample", "decode", "reconstruct", "interpolate", "complete"}
)  # operations that answer with rows of data
HUGE = 1e6  # of a condition, in network units: above this networks may overflow float32


def refusal(ticket: Ticket, failure: Exception | None) -> ServiceError:
    """The error that a request gets for a failed call."""
    match failure:
        case ServiceError():
            return failure
        case LaboratoryError():
            return Invalid.field(failure.field or "x", failure.message)
    if is_out_of_memory(failure):
        return Failed("one row of this request does not fit into the device's memory")
    log.error("%s of %s failed", ticket.request.op, ticket.request.model, exc_info=failure)
    return Failed("the model failed on this request; the worker's log tells why")


def is_out_of_memory(error: Exception | None) -> bool:
    """Whether the device, or the machine, lacks memory for a forward pass."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


def is_finite(op: str, array: np.ndarray, spec: DataSpec) -> bool:
    """Whether an answer has no NaN and no infinity; the log-likelihood of an impossible row is -inf."""
    if op == "likelihood":
        return not np.isnan(array).any()
    return spec.is_finite(array) if op in OF_ROWS else bool(np.isfinite(array).all())


def check_finite(ticket: Ticket, spec: DataSpec) -> None:
    """Refuse a request whose answer has NaN or infinity: the model is unsound, or its input beyond float32."""
    for name, array in ticket.arrays.items():
        if not is_finite(ticket.request.op, array, spec):
            given = _too_large(ticket.request.arrays, spec.condition)
            if given is None:
                ticket.error = Failed(not_finite(name))
            else:
                ticket.error = Invalid.field(given, f"gives {name} that are not finite; its values are far too large")


def not_finite(name: str) -> str:
    """The message for a model whose output is not finite."""
    return f"the model's {name} are not finite; train it again with a lower learning rate"


def _too_large(arrays: Mapping[str, np.ndarray], kind: Condition | None) -> str | None:
    """The array to blame: rows if there are any, else a condition if it is huge."""
    rows = [name for name in arrays if name not in ("condition", "to")]
    if rows:
        return rows[-1]
    if "condition" not in arrays:
        return None
    given = arrays["condition"]
    units = given if kind is None else kind.code(torch.tensor(given)).cpu().numpy()
    return "condition" if np.abs(units).max() > HUGE else None
