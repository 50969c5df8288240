"""Signatures: only the controller's own, only over exactly these bytes; bad keys say so."""

from __future__ import annotations

import base64

import pytest

from wire.signing import (
    KEY_BYTES,
    PROVEN_KEPT,
    SIGNATURE_BYTES,
    KeyFormatError,
    Signer,
    Verifier,
)

SEED = bytes(range(KEY_BYTES))


def test_a_rig_believes_the_key_it_was_enrolled_with_and_no_other() -> None:
    signer = Signer(SEED)
    signature = signer.sign(b"payload")
    assert len(signature) == SIGNATURE_BYTES
    assert Verifier(signer.public_key).verify(signature, b"payload")
    assert not Verifier(Signer(b"x" * KEY_BYTES).public_key).verify(signature, b"payload")
    assert not Verifier(signer.public_key).verify(signature, b"payload2")


def test_a_signature_of_another_length_is_simply_wrong() -> None:
    signer = Signer(SEED)
    verifier = Verifier(signer.public_key)
    for signature in (b"", signer.sign(b"x")[:-1], signer.sign(b"x") + b"\0"):
        assert not verifier.verify(signature, b"x")


def test_what_was_believed_once_proves_nothing_for_anything_else() -> None:
    signer = Signer(SEED)
    verifier = Verifier(signer.public_key)
    signature, other = signer.sign(b"payload"), signer.sign(b"other")
    for _ in range(2):
        assert verifier.verify(signature, b"payload")
        assert not verifier.verify(signature, b"other")
        assert not verifier.verify(other, b"payload")
        assert not Verifier(Signer(b"x" * KEY_BYTES).public_key).verify(signature, b"payload")


def test_only_so_many_frames_are_known_again() -> None:
    signer = Signer(SEED)
    verifier = Verifier(signer.public_key)
    for number in range(3 * PROVEN_KEPT):
        payload = b"%d" % number
        assert verifier.verify(signer.sign(payload), payload)
    assert len(verifier._proven) == PROVEN_KEPT
    assert verifier.verify(signer.sign(b"0"), b"0")


def test_the_same_seed_gives_the_same_key() -> None:
    assert Signer(SEED).public_key == Signer(SEED).public_key


@pytest.mark.parametrize("length", [0, KEY_BYTES - 1, KEY_BYTES + 1])
def test_a_seed_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(KeyFormatError, match=f"has {KEY_BYTES} bytes, this one has {length}"):
        Signer(bytes(length))


@pytest.mark.parametrize(
    "key", ["", "no base64!", base64.b64encode(b"short").decode(), "schlüssel", "AAAA" * 20]
)
def test_a_bad_public_key_says_where_the_right_one_is(key: str) -> None:
    with pytest.raises(KeyFormatError, match="take it from the enrolment file"):
        Verifier(key)
