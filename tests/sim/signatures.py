"""Signatures reckoned once: what the simulated controller has signed, its rigs know to be genuine.

Ed25519 is the same for ever, and `tests/wire` holds it to that; to verify every frame anew took a
tenth of all time. Whatever else reaches a rig is verified as ever, and so are some genuine frames.
"""

from __future__ import annotations

from typing import Any

from agent.uplink import Uplink
from wire.signing import Signer

VERIFIED_ONE_IN = 8
"""Of so many genuine frames one is verified all the same."""


class _Proven(set[tuple[bytes, bytes]]):
    """What a verifier remembers, without an end."""

    append = set[tuple[bytes, bytes]].add


class KnownSigner(Signer):
    """The order key of a simulation, which remembers what it has signed."""

    def __init__(self, seed: bytes) -> None:
        """See `Signer`."""
        super().__init__(seed)
        self._proven = _Proven()
        self._count = 0

    def sign(self, payload: bytes) -> bytes:
        """See `Signer`."""
        signature = super().sign(payload)
        self._count += 1
        if self._count % VERIFIED_ONE_IN:
            self._proven.add((signature, payload))
        return signature

    def make_known(self, uplink: Uplink) -> None:
        """Let a rig remember all of it."""
        verifier: Any = uplink._verifier
        verifier._proven = self._proven
