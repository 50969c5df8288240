"""How far a contract's availability was kept this month, and how much downtime it can still bear.

Judged from the books: GPU-hours owed against GPU-hours in which its workload ran, proven. Months
are of the UTC calendar. What nobody looked at counts neither way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controller.core import reasons
from controller.core.obligation import Availability, Coverage
from controller.core.policy.contract import ContractSettings

SECONDS_PER_H = 3600.0

GUARD_RATIO = 0.25
"""A contract with no more than this part of its downtime left is spared what can be helped."""

MONTHS_KEPT = 2
"""This one, and the last for whoever looks right after its end."""

Month = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Service:
    """What a contract was owed in a month so far, and what of that it missed, GPU-hours."""

    owed_gpu_h: float = 0.0
    short_gpu_h: float = 0.0

    def plus(self, other: Service) -> Service:
        """Both together."""
        return Service(self.owed_gpu_h + other.owed_gpu_h, self.short_gpu_h + other.short_gpu_h)


class Attendance:
    """Service by contract and month, as the books tell it."""

    def __init__(self) -> None:
        self._service: dict[tuple[str, Month], Service] = {}

    def learn(self, contract: str, at: float, service: Service) -> None:
        """Add what was counted at an instant, or up to it."""
        key = contract, month(at)
        self._service[key] = self.service(contract, at).plus(service)
        months = sorted({month for _, month in self._service})[-MONTHS_KEPT:]
        self._service = {k: v for k, v in self._service.items() if k[1] in months}

    def service(self, contract: str, now: float) -> Service:
        """What is known of a contract's month."""
        return self._service.get((contract, month(now)), Service())


def judged(
    contracts: Sequence[ContractSettings], attendance: Attendance, now: float
) -> dict[str, Availability]:
    """How every contract in force stands, by name."""
    return {
        one.name: judge(one, attendance.service(one.name, now), now)
        for one in contracts
        if one.in_force(now)
    }


def judge(contract: ContractSettings, service: Service, now: float) -> Availability:
    """How a contract stands this month.

    What may be missing is a part of all that is owed in the month, so a contract that begins or
    ends within it may miss less.
    """
    begins, ends = month_begins_at(now), month_ends_at(now)
    hours = (min(ends, contract.ends_at) - max(begins, contract.starts_at)) / SECONDS_PER_H
    allowed_gpu_h = (1.0 - contract.availability_ratio) * contract.gpus * max(0.0, hours)
    left_gpu_h = allowed_gpu_h - service.short_gpu_h
    return Availability(
        promised_ratio=contract.availability_ratio,
        owed_gpu_h=service.owed_gpu_h,
        short_gpu_h=service.short_gpu_h,
        allowed_gpu_h=allowed_gpu_h,
        left_s=left_gpu_h / contract.gpus * SECONDS_PER_H,
        guarded=left_gpu_h <= GUARD_RATIO * allowed_gpu_h,
    )


def with_availability(
    coverages: Iterable[Coverage], known: Mapping[str, Availability]
) -> Iterator[Coverage]:
    """The same, each with how its contract stands."""
    for one in coverages:
        yield replace(one, availability=known.get(one.contract))


def warnings(
    known: Mapping[str, Availability], contracts: Mapping[str, ContractSettings]
) -> Iterator[str]:
    """Promises of availability that are broken, or soon will be, with their numbers."""
    for name, one in known.items():
        contract = contracts.get(name)
        if contract is None or not one.short_gpu_h:
            continue
        who = f"contract {name} with {contract.customer}"
        so_far = f"was served {one.ratio or 0.0:.3%} of this month so far"
        promised = f"{one.promised_ratio * 100:.6g}% is promised"
        if one.breached:
            due = one.short_gpu_h * contract.penalty_usd_per_gpu_h
            yield (
                f"{who} {so_far}, {promised}: {one.short_gpu_h:.1f} GPU-hours are missing where "
                f"{one.allowed_gpu_h:.1f} may be in the whole month, so ${due:.2f} are due"
            )
        elif one.guarded:
            left = reasons.span(one.left_s)
            yield f"{who} {so_far}, {promised}: it may be down for {left} more, so it is spared"


def month(at: float) -> Month:
    """Year and month of an instant, UTC."""
    day = datetime.fromtimestamp(at, UTC)
    return day.year, day.month


def month_begins_at(at: float) -> float:
    """The first instant of its month, epoch seconds."""
    year, number = month(at)
    return datetime(year, number, 1, tzinfo=UTC).timestamp()


def month_ends_at(at: float) -> float:
    """The first instant of the next month, epoch seconds."""
    year, number = month(at)
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp()
