"""CURVE keys as 40 characters of Z85. Secret keys never appear in an error or a log."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import zmq
from zmq.utils import z85

from wire.transport import LinkError

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, both halves as Z85."""

    public: str
    secret: str = field(repr=False)


def generate_keys() -> KeyPair:
    """Make a new key pair from the operating system's randomness."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def public_key(secret: str) -> str:
    """The public half of a secret key. Raises `LinkError` if it is no key."""
    return zmq.curve_public(checked(secret, "secret key")).decode()


def checked(key: str, name: str) -> bytes:
    """The key as libzmq takes it. Raises `LinkError`, which names the key by `name` only."""
    try:
        if len(z85.decode(key)) == KEY_BYTES:
            return key.encode()
    except (ValueError, KeyError, struct.error):
        pass
    raise LinkError(f"the {name} is no CURVE key: exactly 40 characters of Z85 are needed")
