"""The fleet in lines and figures for people. Pure: views, plans and readings in, answers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from controller.answers import Check, GroupLine, RigLine, Summary
from controller.core import selector
from controller.core.model import GroupKey, GroupView, Hold, Plan, Quote, QuoteState, RigRecord
from wire.model import OFF, Phase, Sample

NAMED_MAX = 8
"""Names in one check; the rest are counted."""


def group_lines(
    views: Sequence[GroupView], plan: Plan | None, holds: Sequence[Hold]
) -> tuple[GroupLine, ...]:
    """One line for each view."""
    by_key = {GroupKey(hold.rig, hold.group): hold for hold in holds}
    nets = {
        decision.key: option.net_usd_per_h
        for decision in (plan.decisions if plan else ())
        for option in decision.options
        if option.workload == decision.chosen
    }
    return tuple(_group_line(view, by_key.get(view.key), nets.get(view.key)) for view in views)


def _group_line(view: GroupView, hold: Hold | None, net_usd_per_h: float | None) -> GroupLine:
    status = view.status
    return GroupLine(
        key=view.key,
        site=view.site,
        rig_class=view.rig_class,
        online=view.online,
        state=selector.state(view),
        phase=status.phase if status else None,
        active=status.active if status else None,
        assigned=view.assigned,
        generation=view.generation,
        observed_generation=status.generation if status else 0,
        rejected=status.rejected if status else (),
        reason=status.reason if status else "its rig has not reported since the controller started",
        hold=hold,
        net_usd_per_h=net_usd_per_h,
        measured=view.measured,
        lock=status.lock if status else "",
    )


def rig_lines(
    records: Sequence[RigRecord],
    online: Collection[str],
    lines: Sequence[GroupLine],
    samples: Mapping[str, Sample],
) -> tuple[RigLine, ...]:
    """One line for each rig of the inventory."""
    by_rig: dict[str, list[GroupLine]] = {}
    for line in lines:
        by_rig.setdefault(line.key.rig, []).append(line)
    return tuple(
        _rig_line(record, record.rig in online, by_rig.get(record.rig, []), samples.get(record.rig))
        for record in records
    )


def _rig_line(
    record: RigRecord, online: bool, lines: Sequence[GroupLine], sample: Sample | None
) -> RigLine:
    gpus = sample.gpus if sample else ()
    watts = [gpu.power_w for gpu in gpus if gpu.power_w is not None]
    return RigLine(
        rig=record.rig,
        site=record.site,
        rig_class=record.rig_class,
        labels=record.labels,
        online=online,
        revoked=record.revoked,
        groups=tuple(lines),
        gpus=len(gpus),
        gpus_failing=sum(gpu.error is not None for gpu in gpus),
        power_w=sum(watts) if watts else None,
        temperature_max_c=max(
            (gpu.temperature_c for gpu in gpus if gpu.temperature_c is not None), default=None
        ),
        sample_at_s=sample.at_s if sample else None,
        trouble=_trouble(sample),
    )


def _runs(line: GroupLine) -> str:
    """What a group runs, for people; `unknown` until its rig has reported."""
    return "unknown" if line.phase is None else line.active or OFF


def _trouble(sample: Sample | None) -> str:
    if sample is None:
        return "no readings have arrived since the controller started"
    return "" if sample.ok else sample.reason


def summary(
    at: float,
    rigs: Sequence[RigLine],
    plan: Plan | None,
    holds: Sequence[Hold],
    trouble: Sequence[Check],
) -> Summary:
    """The fleet at a glance; revoked rigs are no part of it."""
    admitted = [rig for rig in rigs if not rig.revoked]
    lines = [line for rig in admitted for line in rig.groups]
    return Summary(
        at=at,
        plan_at=plan.at if plan else None,
        rigs=len(admitted),
        rigs_online=sum(rig.online for rig in admitted),
        groups=len(lines),
        by_state=dict(sorted(Counter(line.state for line in lines).items())),
        by_workload=dict(sorted(Counter(_runs(line) for line in lines).items())),
        net_usd_per_h=plan.net_usd_per_h if plan else None,
        power_w=dict(plan.power_w) if plan else {},
        moving=tuple(line for line in lines if line.state == "switching"),
        holds=tuple(holds),
        trouble=tuple(trouble),
        locked=tuple(line for line in lines if line.lock),
    )


def checks(rigs: Sequence[RigLine], quotes: Sequence[Quote]) -> tuple[Check, ...]:
    """What is worth a look in the fleet and its prices."""
    admitted = [rig for rig in rigs if not rig.revoked]
    lines = [line for rig in admitted for line in rig.groups]
    return (
        _check(
            "rigs online",
            [rig.rig for rig in admitted if not rig.online],
            len(admitted),
            "silent; look at their network and `systemctl status rigshift-agent`",
        ),
        _check(
            "groups sound",
            [f"{line.key} ({line.reason})" for line in lines if line.phase is Phase.FAILED],
            len(lines),
            "failed; see `rigshift explain`, mend the cause, then order a workload anew",
        ),
        _check(
            "workloads accepted",
            [f"{line.key} ({line.rejected[0].workload})" for line in lines if line.rejected],
            len(lines),
            "turned a workload down; see `rigshift explain` for the cause",
        ),
        _check(
            "readings",
            [rig.rig for rig in admitted if rig.online and (rig.trouble or rig.gpus_failing)],
            len(admitted),
            "without full readings; see `rigshift rigs` and the agent's log",
        ),
        _check(
            "prices",
            [f"{q.series} ({q.state})" for q in quotes if q.state is not QuoteState.FRESH],
            len(quotes),
            "not fresh; `rigshift quotes` says why",
        ),
    )


def promises(plan: Plan | None) -> tuple[Check, ...]:
    """Whether contracts have what they are owed; nothing where there are none."""
    if plan is None or not plan.contracts:
        return ()
    short = [
        f"{one.contract} lacks {one.lacking_gpus} of {one.owed_gpus} GPUs ({one.why})"
        for one in plan.contracts
        if one.lacking_gpus
    ]
    hint = "short; `rigshift policy show` says of what"
    judged = [(one.contract, one.availability) for one in plan.contracts if one.availability]
    broken = [
        f"{name} was served {one.ratio or 0.0:.3%} this month, "
        f"{one.promised_ratio * 100:.6g}% is promised"
        for name, one in judged
        if one.breached
    ]
    given = _check("contracts", short, len(plan.contracts), hint)
    if not judged:
        return (given,)
    return given, _check("availability", broken, len(judged), "below what is promised")


def _check(name: str, bad: Sequence[str], count: int, hint: str) -> Check:
    if not bad:
        return Check(name, True, f"all {count}")
    more = f" and {len(bad) - NAMED_MAX} more" if len(bad) > NAMED_MAX else ""
    return Check(name, False, f"{len(bad)} of {count} {hint}: {', '.join(bad[:NAMED_MAX])}{more}")
