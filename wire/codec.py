"""Bytes ⇄ messages: MessagePack, versioned, size-limited, validated, signed downwards.

A frame that is too long, malformed, of another version, for another rig or wrongly signed gives
`CodecError` and nothing else; it never reaches anything that decides.

    up:    array of `_UpFrame`, deflated when it is long; who sent it is the link's to say
    down:  signature (64 bytes), then array of `_DownFrame`, Ed25519 over all of it
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from wire import figures, messages, model, squeezing
from wire.messages import SCHEMA, Down, Up
from wire.packing import Packer
from wire.signing import SIGNATURE_BYTES, Signer, Verifier
from wire.transport import FRAME_BYTES_MAX

GENERATION_MAX = 2**53
"""No controller ever counts this far; the next one must still fit into every store and frame."""


class CodecError(Exception):
    """A frame that is none of ours; one sentence says why."""


class _UpFrame(msgspec.Struct, array_like=True, frozen=True):
    schema: int
    rig: str
    boot_id: str
    run_id: str
    rig_time_s: float
    name: str
    body: msgspec.Raw


class _DownFrame(msgspec.Struct, array_like=True, frozen=True):
    schema: int
    rig: str
    boot_id: str
    rig_time_s: float
    ttl_s: float
    name: str
    body: msgspec.Raw


_UP_BODIES: dict[str, Packer[Any]] = {
    kind.__name__: Packer(kind)
    for kind in (
        messages.Hello,
        messages.StateReport,
        messages.Telemetry,
        messages.Outcomes,
        messages.Learned,
        messages.Refused,
        messages.Gone,
    )
}
_DOWN_BODIES: dict[str, Packer[Any]] = {
    kind.__name__: Packer(kind) for kind in (messages.Order, messages.OutcomesAck, messages.Welcome)
}
_UP = msgspec.msgpack.Decoder(_UpFrame)
_DOWN = msgspec.msgpack.Decoder(_DownFrame)
_ENCODER = msgspec.msgpack.Encoder()


def encode_up(up: Up) -> bytes:
    """A frame for the controller. Raises `CodecError` when it would be too long."""
    name = type(up.body).__name__
    body = msgspec.Raw(_UP_BODIES[name].pack(up.body))
    frame = _UpFrame(SCHEMA, up.rig, up.boot_id, up.run_id, up.rig_time_s, name, body)
    return squeezing.squeezed(_fitting(_ENCODER.encode(frame)))


def decode_up(frame: bytes) -> Up:
    """A rig's frame, validated. Raises `CodecError`."""
    try:
        plain = squeezing.unsqueezed(_fitting(frame), FRAME_BYTES_MAX)
    except ValueError as error:
        raise CodecError(f"the frame is malformed: {error}") from error
    raw = _decoded(_UP.decode, plain)
    _check_schema(raw.schema)
    body = _body(_UP_BODIES, raw.name, raw.body)
    if not all(map(math.isfinite, (raw.rig_time_s, *_figures(body)))):
        raise CodecError("the frame holds a number that is none")
    if not all(0 <= generation <= GENERATION_MAX for generation in _generations(body)):
        raise CodecError("the frame holds a generation that no controller has given")
    problem = next(_offer_problems(body), None)
    if problem is not None:
        raise CodecError(f"the frame holds {problem}")
    return Up(raw.rig, raw.boot_id, raw.run_id, raw.rig_time_s, body)


def encode_down(down: Down, signer: Signer) -> bytes:
    """A signed frame for one rig. Raises `CodecError` when it would be too long."""
    name = type(down.body).__name__
    body = msgspec.Raw(_DOWN_BODIES[name].pack(down.body))
    payload = _ENCODER.encode(
        _DownFrame(SCHEMA, down.rig, down.boot_id, down.rig_time_s, down.ttl_s, name, body)
    )
    return _fitting(signer.sign(payload) + payload)


def decode_down(frame: bytes, verifier: Verifier, rig: str) -> Down:
    """A frame for this rig, its signature checked before anything is read. Raises `CodecError`."""
    _fitting(frame)
    signature, payload = frame[:SIGNATURE_BYTES], frame[SIGNATURE_BYTES:]
    if not payload or not verifier.verify(signature, payload):
        raise CodecError(
            "the frame is not signed by the controller that this rig was enrolled with"
        )
    raw = _decoded(_DOWN.decode, payload)
    _check_schema(raw.schema)
    if raw.rig != rig:
        raise CodecError(f"the frame is for rig {raw.rig}, not for {rig}")
    body = _body(_DOWN_BODIES, raw.name, raw.body)
    if not all(map(math.isfinite, (raw.rig_time_s, raw.ttl_s))):
        raise CodecError("the frame holds a number that is none")
    return Down(raw.rig, raw.boot_id, raw.rig_time_s, raw.ttl_s, body)


def _figures(body: messages.UpBody) -> Iterator[float]:
    """What the controller reckons with: one NaN would spread through the whole fleet's plan."""
    match body:
        case messages.Hello(groups=groups):
            yield from (w.power_w or 0.0 for group in groups for w in group.workloads)
        case messages.StateReport(groups=statuses):
            yield from (status.since_s for status in statuses)
        case messages.Telemetry(samples=samples):
            yield from (sample.at_s for sample in samples)
        case messages.Outcomes(outcomes=outcomes):
            yield from (seconds for outcome in outcomes for _, seconds in outcome.phase_s)


def _offer_problems(body: messages.UpBody) -> Iterator[str]:
    """What no rig's own file allows: it would reach the store and metrics of the whole fleet."""
    match body:
        case messages.Hello(groups=groups):
            yield from _name_problems("groups", [g.group for g in groups], model.GROUPS_MAX)
            for group in groups:
                names = [workload.name for workload in group.workloads]
                yield from _name_problems("workloads", names, model.WORKLOADS_MAX)
        case messages.StateReport(groups=statuses):
            yield from _name_problems("groups", [s.group for s in statuses], model.GROUPS_MAX)
        case messages.Learned(measured=measured):
            yield from figures.problems(measured)


def _name_problems(what: str, names: list[str], most: int) -> Iterator[str]:
    if len(names) > most:
        yield f"{len(names)} {what}; at most {most} are allowed"
    if len(set(names)) < len(names):
        yield f"{what} of which two have one name"
    yield from (
        f"{what} with the name {name[:80]!r}" for name in names if not model.NAME.fullmatch(name)
    )


def _generations(body: messages.UpBody) -> Iterator[int]:
    match body:
        case messages.StateReport(groups=statuses):
            yield from (status.generation for status in statuses)
        case messages.Outcomes(outcomes=outcomes):
            yield from (outcome.generation for outcome in outcomes)


def _fitting(frame: bytes) -> bytes:
    if len(frame) > FRAME_BYTES_MAX:
        raise CodecError(f"a frame of {len(frame)} bytes; at most {FRAME_BYTES_MAX} are carried")
    return frame


def _check_schema(schema: int) -> None:
    if schema != SCHEMA:
        raise CodecError(f"the frame speaks schema {schema}, this side speaks {SCHEMA}; upgrade")


def _body(packers: dict[str, Packer[Any]], name: str, raw: msgspec.Raw) -> Any:
    packer = packers.get(name)
    if packer is None:
        raise CodecError(f"the frame holds an unknown message, {name[:40]!r}")
    return _decoded(packer.unpack, raw)


def _decoded(decode: Callable[[bytes | msgspec.Raw], Any], data: bytes | msgspec.Raw) -> Any:
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f"the frame is malformed: {error}") from error
    except RecursionError as error:
        raise CodecError("the frame is nested too deeply") from error
