"""Ed25519 signatures on everything that a controller says to a rig.

A captured broker can delay a fleet but cannot command it: rigs check every frame against the key
that they were enrolled with.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_BYTES = 64
KEY_BYTES = 32

PROVEN_KEPT = 8
"""Frames that a rig knows again without reckoning: links repeat what they carry, soon or never."""


class KeyFormatError(Exception):
    """A key that is none; the text says what was expected."""


class Signer:
    """The controller's order key."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 secret bytes. Raises `KeyFormatError`."""
        if len(seed) != KEY_BYTES:
            raise KeyFormatError(f"an Ed25519 seed has {KEY_BYTES} bytes, this one has {len(seed)}")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        """What rigs are enrolled with, base64."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, payload: bytes) -> bytes:
        """The signature, `SIGNATURE_BYTES` long."""
        return self._key.sign(payload)


class Verifier:
    """A rig's copy of the controller's public order key."""

    def __init__(self, public_key: str) -> None:
        """`public_key`: base64 as in `Signer.public_key`. Raises `KeyFormatError`."""
        try:
            raw = base64.b64decode(public_key, validate=True)
            self._key = Ed25519PublicKey.from_public_bytes(raw)
        except (binascii.Error, ValueError) as error:
            raise KeyFormatError(
                f"order_key {public_key!r} is no Ed25519 public key in base64; "
                "take it from the enrolment file"
            ) from error
        self._proven: deque[tuple[bytes, bytes]] = deque(maxlen=PROVEN_KEPT)

    def verify(self, signature: bytes, payload: bytes) -> bool:
        """Whether the controller signed exactly this payload."""
        if (signature, payload) in self._proven:
            return True
        try:
            self._key.verify(signature, payload)
        except InvalidSignature:
            return False
        self._proven.append((signature, payload))
        return True
