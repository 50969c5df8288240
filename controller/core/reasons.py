"""Why a group does what it does: one sentence for an operator at three in the morning.

The same words stand in API, CLI, console, log and on the rig. Texts only: nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from controller.core.charges.steps import Wish
from controller.core.model import Option
from wire.model import OFF, Kind

FINE_USD_PER_H = 0.01
"""Below this, money is written with a fourth decimal."""


def spelt(workload: str | None) -> str:
    """How people and metrics spell a workload."""
    return OFF if workload is None else workload


def act(workload: str | None, kind: Kind | None) -> str:
    """What the group shall do."""
    if workload is None:
        return "stand still"
    return f"{'serve' if kind is Kind.INFERENCE else 'mine'} {workload}"


def net(usd_per_h: float) -> str:
    """Net with its sign, e.g. `+$0.021/h`."""
    sign = "-" if usd_per_h < 0 else "+"
    return f"{sign}{amount(abs(usd_per_h))}"


def amount(usd_per_h: float) -> str:
    """A difference or a limit without a sign, e.g. `$0.021/h`."""
    decimals = 4 if 0 < abs(usd_per_h) < FINE_USD_PER_H else 3
    return f"${usd_per_h:.{decimals}f}/h"


def span(seconds: float) -> str:
    """A stretch of time, e.g. `90 s`, `25 min`, `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def asleep(woken_s: float | None) -> str:
    """What a server that sleeps beside the present workload takes to come back."""
    if woken_s is None:
        return "sleeps here; its class has never been woken on this route, so a full switch counts"
    return f"sleeps here, and is back in {span(woken_s)}"


def kilowatts(watts: float) -> str:
    """Power of a site, e.g. `12.4 kW`."""
    return f"{watts / 1000:.{1 if watts >= 10_000 else 2}f} kW"


def margin(hurdle_usd_per_h: float) -> str:
    """Blocked by the band or the payback."""
    return f"a move there must gain more than {amount(hurdle_usd_per_h)}"


def dollars(usd: float) -> str:
    """An amount of money without a sign, e.g. `$0.42`."""
    return f"${usd:.{4 if 0 < abs(usd) < FINE_USD_PER_H else 2}f}"


def turn(hours: float, usd_per_kwh: float, now_usd_per_kwh: float) -> str:
    """What is announced of power, as a clause that follows."""
    way = "falls" if usd_per_kwh < now_usd_per_kwh else "rises"
    when = f"in {span(hours * 3600.0)}"
    return (
        f"; power {way} from ${now_usd_per_kwh:.3f} to ${usd_per_kwh:.3f}/kWh {when}, as announced"
    )


def expected_less(lasting_usd: float, now_usd: float, hours: int) -> str:
    """Blocked because the coming hours are expected to bring less there, or no more yet."""
    paid = "switch cost and margin included"
    if lasting_usd < 0.0:
        less = dollars(-lasting_usd)
        return f"over the next {hours} h it is expected to bring {less} less than staying, {paid}"
    less = dollars(max(0.0, -now_usd))
    return f"going there now is expected to bring {less} less than going later, {paid}"


def dwell(left_s: float) -> str:
    """Blocked by the minimum time."""
    return f"the group stays where it was put for another {span(left_s)}"


def demand(groups: float, serving: int) -> str:
    """Blocked by finite inference demand."""
    if groups == 0:
        return "nobody asks for inference at the site"
    return f"the site has demand for {groups:.1f} groups and {serving} serve"


def power_cap(cap_w: float, power_w: float) -> str:
    """Blocked by the site's power cap."""
    return f"the site may draw {kilowatts(cap_w)} and draws {kilowatts(power_w)} as planned"


def peak(wish: Wish) -> str:
    """Blocked because a higher peak would cost more than it brings in."""
    more_w = wish.free_w - wish.held_w
    return (
        f"{kilowatts(more_w)} above {kilowatts(wish.held_w)} would earn "
        f"{amount(wish.forgone_usd_per_h)} and would have to earn "
        f"{amount(wish.asked_usd_per_h)} for the demand charge to pay"
    )


def peak_kept(site: str, wish: Wish) -> str:
    """A site that stays below its peak, though more would pay but for the charge."""
    return f"site {site} keeps its peak: {peak(wish)}"


def concurrency(site_max: int, fleet_max: int) -> str:
    """Blocked by the limit on switches."""
    return f"only {site_max} groups of the site and {fleet_max} of the fleet may switch at once"


def canary(names: str, canary_s: float) -> str:
    """Held back until somebody has proven the workload."""
    return f"{names} must have run it for {span(canary_s)} first"


def wave(moving: int, size: int) -> str:
    """Held back so that a class does not move all at once."""
    return f"{moving} of {size} groups of its class are on their way there"


def stopped(failed: int, ended: int, window_s: float) -> str:
    """Held back because too many have failed."""
    return (
        f"{failed} of {ended} switches of its class to it failed in the last {span(window_s)}; "
        "an operator's switch goes through all the same"
    )


def ramp(site: str, begun_w: float, ramp_w: float) -> str:
    """Held back so that a site's draw rises slowly."""
    return f"site {site} adds {kilowatts(begun_w)} in this minute and may add {kilowatts(ramp_w)}"


def held_back(stays: str, target: str, why: str) -> str:
    """A group whose move to what pays more must wait."""
    return f"{stays} for now: {target} pays more, but {why}"


def required(names: Sequence[str]) -> str:
    """Blocked by what the fleet owes or may not exceed."""
    return f"the fleet has to keep to {' and '.join(names)}"


def rejected(reason: str) -> str:
    """Blocked because it failed."""
    return f"it failed here: {reason or 'the rig gives no reason'}"


def tied(what: str, usd_per_h: float | None, why: str) -> str:
    """A group that no price may move."""
    return f"{what}: {why}" + ("" if usd_per_h is None else f" (nets {net(usd_per_h)})")


def unpriced(what: str, why: str) -> str:
    """A group that stays because what it does has no price."""
    return f"{what} as before: {why}"


def kept(what: str, usd_per_h: float, second: Option | None) -> str:
    """A group that has the best option; `second` is the next one that has a price."""
    start = f"{what}: {net(usd_per_h)}"
    if second is None or second.net_usd_per_h is None:
        return f"{start}; nothing else has a price here"
    other = act(second.workload, second.kind)
    return f"{start}; the next best is to {other} with {net(second.net_usd_per_h)}"


def kept_from(what: str, usd_per_h: float, rival: Option, lead_usd_per_h: float) -> str:
    """A group that something keeps from an option that pays more."""
    who = "standing still" if rival.workload is None else rival.workload
    return (
        f"{what}: {net(usd_per_h)}; {who} would net {amount(lead_usd_per_h)} more, but {rival.why}"
    )


def moved(what: str, before: str, usd_per_h: float | None, stay_usd_per_h: float | None) -> str:
    """A group that goes where it earns more."""
    if usd_per_h is None or stay_usd_per_h is None:
        return f"{what} instead of to {before}, which has no price"
    more = amount(usd_per_h - stay_usd_per_h)
    return f"{what}: {net(usd_per_h)}, {more} more than to {before}"


def foreseen(what: str, before: str, usd_per_h: float | None, more_usd: float, hours: int) -> str:
    """A group that goes where more is expected."""
    now = "no price now" if usd_per_h is None else f"{net(usd_per_h)} now"
    return (
        f"{what}: {now}; expects {dollars(more_usd)} more over the next {hours} h than to "
        f"{before} all the while, switch cost and margin included"
    )


def shed(what: str, before: str, why: str) -> str:
    """A group that goes where it draws less."""
    return f"{what}: {why}; to {before} would be too much"


def owed(what: str, before: str, names: Sequence[str]) -> str:
    """A group that goes where what the fleet owes needs it."""
    return f"{what} instead of to {before}: {required(names)}"


def fallen_back(what: str, usd_per_h: float, failed: str, why: str) -> str:
    """A group whose assigned workload failed and that goes on with another."""
    return f"{what}: {net(usd_per_h)}; {failed} was assigned, but {why}"


def grid_order(owner: str, reason: str, ends_at: float) -> str:
    """Why a site may draw less: somebody outside asked for it."""
    until = datetime.fromtimestamp(ends_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"a grid order of {owner} until {until}: {reason}"


def strike(above_usd_per_kwh: float, below_usd_per_kwh: float) -> str:
    """Why a site may draw less: power is dear."""
    return (
        f"power costs more than ${above_usd_per_kwh:g}/kWh, until it costs at most "
        f"${below_usd_per_kwh:g}/kWh"
    )


def curtailed(site: str, cap_w: float, why: str) -> str:
    """A site that is limited for a while."""
    return f"site {site} may draw {kilowatts(cap_w)} for now: {why}"


def premium(usd_per_h: float, rules: Sequence[str]) -> str:
    """What rules of the policy add to an option when choosing."""
    return f"; it counts {net(usd_per_h)} beside its net by {', '.join(rules)}"


def over_cap(site: str, cap_w: float, power_w: float) -> str:
    """A cap that even the thriftiest plan exceeds."""
    return (
        f"site {site} may draw {kilowatts(cap_w)} but the plan draws {kilowatts(power_w)}: "
        "what is left stands still already or cannot be moved (held, locked, committed, offline, "
        "failed or in a switch)"
    )


def over_switches(where: str, planned: int, allowed: int) -> str:
    """More switches than the limit, because a hold or a power cap asks for them."""
    return (
        f"{where}: {planned} groups will be in a switch where {allowed} may: "
        "they are under way already, or a hold or a power cap asks for them"
    )


def unproven(trouble: str, gap_usd_per_h: float | None) -> str:
    """A plan that may not be the best."""
    far = "by an unknown amount" if gap_usd_per_h is None else f"by {amount(gap_usd_per_h)} at most"
    return f"a better plan may exist, {far}: {trouble}"
