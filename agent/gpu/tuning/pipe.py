"""What is asked of whoever tunes, and what it answers: one JSON line each; never the driver.

A request names a profile, GPUs and a step. It has no place for a setting's value, a path or a
command, so no client, however captured, can ask for one.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from agent.core.ladder import DERATE_STEPS_MAX

LINE_BYTES_MAX = 64 * 1024
"""Longest line either side accepts; an answer about 64 GPUs takes a third."""

WORK_S = 20.0
"""For one request; less than `deadlines.tune_s`, so that the reason says what hung."""

Gpu = Annotated[str, msgspec.Meta(pattern=r"^GPU-[A-Za-z0-9_-]{1,92}\Z")]
Gpus = Annotated[tuple[Gpu, ...], msgspec.Meta(min_length=1, max_length=64)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
Step = Annotated[int, msgspec.Meta(ge=0, le=DERATE_STEPS_MAX)]


class Options(msgspec.Struct, frozen=True):
    """How a worker is started; its only command line argument, as JSON."""

    profiles_file: str
    simulated_dir: str | None = None
    """Simulated GPUs instead of the driver's."""
    work_s: float = WORK_S


class Apply(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Set a profile of the file on these GPUs."""

    gpus: Gpus
    profile: Name


class Neutral(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Set the neutral profile on these GPUs."""

    gpus: Gpus


class Derate(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Lower the profile's power limit by so many steps."""

    gpus: Gpus
    profile: Name
    step: Step


class Done(msgspec.Struct, frozen=True, tag=True):
    """It is so: what each GPU showed afterwards, by setting, in words."""

    shown: dict[str, dict[str, str]]


class Refused(msgspec.Struct, frozen=True, tag=True):
    """It is not so, or not known to be."""

    reason: str


Request = Apply | Neutral | Derate
Answer = Done | Refused


def encode(message: Request | Answer) -> bytes:
    """One line, newline included."""
    return msgspec.json.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """Raises `ValueError` for anything but a request."""
    request: Request = msgspec.json.decode(line, type=Request)
    return request


def decode_answer(line: bytes) -> Answer:
    """Raises `ValueError` for anything but an answer."""
    answer: Answer = msgspec.json.decode(line, type=Answer)
    return answer
