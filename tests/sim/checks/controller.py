"""What must be true of the controller: of its prices, its plans and its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.core.model import Decision, GroupKey, GroupView, Hold, Quote
from wire.model import Outcome, Phase, Result


def believable(quotes: Mapping[str, Quote], bands: Mapping[str, tuple[float, float]]) -> str:
    """No price outside what its owner calls plausible."""
    for series, quote in quotes.items():
        low, high = bands[series]
        if quote.value is not None and not low <= quote.value <= high:
            return f"{series} at {quote.value:g} is believed"
    return ""


def current(quotes: Mapping[str, Quote], silent_s: float, stale_after_s: float) -> str:
    """No price that nobody has repeated for too long."""
    if silent_s > stale_after_s:
        for series, quote in quotes.items():
            if quote.value is not None:
                return f"{series} is believed {silent_s:.0f} s after it was last heard"
    return ""


def switching(view: GroupView) -> bool:
    """Whether the controller must take a group to be in a switch."""
    status = view.status
    if not view.online or status is None:
        return False
    return not status.phase.stable or status.generation < view.generation


def within_limit(
    views: Sequence[GroupView], decisions: Sequence[Decision], held: set[GroupKey], most: int
) -> str:
    """Groups that are sent off for money fit beside those under way and what contracts send off."""
    under_way = sum(switching(view) for view in views)
    runs = {view.key: view.status.active for view in views if view.status is not None}
    begun = [d for d in decisions if d.moves and d.chosen != runs.get(d.key) and d.key not in held]
    for_money = sum(not decision.committed for decision in begun)
    under_way += len(begun) - for_money
    if for_money > max(0, most - under_way):
        return f"{for_money} groups are sent off while {under_way} are under way; {most} may be"
    return ""


def movable(decision: Decision, view: GroupView, hold: Hold | None) -> str:
    """No price moves a group that is away, on its way already, or out of order."""
    if hold is not None or not decision.moves:
        return ""
    if not view.online or view.status is None:
        return f"{decision.key} is sent to {decision.chosen} while nobody hears of it"
    if switching(view) or view.status.phase is Phase.FAILED:
        return f"{decision.key} is sent to {decision.chosen} while it is {view.status.phase}"
    return ""


def lock_respected(decision: Decision, view: GroupView, hold: Hold | None) -> str:
    """No plan leaves what is locked, unless an operator says so in so many words."""
    status = view.status
    if status is None or not status.lock or (hold is not None and hold.breaks_lock):
        return ""
    if decision.chosen in (status.active, view.assigned):
        return ""
    return f"{decision.key} is sent to {decision.chosen} although it is locked: {status.lock}"


def obeyed(decision: Decision, view: GroupView, hold: Hold | None, offered: Sequence[str]) -> str:
    """An operator's hold beats every price, and a lock only if it says so."""
    if hold is not None and view.status is not None and view.status.lock and not hold.breaks_lock:
        return ""
    if hold is None or hold.workload not in (None, *offered) or decision.chosen == hold.workload:
        return ""
    return f"{decision.key} is held to {hold.workload} and sent to {decision.chosen}"


def not_again(workload: str | None, failed_s_ago: float, retry_s: float) -> str:
    """What failed on a group is not tried for its price before its time."""
    if failed_s_ago < retry_s:
        return f"{workload} is tried again {failed_s_ago:.0f} s after it failed"
    return ""


def ends_alike(old: Outcome | None, new: Outcome) -> str:
    """An assignment ends in exactly one way."""
    if old is None or old.result is new.result:
        return ""
    return f"{new.group} generation {new.generation} ended {old.result} and {new.result}"


def says_why(outcome: Outcome) -> str:
    """What did not go as asked says why."""
    if outcome.reason or outcome.result is Result.DONE:
        return ""
    return f"{outcome.group} generation {outcome.generation} is {outcome.result} without a reason"


def unlisted_refused(outcome: Outcome, unlisted: str) -> str:
    """What is not on the rig's list is refused, whoever signed it."""
    if outcome.workload != unlisted or outcome.result is Result.REFUSED:
        return ""
    return f"an order for {unlisted} ended {outcome.result}"
