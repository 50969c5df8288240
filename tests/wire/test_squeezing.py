"""Deflated frames: smaller, the same again, and no way to make the other side swell."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import codec, messages
from wire.codec import CodecError
from wire.messages import Up
from wire.model import GpuReading, Sample
from wire.squeezing import MARK, SQUEEZED_FROM_BYTES, squeezed, unsqueezed
from wire.transport import FRAME_BYTES_MAX

GPUS = tuple(
    GpuReading(f"GPU-{number:036x}", "NVIDIA GeForce RTX 4090", power_w=251.3 + number)
    for number in range(8)
)
TELEMETRY = Up("rig", "boot", "run", 1.0, messages.Telemetry((Sample(1.0, True, GPUS),)))


@given(st.binary(max_size=4 * SQUEEZED_FROM_BYTES).filter(lambda frame: frame[:1] != bytes([MARK])))
def test_a_frame_comes_back_as_it_was(frame: bytes) -> None:
    assert unsqueezed(squeezed(frame), FRAME_BYTES_MAX) == frame


def test_what_is_much_the_same_for_eight_gpus_travels_once() -> None:
    frame = codec.encode_up(TELEMETRY)
    assert frame[0] == MARK
    assert len(frame) < len(zlib.decompress(frame)) / 2
    assert codec.decode_up(frame) == TELEMETRY


def test_a_short_frame_travels_as_it_is() -> None:
    assert codec.encode_up(Up("rig", "boot", "run", 1.0, messages.Gone()))[0] != MARK


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (zlib.compress(bytes(1000 * FRAME_BYTES_MAX), 9), "no end within"),
        (zlib.compress(bytes(FRAME_BYTES_MAX + 1)), "no end within"),
        (codec.encode_up(TELEMETRY)[:-1], "no end within"),
        (codec.encode_up(TELEMETRY) + b"x", "something follows"),
        (bytes([MARK]), "no end within"),
        (bytes([MARK, 0, 0]), "cannot be inflated"),
        (zlib.compress(zlib.compress(bytes(1000))), "malformed"),
    ],
    ids=["bomb", "one-byte-too-long", "cut", "longer", "mark-only", "no-deflate", "twice"],
)
def test_what_no_rig_sends_is_malformed(frame: bytes, why: str) -> None:
    with pytest.raises(CodecError, match=why):
        codec.decode_up(frame)
