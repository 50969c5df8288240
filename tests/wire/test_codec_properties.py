"""For all messages and all bytes: what was said comes back, and anything else is `CodecError`."""

from __future__ import annotations

from contextlib import suppress

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.examples import DOWNS, UPS
from wire import codec
from wire.codec import CodecError
from wire.messages import SCHEMA, Down, Up
from wire.signing import Signer, Verifier

SIGNER = Signer(bytes(range(32)))
VERIFIER = Verifier(SIGNER.public_key)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)

lightly = settings(max_examples=100, deadline=None)


@lightly
@given(UPS)
def test_every_message_upwards_comes_back(up: Up) -> None:
    assert codec.decode_up(codec.encode_up(up)) == up


@lightly
@given(DOWNS)
def test_every_message_downwards_comes_back(down: Down) -> None:
    assert codec.decode_down(codec.encode_down(down, SIGNER), VERIFIER, "rig") == down


@lightly
@given(st.binary(max_size=300))
def test_random_bytes_give_an_error_of_the_codec_and_no_other(data: bytes) -> None:
    with suppress(CodecError):
        codec.decode_up(data)
    with suppress(CodecError):
        codec.decode_down(data, VERIFIER, "rig")
    with suppress(CodecError):
        codec.decode_down(SIGNER.sign(data) + data, VERIFIER, "rig")


@lightly
@given(st.lists(JSON, max_size=8), st.sampled_from(sorted(codec._UP_BODIES)), JSON)
def test_well_formed_nonsense_gives_an_error_of_the_codec_and_no_other(
    items: list[object], name: str, body: object
) -> None:
    for frame in (
        msgspec.msgpack.encode(items),
        msgspec.msgpack.encode([SCHEMA, *items]),
        msgspec.msgpack.encode([SCHEMA, "rig", "boot", "run", 1.0, name, body]),
    ):
        with suppress(CodecError):
            codec.decode_up(frame)
        with suppress(CodecError):
            codec.decode_down(SIGNER.sign(frame) + frame, VERIFIER, "rig")


@lightly
@given(UPS, st.data())
def test_a_damaged_message_gives_an_error_of_the_codec_and_no_other(
    up: Up, data: st.DataObject
) -> None:
    frame = bytearray(codec.encode_up(up))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with suppress(CodecError):
        codec.decode_up(bytes(frame))
