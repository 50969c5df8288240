"""What must be true of frames: who believes what, and in which order."""

from __future__ import annotations

from wire.model import GroupStatus, Outcome


def judged(fault: str, *, refused: bool) -> str:
    """A rig obeys no frame that it must not believe, and refuses none that it may."""
    if fault and not refused:
        return f"a frame was believed although {fault}"
    if refused and not fault:
        return "a genuine frame was refused"
    return ""


def in_turn(newest: int | None, number: int) -> str:
    """No frame changes the picture of a rig after a newer one has."""
    if newest is not None and number <= newest:
        return f"letter {number} was news after letter {newest}"
    return ""


def told_durably(outcome: Outcome, *, durable: bool) -> str:
    """A rig tells of no end that it could still forget."""
    return "" if durable else f"{outcome.group}: {outcome.result} was told before it was durable"


def observed_grows(status: GroupStatus, newest: int) -> str:
    """What a rig says it has persisted stays persisted."""
    if status.generation < newest:
        return f"{status.group} reports generation {status.generation} after {newest}"
    return ""
