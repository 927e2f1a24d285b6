"""JSON whose last member is the sha256 of all bytes before it, so that one flipped bit anywhere is noticed.

    {"model": "digits-vae", ...,
     "sha256": "<of the bytes before this line>"}

Any reader of JSON reads it. Files that are older than the digest have no such member and are read without a check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from hashlib import sha256
from typing import Any

MEMBER = "sha256"
_SEALED = re.compile(rb'(\{.*),\n "sha256": "([0-9a-f]{64})"\n\}\n', re.DOTALL)


def seal(members: Mapping[str, Any]) -> bytes:
    """The members, one at least, and the digest."""
    body = json.dumps(members, indent=1).encode().removesuffix(b"\n}")
    return body + f',\n "{MEMBER}": "{sha256(body).hexdigest()}"\n}}\n'.encode()


def unseal(content: bytes, known: Set[str]) -> dict[str, Any]:
    """The members without the digest. `known` are the members that one without a digest may have.

    Raises:
        ValueError: it is no JSON object, or altered.
    """
    members = json.loads(content)
    if not isinstance(members, dict):
        raise ValueError("it is not a JSON object")
    if MEMBER in members:
        parts = _SEALED.fullmatch(content)
        if parts is None or sha256(parts[1]).hexdigest().encode() != parts[2]:
            raise ValueError("its sha256 does not agree: it is altered")
        del members[MEMBER]
    elif not members.keys() <= known:  # where a bit of the digest's own name was flipped, too
        raise ValueError(f"it has no {MEMBER}, and members of another release")
    return members
