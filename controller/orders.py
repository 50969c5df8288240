"""Orders of operators: what makes one acceptable, the holds it becomes, and what it earns or costs.

Pure: previews come in as plans. An order never names a workload that a rig does not offer, and
it always ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.answers import Move
from controller.core import duration
from controller.core.model import Decision, GroupKey, GroupView, Hold, Plan
from controller.core.policy import mandate
from controller.core.policy.mandate import DeskSettings
from wire.model import OFF, Phase

HOLD_DEFAULT_S = 2 * 3_600.0
"""Long enough to look into something, short enough to be harmless when forgotten."""

HOLD_MIN_S = 60.0
"""A shorter one could end before its switch does."""

HOLD_MAX_S = 7 * 86_400.0
"""An override always ends."""

REASON_CHARS_MAX = 500
OWNER_CHARS_MAX = 64
NAMED_MAX = 12
"""Groups named in one message; the rest are counted."""


class OperationError(Exception):
    """An operation that was not carried out; nothing has changed."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.hint = hint
        """What to do next."""


class BadRequestError(OperationError):
    """What was asked for makes no sense as it stands."""


class NothingFoundError(OperationError):
    """What was named does not exist."""


class NotYetError(OperationError):
    """The controller cannot answer so early."""


class ConflictError(OperationError):
    """Someone else's order stands in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What all orders have in common."""

    selector: str
    owner: str
    reason: str
    for_s: float = HOLD_DEFAULT_S
    dry_run: bool = False
    replace: bool = False
    """Take the place of other owners' holds too."""
    break_lock: bool = False
    """Leave even what is locked, such as a rented machine."""


def check_intent(intent: Intent) -> None:
    """Raises `BadRequestError` for an order that names no owner, no reason, or no fit time."""
    if not 1 <= len(intent.owner) <= OWNER_CHARS_MAX:
        raise BadRequestError(
            "the order has no fit owner", f"name one in 1 to {OWNER_CHARS_MAX} characters"
        )
    if not 1 <= len(intent.reason.strip()) <= REASON_CHARS_MAX:
        raise BadRequestError(
            "the order has no fit reason",
            f"say why in 1 to {REASON_CHARS_MAX} characters; whoever finds it will ask",
        )
    if not HOLD_MIN_S <= intent.for_s <= HOLD_MAX_S:
        raise BadRequestError(
            f"an order cannot stand for {duration.show(intent.for_s)}",
            f"choose {duration.show(HOLD_MIN_S)} to {duration.show(HOLD_MAX_S)}; repeat it later",
        )


def check_offered(views: Sequence[GroupView], workload: str | None) -> None:
    """Raises `BadRequestError` naming the groups that do not offer this workload."""
    offers = {v.key: {offer.name for offer in v.offer.workloads} for v in views}
    lacking = [key for key, names in offers.items() if workload and workload not in names]
    if not lacking:
        return
    common = sorted(set.intersection(*offers.values()))
    raise BadRequestError(
        f"{len(lacking)} of {len(views)} GPU groups do not offer {workload!r}: {named(lacking)}",
        f"all of them offer: {', '.join([*common, OFF])}; or narrow the selector",
    )


def check_conflicts(intent: Intent, standing: Sequence[Hold]) -> None:
    """Raises `ConflictError` where a hold of someone else stands and is not to be replaced."""
    others = [hold for hold in standing if hold.owner != intent.owner]
    if others and not intent.replace:
        first = others[0]
        raise ConflictError(
            f"{named([GroupKey(h.rig, h.group) for h in others])}: already held, "
            f"by {first.owner} ({first.reason})",
            f"ask them, release {first.hold_id}, or replace their holds with --replace",
        )


def check_locks(
    intent: Intent, views: Sequence[GroupView], pins: Mapping[GroupKey, str | None]
) -> None:
    """Raises `ConflictError` where the order would end what is locked and does not say so."""
    locked = [
        view
        for view in views
        if view.status and view.status.lock and pins[view.key] != view.status.active
    ]
    if locked and not intent.break_lock:
        first = locked[0].status.lock if locked[0].status else ""
        raise ConflictError(
            f"{named([view.key for view in locked])}: locked ({first})",
            "wait until it ends or narrow the selector; --break-lock leaves it all the same",
        )


def check_desks(
    intent: Intent,
    desks: Sequence[DeskSettings],
    views: Sequence[GroupView],
    pins: Mapping[GroupKey, str | None],
) -> None:
    """Raises `ConflictError` where a desk's operator orders what is another desk's.

    That is to run its workload, or to end one of it that a contract stands behind.
    """
    for view in views:
        kinds = {offer.name: offer.kind for offer in view.offer.workloads}
        wanted = [pins[view.key], *([view.assigned] if view.committed else [])]
        for workload in wanted:
            kind = None if workload is None else kinds.get(workload)
            desk = mandate.trespassed(desks, intent.owner, workload, kind)
            if desk is not None:
                raise ConflictError(
                    f"{view.key}: {workload} is desk {desk.name}'s, and {intent.owner} is none "
                    "of its operators",
                    f"ask one of them: {', '.join(desk.operators)}; or narrow the selector",
                )


def running(view: GroupView) -> str | None:
    """What a hold pins: what runs, or where the group is going when it is between two."""
    status = view.status
    if status is None or status.phase not in (Phase.RUNNING, Phase.IDLE):
        return view.assigned
    offered = {offer.name for offer in view.offer.workloads}
    return status.active if status.active in offered else None


def holds(
    order: str, intent: Intent, pins: Mapping[GroupKey, str | None], expires_at: float
) -> tuple[Hold, ...]:
    """One hold for each group, in the order of their keys; all ids begin with `order`."""
    return tuple(
        Hold(
            hold_id=f"{order}-{number}",
            rig=key.rig,
            group=key.group,
            workload=pins[key],
            owner=intent.owner,
            reason=intent.reason.strip(),
            created_at=expires_at - intent.for_s,
            expires_at=expires_at,
            breaks_lock=intent.break_lock,
        )
        for number, key in enumerate(sorted(pins), start=1)
    )


def moves(pins: Mapping[GroupKey, str | None], without: Plan, planned: Plan) -> tuple[Move, ...]:
    """The pinned groups, and those that the pins push elsewhere."""
    before = {decision.key: decision for decision in without.decisions}
    return tuple(
        Move(
            key=after.key,
            current=after.current,
            without=before[after.key].chosen,
            planned=after.chosen,
            without_usd_per_h=_net_usd_per_h(before[after.key]),
            planned_usd_per_h=_net_usd_per_h(after),
            obeyed=after.key not in pins or after.chosen == pins[after.key],
            reason=after.reason,
        )
        for after in planned.decisions
        if after.key in before and (after.key in pins or after.chosen != before[after.key].chosen)
    )


def gain_usd_per_h(without: Plan, planned: Plan) -> float | None:
    """What the fleet nets more each hour; none where a changed group has no price."""
    return gain_usd(without, planned, duration.SECONDS["h"], {})


def gain_usd(
    without: Plan, planned: Plan, for_s: float, switch_s: Mapping[GroupKey, float | None]
) -> float | None:
    """What the fleet nets more over `for_s` seconds; a group earns nothing while it switches."""
    before = {decision.key: decision for decision in without.decisions}
    total = 0.0
    for after in planned.decisions:
        other = before.get(after.key)
        if other is None or other.chosen == after.chosen:
            continue
        took_s = switch_s.get(after.key) or 0.0
        gained, forgone = _earned_usd(after, for_s, took_s), _earned_usd(other, for_s, took_s)
        if gained is None or forgone is None:
            return None
        total += gained - forgone
    return total


def named(keys: Sequence[GroupKey]) -> str:
    """Names for one message: the first few, the rest counted."""
    more = f" and {len(keys) - NAMED_MAX} more" if len(keys) > NAMED_MAX else ""
    return ", ".join(str(key) for key in sorted(keys)[:NAMED_MAX]) + more


def _earned_usd(decision: Decision, for_s: float, switch_s: float) -> float | None:
    net = _net_usd_per_h(decision)
    earning_s = max(0.0, for_s - switch_s) if decision.moves else for_s
    return None if net is None else net * earning_s / duration.SECONDS["h"]


def _net_usd_per_h(decision: Decision) -> float | None:
    options = {option.workload: option.net_usd_per_h for option in decision.options}
    return options.get(decision.chosen)
