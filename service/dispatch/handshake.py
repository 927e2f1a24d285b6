"""How a gateway proves to a worker that it may send requests: it knows the secret in the worker's heartbeat.

The secret is random, made anew by each worker, and never sent: the answer to a nonce is HMAC-SHA256(secret, nonce).
"""

from __future__ import annotations

import hmac
import secrets

from pushforward.service.dispatch.messages import Hello, Proof

HANDSHAKE_S = 2.0  # from the connection to the proof
HANDSHAKE_BYTES = 1024  # of a frame before the proof


def new_secret() -> str:
    """The secret of a worker."""
    return secrets.token_hex(16)


def new_nonce() -> bytes:
    """The nonce of a connection."""
    return secrets.token_bytes(16)


def proof(secret: str, hello: Hello) -> Proof:
    """A gateway's answer."""
    return Proof(hmac.digest(secret.encode(), hello.nonce, "sha256"))


def is_proven(secret: str, nonce: bytes, answer: Proof) -> bool:
    """Whether the answer shows that the gateway knows the secret."""
    return hmac.compare_digest(hmac.digest(secret.encode(), nonce, "sha256"), answer.digest)
