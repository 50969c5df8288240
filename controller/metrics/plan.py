"""What the newest plan chose for every group, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator

from controller.core.model import Decision
from controller.metrics.gauge import Gauge, gauge
from controller.metrics.snapshot import ControllerSnapshot
from wire.model import OFF

_GROUP = ("rig", "group")


def decisions(now: ControllerSnapshot) -> Iterator[Gauge]:
    """By group and option."""
    decisions = now.plan.decisions if now.plan else ()
    options = [
        (decision, option, (*_names(decision), option.workload or OFF))
        for decision in decisions
        for option in decision.options
    ]
    yield gauge(
        "group_chosen",
        "1 for the workload that the plan chose for the group, 0 for each other option.",
        [*_GROUP, "workload"],
        {names: option.workload == decision.chosen for decision, option, names in options},
    )
    yield gauge(
        "option_net_usd_per_hour",
        "Expected net US dollars per hour of each option; absent without a trusted price.",
        [*_GROUP, "workload"],
        {names: option.net_usd_per_h for _, option, names in options},
    )
    yield gauge(
        "option_busy_watts",
        "Watts at the wall that the plan reckons with for each option, and where they come from.",
        [*_GROUP, "workload", "source"],
        {(*names, option.power_source.value): option.busy_w for _, option, names in options},
    )
    yield gauge(
        "option_nameplate_watts",
        "The same by settings or nameplate, whatever was measured; absent where nobody says.",
        [*_GROUP, "workload"],
        {names: option.nameplate_w for _, option, names in options},
    )
    yield gauge(
        "group_blocked",
        "1 for what kept the best-paying option from being chosen; other reasons are absent.",
        [*_GROUP, "reason"],
        {(*_names(decision), decision.blocked.value): 1 for decision in decisions},
    )
    yield gauge(
        "group_flip_distance_usd_per_hour",
        "How much the best rival's net must rise for the group to move; absent without a rival.",
        [*_GROUP],
        {_names(decision): decision.flip_usd_per_h for decision in decisions},
    )


def _names(decision: Decision) -> tuple[str, str]:
    return decision.key.rig, decision.key.group


def sums(now: ControllerSnapshot) -> Iterator[Gauge]:
    """Of the whole plan."""
    plan = now.plan
    age_s = now.now - plan.at if plan else None
    yield gauge("plan_age_seconds", "Time since the newest plan.", [], {(): age_s})
    help_ = "Time that the newest plan took to make."
    yield gauge("plan_duration_seconds", help_, [], {(): now.plan_duration_s})
    net = plan.net_usd_per_h if plan else None
    help_ = "Expected net US dollars per hour of the whole plan."
    yield gauge("plan_net_usd_per_hour", help_, [], {(): net})
    watts = {(site,): power_w for site, power_w in sorted((plan.power_w if plan else {}).items())}
    yield gauge("site_power_watts", "Expected power of the plan by site.", ["site"], watts)
    caps = {(site,): cap_w for site, cap_w in sorted(now.power_cap_w.items())}
    yield gauge("site_power_cap_watts", "Highest power allowed by site.", ["site"], caps)
