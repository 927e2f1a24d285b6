"""The size of a message without the data of its tensors and tables, computed from its bytes before it is parsed.

The data of a tensor are as large in memory as on the wire. Everything else grows: an empty value of a Struct takes two
bytes on the wire and fifty in memory. So everything but the data has a limit of its own, as a JSON body has.

References:
    | Encoding (Google, 2024), https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor

from pushforward.service.domain.errors import Malformed

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # wire types
FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
MAX_FIELDS = 1000  # of a message and its tensors; ours have ten
MAX_VARINT_BYTES = 10
BULK = {("Tensor", "data"), ("Table", "content")}


def outside_of_tensors(body: bytes, message: Descriptor) -> int:
    """Bytes of a message that are not the data of its tensors and tables. Raises Malformed."""
    n_bytes, n_fields = len(body), 0
    waiting = [(0, len(body), message)]
    while waiting:
        at, end, within = waiting.pop()
        while at < end:
            n_fields += 1
            if n_fields > MAX_FIELDS:
                raise Malformed(f"the message has more than {MAX_FIELDS} fields; send none twice")
            tag, at = _varint(body, at, end)
            wire_type = tag & 7
            if wire_type == VARINT:
                _, at = _varint(body, at, end)
            elif wire_type in FIXED_BYTES:
                at += FIXED_BYTES[wire_type]
            elif wire_type == LENGTH:
                size, at = _varint(body, at, end)
                if size > end - at:
                    raise Malformed("the message is cut short; send all of it")
                field = within.fields_by_number.get(tag >> 3)
                held = None if field is None else field.message_type
                if field is not None and (within.name, field.name) in BULK:
                    n_bytes -= size
                elif held is not None and held.file is message.file:  # a tensor, or a message that may contain one
                    waiting.append((at, at + size, held))
                at += size
            else:
                raise Malformed(f"the message has a field of wire type {wire_type}, which there is not")
    return n_bytes


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """A number, and where it ends. Raises Malformed."""
    number = 0
    for k, byte in enumerate(body[at : min(at + MAX_VARINT_BYTES, end)]):
        number |= (byte & 0x7F) << (7 * k)
        if byte < 0x80:
            return number, at + k + 1
    raise Malformed("the message is cut short; send all of it")
