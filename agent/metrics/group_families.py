"""Metrics of GPU groups and of what runs on them."""

from __future__ import annotations

from collections.abc import Iterator

from agent.metrics.family import Family, Row, Type, group, one_of, workload_by
from agent.metrics.snapshot import AgentSnapshot
from wire.model import OFF, Phase


def _phases(snapshot: AgentSnapshot) -> Iterator[Row]:
    for status in snapshot.groups:
        for phase, on in one_of(Phase, [status.phase]):
            yield Row((status.group, phase), on)


def _active(snapshot: AgentSnapshot) -> Iterator[Row]:
    return (Row((status.group, status.active or OFF), 1) for status in snapshot.groups)


def _targets(snapshot: AgentSnapshot) -> Iterator[Row]:
    return (Row((status.group, status.target or OFF), 1) for status in snapshot.groups)


def _phase_ages(snapshot: AgentSnapshot) -> Iterator[Row]:
    for status in snapshot.groups:
        yield Row((status.group,), snapshot.rig_time_s - status.since_s)


def _phase_times(snapshot: AgentSnapshot) -> Iterator[Row]:
    for time in snapshot.phase_times:
        yield Row((time.group, time.phase), time.seconds, time.visits)


def _unapproved(snapshot: AgentSnapshot) -> Iterator[Row]:
    for pins in snapshot.pins:
        yield Row((pins.group, "wallet"), pins.wallets)
        yield Row((pins.group, "pool"), pins.pools)


def _pin_failures(snapshot: AgentSnapshot) -> Iterator[Row]:
    return (Row((pins.group,), pins.failures) for pins in snapshot.pins)


def _ended(snapshot: AgentSnapshot) -> Iterator[Row]:
    for outcome in snapshot.outcomes:
        yield Row((outcome.group, outcome.result), outcome.count)


def _safety(snapshot: AgentSnapshot) -> Iterator[Row]:
    return (Row((count.group, count.action), count.count) for count in snapshot.safety)


GROUPS = (
    Family(
        "rigshift_group_phase",
        Type.GAUGE,
        ("group", "phase"),
        "1 for the phase that the GPU group is in, 0 for every other.",
        _phases,
    ),
    Family(
        "rigshift_group_phase_age_seconds",
        Type.GAUGE,
        ("group",),
        "Time since the GPU group entered its phase.",
        _phase_ages,
    ),
    Family(
        "rigshift_group_active_workload_info",
        Type.INFO,
        ("group", "workload"),
        "Workload that may hold the group's GPUs, or off; always 1.",
        _active,
    ),
    Family(
        "rigshift_group_target_workload_info",
        Type.INFO,
        ("group", "workload"),
        "Workload that the group is on its way to, or off; always 1.",
        _targets,
    ),
    group(
        "generation",
        "Newest assignment that was received and persisted.",
        lambda status: status.generation,
    ),
    group(
        "lapsed",
        "1 while the lease has run out and the rig follows its own offline policy.",
        lambda status: status.lapsed,
    ),
    group(
        "locked",
        "1 while nothing economic may move the group because it is rented or otherwise locked.",
        lambda status: bool(status.lock),
    ),
    group(
        "rejected_workloads",
        "Workloads that failed within the present generation.",
        lambda status: len(status.rejected),
    ),
    group(
        "derate_steps",
        "Steps by which safety has lowered the group's power limit; 0: none.",
        lambda status: status.derate,
    ),
    Family(
        "rigshift_safety_actions_total",
        Type.COUNTER,
        ("group", "action"),
        "What safety has done to the group: derate, restore, restart or stop.",
        _safety,
    ),
    Family(
        "rigshift_group_phase_visit_seconds",
        Type.SUMMARY,
        ("group", "phase"),
        "Time spent in each phase, and visits to it.",
        _phase_times,
    ),
    Family(
        "rigshift_assignments_ended_total",
        Type.COUNTER,
        ("group", "result"),
        "Assignments that ended, by result.",
        _ended,
    ),
    Family(
        "rigshift_pin_violations_total",
        Type.COUNTER,
        ("group", "kind"),
        "Unapproved wallets and pools that were found; each stopped its workload.",
        _unapproved,
    ),
    Family(
        "rigshift_pin_check_failures_total",
        Type.COUNTER,
        ("group",),
        "Looks at whom a workload pays that told nothing.",
        _pin_failures,
    ),
)

WORKLOADS = (
    workload_by(
        "hashes_per_second",
        Type.GAUGE,
        None,
        "Hash rate that the miner tells.",
        lambda reading: [("", reading.hashrate_hps)],
    ),
    workload_by(
        "shares_total",
        Type.COUNTER,
        "result",
        "Shares since the miner started, accepted by the pool, rejected, or stale.",
        lambda reading: [
            ("accepted", reading.shares_accepted),
            ("rejected", reading.shares_rejected),
            ("stale", reading.shares_stale),
        ],
    ),
    workload_by(
        "requests",
        Type.GAUGE,
        "state",
        "Requests at the inference server, running or waiting.",
        lambda reading: [
            ("running", reading.requests_running),
            ("waiting", reading.requests_waiting),
        ],
    ),
    workload_by(
        "tokens_total",
        Type.COUNTER,
        None,
        "Tokens generated since the inference server started.",
        lambda reading: [("", reading.tokens_total)],
    ),
    workload_by(
        "rented_gpus",
        Type.GAUGE,
        None,
        "GPUs that tenants of the marketplace have now.",
        lambda reading: [("", reading.gpus_rented)],
    ),
    workload_by(
        "earning_usd_per_hour",
        Type.GAUGE,
        None,
        "US dollars per hour that the marketplace says it pays now.",
        lambda reading: [("", reading.earning_usd_per_h)],
    ),
)
