"""The codec refuses whatever is none of ours, in one way, and says why."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import msgspec
import pytest

from tests.wire.examples import DOWN_BODIES, UP_BODIES
from wire import codec, messages, model
from wire.codec import CodecError
from wire.messages import SCHEMA, Down, Up
from wire.signing import SIGNATURE_BYTES, Signer, Verifier
from wire.squeezing import unsqueezed
from wire.transport import FRAME_BYTES_MAX

SIGNER = Signer(bytes(range(32)))
VERIFIER = Verifier(SIGNER.public_key)

STATUS = model.GroupStatus(
    group="g0",
    phase=model.Phase.RUNNING,
    leg=model.Leg.FORWARD,
    active="etc",
    target="etc",
    generation=7,
    since_s=12.5,
    rejected=(model.Rejection("llama", "port 8000 is taken"),),
)
REPORT = Up("rig", "boot", "run", 100.0, messages.StateReport((STATUS,)))
ORDER = Down(
    "rig",
    "boot",
    100.0,
    30.0,
    messages.Order((model.Assignment("order-1", "g0", 8, "llama", reason="pays more"),), 300.0),
)


def decode_down(frame: bytes, rig: str = "rig") -> Down:
    return codec.decode_down(frame, VERIFIER, rig)


def signed(payload: bytes) -> bytes:
    return SIGNER.sign(payload) + payload


def up_frame(
    schema: object, *, name: object = "Gone", body: object = (), clock: object = 1.0
) -> bytes:
    return msgspec.msgpack.encode([schema, "rig", "boot", "run", clock, name, body])


def test_both_directions_give_back_what_was_said() -> None:
    assert codec.decode_up(codec.encode_up(REPORT)) == REPORT
    assert decode_down(codec.encode_down(ORDER, SIGNER)) == ORDER


def test_the_codec_knows_every_message() -> None:
    assert {kind.__name__ for kind in UP_BODIES} == set(codec._UP_BODIES)
    assert {kind.__name__ for kind in DOWN_BODIES} == set(codec._DOWN_BODIES)


def test_a_frame_cut_off_anywhere_is_refused() -> None:
    up, down = codec.encode_up(REPORT), codec.encode_down(ORDER, SIGNER)
    for end in range(len(up)):
        with pytest.raises(CodecError, match="malformed"):
            codec.decode_up(up[:end])
    for end in range(len(down)):
        with pytest.raises(CodecError, match="not signed"):
            decode_down(down[:end])


def test_a_payload_cut_off_before_it_was_signed_is_refused() -> None:
    payload = codec.encode_down(ORDER, SIGNER)[SIGNATURE_BYTES:]
    for end in range(1, len(payload)):
        with pytest.raises(CodecError, match="malformed"):
            decode_down(signed(payload[:end]))


def test_what_follows_a_whole_frame_is_refused() -> None:
    with pytest.raises(CodecError, match="malformed"):
        codec.decode_up(codec.encode_up(REPORT) + b"\0")


def test_any_flipped_bit_breaks_the_signature() -> None:
    frame = codec.encode_down(ORDER, SIGNER)
    for position in range(len(frame) * 8):
        flipped = bytearray(frame)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(CodecError, match="not signed"):
            decode_down(bytes(flipped))


def test_a_flipped_bit_upwards_is_refused_or_read_as_another_whole_frame() -> None:
    frame = codec.encode_up(REPORT)
    refused = 0
    for position in range(len(frame) * 8):
        flipped = bytearray(frame)
        flipped[position // 8] ^= 1 << position % 8
        try:
            assert isinstance(codec.decode_up(bytes(flipped)), Up)
        except CodecError:
            refused += 1
    assert refused > len(frame)


def test_another_controllers_signature_is_refused() -> None:
    forged = codec.encode_down(ORDER, Signer(b"x" * 32))
    with pytest.raises(CodecError, match="not signed by the controller"):
        decode_down(forged)


def test_a_frame_for_another_rig_is_refused_although_it_is_signed() -> None:
    frame = codec.encode_down(ORDER, SIGNER)
    with pytest.raises(CodecError, match="for rig rig, not for rig-2"):
        decode_down(frame, "rig-2")


@pytest.mark.parametrize("schema", [SCHEMA + 1, SCHEMA - 1, 2**40])
def test_another_schema_is_refused_with_both_numbers(schema: int) -> None:
    with pytest.raises(CodecError, match=f"schema {schema}, this side speaks {SCHEMA}"):
        codec.decode_up(up_frame(schema))
    down = msgspec.msgpack.encode([schema, "rig", "boot", 1.0, 1.0, "Welcome", []])
    with pytest.raises(CodecError, match=f"schema {schema}"):
        decode_down(signed(down))


def test_an_unknown_message_is_named_but_not_at_length() -> None:
    with pytest.raises(CodecError, match="unknown message, 'Shell'"):
        codec.decode_up(up_frame(SCHEMA, name="Shell"))
    with pytest.raises(CodecError) as refused:
        codec.decode_up(up_frame(SCHEMA, name="x" * 10_000))
    assert len(str(refused.value)) < 200


def test_a_message_of_the_other_direction_is_refused() -> None:
    with pytest.raises(CodecError, match="unknown message"):
        codec.decode_up(up_frame(SCHEMA, name="Order", body=[[], 1.0]))


def test_a_body_of_the_wrong_shape_is_refused() -> None:
    bodies: tuple[object, ...] = ({"reason": 5}, {"groups": 5}, [], "text", None, 1)
    for body in bodies:
        with pytest.raises(CodecError, match="malformed"):
            codec.decode_up(up_frame(SCHEMA, name="StateReport", body=body))


def test_frames_longer_than_a_link_carries_are_neither_made_nor_read() -> None:
    huge = replace(REPORT, body=messages.Refused("x" * FRAME_BYTES_MAX))
    with pytest.raises(CodecError, match=f"at most {FRAME_BYTES_MAX}"):
        codec.encode_up(huge)
    with pytest.raises(CodecError, match=f"at most {FRAME_BYTES_MAX}"):
        codec.decode_up(bytes(FRAME_BYTES_MAX + 1))
    many = tuple(model.Assignment(f"o{n}", f"g{n}", 1, None, reason="y" * 90) for n in range(3_000))
    with pytest.raises(CodecError, match="at most"):
        codec.encode_down(replace(ORDER, body=messages.Order(many, 1.0)), SIGNER)
    with pytest.raises(CodecError, match="at most"):
        decode_down(bytes(FRAME_BYTES_MAX + 1))


def test_the_longest_frame_still_travels() -> None:
    def plain(length: int) -> bytes:
        frame = codec.encode_up(replace(REPORT, body=messages.Refused("x" * length)))
        return unsqueezed(frame, FRAME_BYTES_MAX)

    room = FRAME_BYTES_MAX - len(plain(70_000))
    longest = replace(REPORT, body=messages.Refused("x" * (70_000 + room)))
    assert len(plain(70_000 + room)) == FRAME_BYTES_MAX
    assert codec.decode_up(codec.encode_up(longest)) == longest


def test_nesting_without_end_is_refused() -> None:
    deep = up_frame(SCHEMA)[:-1] + b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(CodecError):
        codec.decode_up(deep)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_no_number_that_is_none_reaches_what_reckons(number: float) -> None:
    offer = model.GroupOffer(
        "g0", ("GPU-1",), (model.WorkloadOffer("etc", model.Kind.MINING, number),)
    )
    ended = model.Outcome(
        "o", "g0", 1, model.Result.DONE, None, "etc", ((model.Phase.STOPPING, number),)
    )
    for up in (
        replace(REPORT, rig_time_s=number),
        replace(REPORT, body=messages.StateReport((replace(STATUS, since_s=number),))),
        replace(REPORT, body=messages.Hello("1", (offer,))),
        replace(REPORT, body=messages.Outcomes((ended,))),
        replace(REPORT, body=messages.Telemetry((model.Sample(number, True),))),
    ):
        with pytest.raises(CodecError, match="number that is none"):
            codec.decode_up(codec.encode_up(up))
    for down in (replace(ORDER, rig_time_s=number), replace(ORDER, ttl_s=number)):
        with pytest.raises(CodecError, match="number that is none"):
            decode_down(codec.encode_down(down, SIGNER))


@pytest.mark.parametrize("generation", [-1, codec.GENERATION_MAX + 1, 2**63, 2**64 - 1])
def test_a_generation_that_would_not_fit_a_store_is_refused(generation: int) -> None:
    ended = model.Outcome("o", "g0", generation, model.Result.DONE, None, None, ())
    bodies: tuple[messages.UpBody, ...] = (
        messages.StateReport((replace(STATUS, generation=generation),)),
        messages.Outcomes((ended,)),
    )
    for body in bodies:
        with pytest.raises(CodecError, match="no controller has given"):
            codec.decode_up(codec.encode_up(replace(REPORT, body=body)))


def offering(*groups: str, workloads: tuple[str, ...] = ("etc",)) -> Up:
    offers = tuple(model.WorkloadOffer(name, model.Kind.MINING) for name in workloads)
    hello = messages.Hello("1", tuple(model.GroupOffer(g, ("GPU-0",), offers) for g in groups))
    return replace(REPORT, body=hello)


@pytest.mark.parametrize(
    ("up", "words"),
    [
        (offering("g0", "g0"), "groups of which two have one name"),
        (offering("g0", workloads=("etc", "etc")), "workloads of which two have one name"),
        (offering("g 0"), "groups with the name 'g 0'"),
        (offering("g0", workloads=("\x1b[2J",)), "workloads with the name"),
        (offering(*(f"g{number}" for number in range(65))), "65 groups; at most 64"),
    ],
)
def test_what_no_rig_s_file_allows_is_refused_before_it_reaches_the_fleet(
    up: Up, words: str
) -> None:
    with pytest.raises(CodecError, match=re.escape(words)):
        codec.decode_up(codec.encode_up(up))
