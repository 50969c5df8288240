"""A month of the books as people read it: lines by whatever they ask, and what they add up to.

Field names are a public contract. It computes sums and differences only; a penalty is due when a
contract was short of more GPU-hours in the month than it may be.
"""

from __future__ import annotations

import calendar
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from controller.core.books.entries import (
    MICRO,
    NOTHING,
    Account,
    DecisionRecord,
    Entry,
    Measure,
    Sums,
    plus,
    total,
)
from wire.model import OFF

EPOCH = date(1970, 1, 1)
_MONTH = re.compile(r"(\d{4})-(\d{2})")


class By(StrEnum):
    """What a line stands for."""

    DESK = "desk"
    SITE = "site"
    RIG = "rig"
    WORKLOAD = "workload"
    DAY = "day"
    DECISION = "decision"
    ITEM = "item"
    """Contracts and charges."""


KEPT: Mapping[By, tuple[str, ...]] = {
    By.DESK: ("desk",),
    By.SITE: ("site",),
    By.RIG: ("site", "rig"),
    By.WORKLOAD: ("workload",),
    By.DAY: ("day",),
    By.DECISION: ("site", "rig", "group", "generation"),
    By.ITEM: ("item",),
}
"""What tells two lines apart."""


class StatementError(ValueError):
    """No month can be meant; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What some part of the month came to; costs are above 0. What is estimated is called so."""

    net_estimate_usd: float
    """`operating_estimate_usd` less penalties and charges."""
    operating_estimate_usd: float
    """Income less energy and wear: what compares with `expected_usd`."""
    expected_usd: float
    """What plans promised for the hours that are known, their switches paid."""
    income_estimate_usd: float
    """At quotes; what is paid by contract is not in it."""
    contract_usd: float
    energy_estimate_usd: float
    wear_estimate_usd: float
    penalty_usd: float
    charge_usd: float
    gain_estimate_usd: float
    """Beyond having stayed, of decisions that moved a group; part of no net."""
    interrupted_estimate_usd: float
    """What staying would have earned during switches; part of no net."""
    energy_estimate_kwh: float
    earning_h: float
    still_h: float
    switching_h: float
    down_h: float
    failed_h: float
    unpriced_h: float
    unknown_h: float
    unaccounted_h: float
    owed_gpu_h: float
    short_gpu_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One part of the month; what does not tell it from others is empty, or 0."""

    day: str
    site: str
    rig: str
    group: str
    workload: str
    desk: str
    item: str
    generation: int
    decided_at: float | None
    """Of a decision: when, epoch seconds."""
    origin: str
    """Of a decision: what the group did before."""
    target: str
    """Of a decision: what was ordered."""
    reason: str
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A month, or what of it has passed."""

    month: str
    """Such as `2026-11`, by UTC."""
    by: By
    booked_through: float
    """Epoch seconds: what comes later is in no line."""
    lines: tuple[Line, ...]
    left_out: int
    """Lines that were not asked for; they are in the total."""
    total: Figures
    notes: tuple[str, ...]
    """What is estimated, and what is missing."""


def days(month: str) -> tuple[int, int]:
    """First and last day of a month, since 1970. Raises `StatementError`."""
    found = _MONTH.fullmatch(month)
    year, number = (int(part) for part in found.groups()) if found else (0, 0)
    if year < 1970 or not 1 <= number <= 12:
        raise StatementError(f"{month!r} is no month")
    first = (date(year, number, 1) - EPOCH).days
    return first, first + calendar.monthrange(year, number)[1] - 1


def month_of(at: float) -> str:
    """The month of an instant, by UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


def statement(
    month: str,
    by: By,
    entries: Iterable[Entry],
    records: Iterable[DecisionRecord],
    booked_through: float,
    *,
    extremes: int | None = None,
) -> Statement:
    """The statement.

    Args:
        month: What all entries are of.
        by: What tells the lines apart.
        entries: Gathered by at least `KEPT[by]` and the item.
        records: Of decisions, for their reasons.
        booked_through: Until when books were kept, epoch seconds.
        extremes: Of decisions that moved a group only so many that gained least, and most.
    """
    entries = list(entries)
    due = _due(entries)
    found: dict[Account, Sums] = defaultdict(lambda: NOTHING)
    for account, sums in entries:
        key = account.only(KEPT[by])
        found[key] = plus(found[key], _settled(account, sums, due))
    known = {(one.rig, one.group, one.generation): one for one in records}
    keys = sorted(found)
    if extremes is not None and by is By.DECISION:
        keys = _extreme(keys, found, known, extremes)
    whole = total(Entry(key, sums) for key, sums in found.items())
    return Statement(
        month=month,
        by=by,
        booked_through=booked_through,
        lines=tuple(_line(key, found[key], known) for key in keys),
        left_out=len(found) - len(keys),
        total=figures(whole),
        notes=tuple(_notes(whole)),
    )


_ESTIMATED = {
    "income_estimate_usd": Measure.INCOME_USD,
    "energy_estimate_usd": Measure.ENERGY_USD,
    "energy_estimate_kwh": Measure.ENERGY_KWH,
    "wear_estimate_usd": Measure.WEAR_USD,
    "gain_estimate_usd": Measure.GAIN_USD,
    "interrupted_estimate_usd": Measure.INTERRUPTED_USD,
}


def figures(sums: Sums) -> Figures:
    """What sums come to, with what follows from them."""
    income = sums[Measure.INCOME_USD] + sums[Measure.CONTRACT_USD]
    operating = income - sums[Measure.ENERGY_USD] - sums[Measure.WEAR_USD]
    owed = sums[Measure.PENALTY_USD] + sums[Measure.CHARGE_USD]
    known = {measure.name.lower(): sums[measure] for measure in Measure}
    known |= {name: sums[measure] for name, measure in _ESTIMATED.items()}
    known |= {"operating_estimate_usd": operating, "net_estimate_usd": operating - owed}
    return Figures(**{name: known[name] / MICRO for name in Figures.__dataclass_fields__})


def _due(entries: Sequence[Entry]) -> Collection[str]:
    """Contracts that were short of more than they may be."""
    sums: dict[str, Sums] = defaultdict(lambda: NOTHING)
    for account, amounts in entries:
        if account.item:
            sums[account.item] = plus(sums[account.item], amounts)
    return {
        item for item, of in sums.items() if of[Measure.SHORT_GPU_H] > of[Measure.ALLOWED_GPU_H]
    }


def _settled(account: Account, sums: Sums, due: Collection[str]) -> Sums:
    """With the penalty only where it is due."""
    if not sums[Measure.PENALTY_USD] or account.item in due:
        return sums
    return tuple(0 if place == Measure.PENALTY_USD else part for place, part in enumerate(sums))


def _extreme(
    keys: Sequence[Account],
    found: Mapping[Account, Sums],
    known: Mapping[tuple[str, str, int], DecisionRecord],
    count: int,
) -> list[Account]:
    """Those that gained least, and those that gained most, in that order."""
    moved = [key for key in keys if _moved(known.get((key.rig, key.group, key.generation)))]
    moved.sort(key=lambda key: (found[key][Measure.GAIN_USD], key))
    return moved if len(moved) <= 2 * count else moved[:count] + moved[len(moved) - count :]


def _moved(record: DecisionRecord | None) -> bool:
    return record is not None and record.origin != record.workload


def _line(key: Account, sums: Sums, known: Mapping[tuple[str, str, int], DecisionRecord]) -> Line:
    record = known.get((key.rig, key.group, key.generation)) if key.generation else None
    return Line(
        day=(EPOCH + timedelta(days=key.day)).isoformat() if key.day else "",
        site=key.site,
        rig=key.rig,
        group=key.group,
        workload=key.workload,
        desk=key.desk,
        item=key.item,
        generation=key.generation,
        decided_at=None if record is None else record.at,
        origin="" if record is None else record.origin or OFF,
        target="" if record is None else record.workload or OFF,
        reason="" if record is None else record.reason,
        figures=figures(sums),
    )


ESTIMATES = (
    (
        "Income is an estimate: trusted quotes times measured or set yield. What a pool or a "
        "customer without a contract really paid stands on their own statements."
    ),
    (
        "Energy is an estimate: measured or set watts at the wall times the site's all-in price; "
        "while a group switches or has failed, what it draws standing still."
    ),
)


def _notes(whole: Sums) -> Iterator[str]:
    yield from ESTIMATES
    if whole[Measure.WEAR_USD]:
        yield "Wear is an estimate: what the policy says that a switch costs beside its time."
    if whole[Measure.CONTRACT_USD] or whole[Measure.OWED_GPU_H]:
        yield (
            "Income under contract is what the contract pays for GPUs that served; a penalty is "
            "booked where more GPU-hours are missing than the contract allows of those that were "
            "owed; until the month is over, it may go again."
        )
    for measure, text in (
        (Measure.UNACCOUNTED_H, "no controller kept books, and nothing is booked for them"),
        (Measure.UNKNOWN_H, "their rigs were silent, and nothing is booked for them"),
        (Measure.UNPRICED_H, "what ran had no trusted price, and no income is booked for them"),
    ):
        if whole[measure]:
            yield f"Missing: {whole[measure] / MICRO:,.2f} group-hours: {text}."
