"""What is owed and how far the plan gives it. Values that nobody knows are none."""

from __future__ import annotations

from collections.abc import Iterator

from controller.core.model import Plan
from controller.core.obligation import Availability
from controller.metrics.gauge import Gauge, gauge
from controller.metrics.snapshot import ControllerSnapshot

STATES = ("owed", "bound", "serving", "lacking")
SIDES = ("short", "excess")


def gauges(now: ControllerSnapshot) -> Iterator[Gauge]:
    """Of the newest plan; without one, families without samples."""
    plan = now.plan
    yield from _contracts(plan)
    yield from _availability(plan)
    yield from _requirements(plan)
    yield from _optimum(plan)


def _contracts(plan: Plan | None) -> Iterator[Gauge]:
    gpus = {
        (one.contract, state): getattr(one, f"{state}_gpus")
        for one in (plan.contracts if plan else ())
        for state in STATES
    }
    help_ = "GPUs of a contract: owed, bound to it by the plan, serving now, found nowhere."
    yield gauge("contract_gpus", help_, ["contract", "state"], gpus)


def _availability(plan: Plan | None) -> Iterator[Gauge]:
    known: dict[tuple[str, ...], Availability] = {
        (one.contract,): one.availability
        for one in (plan.contracts if plan else ())
        if one.availability is not None
    }
    yield gauge(
        "contract_availability_ratio",
        "Served part of the GPU-hours that a contract was owed this month so far.",
        ["contract"],
        {name: one.ratio for name, one in known.items()},
    )
    yield gauge(
        "contract_promised_availability_ratio",
        "The same as it is promised for the whole month.",
        ["contract"],
        {name: one.promised_ratio for name, one in known.items()},
    )
    yield gauge(
        "contract_downtime_left_seconds",
        "How long a whole contract may still be down this month; below 0 its penalty is due.",
        ["contract"],
        {name: one.left_s for name, one in known.items()},
    )


def _requirements(plan: Plan | None) -> Iterator[Gauge]:
    met = {(one.name,): float(one.met) for one in (plan.requirements if plan else ())}
    help_ = "1 where the plan meets what the policy requires of the whole fleet, else 0."
    yield gauge("requirement_met", help_, ["requirement"], met)
    unmet = {
        (one.name, one.unit, side): getattr(one, side)
        for one in (plan.unmet if plan else ())
        for side in SIDES
    }
    help_ = "What a requirement lacks or has too much of, in its unit; absent where it is met."
    yield gauge("requirement_unmet", help_, ["requirement", "unit", "side"], unmet)


def _optimum(plan: Plan | None) -> Iterator[Gauge]:
    gap = plan.gap_usd_per_h if plan else None
    help_ = "How much better a plan may exist at most; 0: this is the best, absent: unknown."
    yield gauge("plan_gap_usd_per_hour", help_, [], {(): gap})
