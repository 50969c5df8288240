"""What rigs of a simulation know to be genuine, and that nothing else passes for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.sim.signatures import VERIFIED_ONE_IN, KnownSigner
from wire.signing import KEY_BYTES, SIGNATURE_BYTES, Signer, Verifier

SEED = bytes(KEY_BYTES)


def rig(signer: KnownSigner) -> Verifier:
    """The verifier of a rig that knows what was signed."""
    verifier = Verifier(signer.public_key)
    uplink: Any = SimpleNamespace(_verifier=verifier)
    signer.make_known(uplink)
    return verifier


def test_what_was_signed_is_genuine_and_nothing_else_is() -> None:
    signer = KnownSigner(SEED)
    verifier = rig(signer)
    for number in range(2 * VERIFIED_ONE_IN):
        payload = b"order %d" % number
        signature = signer.sign(payload)
        assert signature == Signer(SEED).sign(payload)
        assert verifier.verify(signature, payload)
        assert not verifier.verify(signature, payload + b"0")
        assert not verifier.verify(bytes(SIGNATURE_BYTES), payload)
        assert not verifier.verify(Signer(bytes([1]) * KEY_BYTES).sign(payload), payload)
