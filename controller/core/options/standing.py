"""Whether a price may move a group now; and if not, what it is tied to and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.core.model import Block, GroupKey, GroupView, Hold
from wire.model import Phase

HOLD_END_MAX = 253_402_300_799.0
"""End of the year 9999, the latest instant that can be written for people."""

HOLD_FOREVER_S = 10.0 * 365 * 86_400
"""How long a previewed pin stands: longer than anybody looks."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A group before prices are looked at."""

    runs: str | None
    """What it is taken to run, and what a better option is compared with."""
    tied_to: str | None
    """What it shall do when it is tied."""
    block: Block = Block.NONE
    """What ties it; `NONE`: it may move for money."""
    why: str = ""
    """What ties it, one clause."""
    in_switch: bool = False
    """It is on its way somewhere, or an order to go there is."""
    breaks_lock: bool = False
    """An operator's word that a lock shall not stand in the way."""

    @property
    def free(self) -> bool:
        """Whether a price may move it."""
        return self.block is Block.NONE


def standing(view: GroupView, hold: Hold | None) -> Standing:
    """Where a group stands; `hold` is the operator's word on it that is in force, if any.

    Whether a contract stands behind it is seen in `obligations`, for all groups together.
    """
    switching = _in_switch(view)
    lock = "" if view.status is None else view.status.lock
    if hold is not None and not (lock and _must_wait(view, hold)):
        return _held(view, hold, switching)
    if lock:
        return _locked(view, lock, hold, switching)
    assigned = view.assigned
    if not view.online:
        return Standing(assigned, assigned, Block.OFFLINE, "the rig has not been heard from lately")
    if view.status is None:
        return Standing(
            assigned, assigned, Block.OFFLINE, "the rig has not reported this group yet"
        )
    if switching:
        why = f"a switch is under way ({view.status.phase})"
        if view.status.generation < view.generation:
            why = f"the rig has not confirmed generation {view.generation} yet"
        return Standing(assigned, assigned, Block.SWITCHING, why, in_switch=True)
    if view.status.phase is Phase.FAILED:
        cause = view.status.reason or "its rig gives no reason"
        why = f"the group is quarantined until an operator's hold: {cause}"
        return Standing(view.status.active, assigned, Block.QUARANTINED, why)
    runs = _incumbent(view)
    return Standing(runs, runs)


def rejections(view: GroupView) -> dict[str, str]:
    """Workloads that failed here, and why; they are not chosen for their price."""
    current = view.status.rejected if view.status is not None else ()
    return {rejection.workload: rejection.reason for rejection in (*view.avoided, *current)}


def misunderstood(view: GroupView) -> bool:
    """The rig rests at this generation with something else, and has nothing against ours.

    It was told otherwise under the same number, by a controller that lost its memory since.
    """
    status = view.status
    if status is None or not view.online or status.generation != view.generation:
        return False
    if status.lapsed or status.phase not in (Phase.IDLE, Phase.RUNNING):
        return False
    rejected = {rejection.workload for rejection in status.rejected}
    return status.active != view.assigned and view.assigned not in rejected


def pin(key: GroupKey, workload: str | None, now: float) -> Hold:
    """A hold for a preview: what the plan would be if somebody gave this order."""
    return Hold(
        hold_id=f"preview-{key}",
        rig=key.rig,
        group=key.group,
        workload=workload,
        owner="preview",
        reason="preview",
        created_at=now,
        expires_at=now + HOLD_FOREVER_S,
        breaks_lock=True,  # What an order may not do is looked at before it is previewed.
    )


def holds_in_force(holds: Iterable[Hold], now: float) -> Mapping[GroupKey, Hold]:
    """By group; of several the newest word counts."""
    return {
        GroupKey(hold.rig, hold.group): hold
        for hold in sorted(holds, key=lambda hold: (hold.created_at, hold.hold_id))
        if hold.expires_at > now
    }


def _held(view: GroupView, hold: Hold, switching: bool) -> Standing:
    until = datetime.fromtimestamp(min(hold.expires_at, HOLD_END_MAX), UTC).strftime(
        "%Y-%m-%d %H:%M UTC"
    )
    why = f"{hold.owner} holds it until {until}: {hold.reason}"
    if hold.workload is None or _offers(view, hold.workload):
        wanted, breaks = hold.workload, hold.breaks_lock
        return Standing(wanted, wanted, Block.HOLD, why, switching, breaks)
    why = f"{hold.owner} holds it to {hold.workload}, which the rig does not offer here"
    return Standing(view.assigned, view.assigned, Block.HOLD, why, switching)


def _must_wait(view: GroupView, hold: Hold) -> bool:
    """Whether an operator's word would end what is locked, and does not say that it may."""
    active = view.status.active if view.status is not None else None
    return not hold.breaks_lock and hold.workload != active


def _locked(view: GroupView, lock: str, hold: Hold | None, switching: bool) -> Standing:
    """Kept as it is: at what runs where the rig rests, else on the way that it is on."""
    why = f"it is locked, and no price ends that: {lock}"
    if hold is not None:
        why = f"{why}; what {hold.owner} ordered waits for its end, or for --break-lock"
    status = view.status
    at_rest = view.online and not switching and status is not None
    if at_rest and status is not None and status.phase is Phase.RUNNING:
        return Standing(status.active, status.active, Block.LOCKED, why)
    return Standing(view.assigned, view.assigned, Block.LOCKED, why, switching)


def _in_switch(view: GroupView) -> bool:
    status = view.status
    if not view.online or status is None:
        return False
    return not status.phase.stable or status.generation < view.generation


def _incumbent(view: GroupView) -> str | None:
    """What is assigned if the rig could do it, else what it does instead."""
    rejected = {r.workload for r in view.status.rejected} if view.status is not None else set()
    active = view.status.active if view.status is not None else None
    for workload in (view.assigned, active):
        if workload is not None and workload not in rejected and _offers(view, workload):
            return workload
        if workload is None and view.assigned is None:
            return None
    return None


def _offers(view: GroupView, workload: str) -> bool:
    return any(offer.name == workload for offer in view.offer.workloads)
