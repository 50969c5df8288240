"""What the cohorts of one site should do while nothing but inference demand is scarce: exact.

The same as `site_market.bid`, for counts. It knows no cap, no limit on switches, no requirement:
whoever calls it looks whether its outcome keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.core.charges.steps import WATTS_PER_KW, Step, spans
from controller.core.optimiser.capacity import PRICE_MAX, PRICE_MIN, PRICE_RATIO
from controller.core.optimiser.cohorts import Counts, Place, Settlement, settle
from controller.core.optimiser.site_market import Bid, best_of


def bid(place: Place, watt_price: float = 0.0) -> Counts:
    """The counts of greatest value, watts at this price, $/Wh."""
    demand = place.limits.demand_groups
    seats = int(min(demand, sum(cohort.count for cohort in place.cohorts)))
    partial = min(1.0, demand - seats)
    bids = [
        best_of(cohort.choices, partial, min(1.0, demand), watt_price) for cohort in place.cohorts
    ]
    takers = sorted(
        (c for c, one in enumerate(bids) if one.whole_gain > 0.0), key=lambda c: bids[c].rank
    )
    whole = [0] * len(bids)
    for c in takers:
        whole[c] = min(place.cohorts[c].count, seats)
        seats -= whole[c]
    outside = [c for c in takers if whole[c] < place.cohorts[c].count]
    guest = _guest(bids, takers, outside, whole) if partial > 0.0 and outside else None
    return _counts(place, bids, whole, guest)


def priced(place: Place) -> tuple[Settlement, bool]:
    """What is best where draw has a price that grows with it, and whether that is exact.

    What is best at a price is best of all where that is the price of what it draws. Else the best
    lies at a step, and the most is taken that stays below it.
    """
    low = 0.0
    for begin_w, end_w, price in spans((Step(0.0, 0.0), *place.limits.surcharge)):
        high = price / WATTS_PER_KW
        found = settle(place, bid(place, high))
        if found.power_w < begin_w:
            return _below(place, low, high, begin_w), False
        if found.power_w <= end_w:
            return found, True
        low = high
    raise AssertionError("the last step has no end")


def _below(place: Place, low: float, high: float, bound_w: float) -> Settlement:
    """Much of value that stays below a bound, between two prices per watt: near to exact."""
    above, below = bid(place, low), bid(place, high)
    low = max(low, PRICE_MIN)
    while high / low > PRICE_RATIO:
        middle = (low * high) ** 0.5
        tried = bid(place, middle)
        if settle(place, tried).power_w <= bound_w:
            high, below = middle, tried
        else:
            low, above = middle, tried
    return _filled(place, below, above, bound_w)


def _filled(place: Place, below: Counts, above: Counts, bound_w: float) -> Settlement:
    """As much of the way from one to the other as the bound allows: groups alike may differ."""
    made, best = list(below), settle(place, below)
    for c, cohort in enumerate(place.cohorts):
        fewest, most = 0, cohort.count if below[c] != above[c] else 0
        while fewest < most:
            count = (fewest + most + 1) // 2
            tried = settle(place, (*made[:c], _moved(below[c], above[c], count), *made[c + 1 :]))
            if tried.power_w <= bound_w:
                fewest, best = count, tried
            else:
                most = count - 1
        made[c] = _moved(below[c], above[c], fewest)
    return best


def _moved(origin: Sequence[int], target: Sequence[int], count: int) -> tuple[int, ...]:
    """Counts after so many groups at most went where they are too many for where they are few."""
    leave, arrive, moved = count, count, []
    for before, after in zip(origin, target, strict=True):
        less, more = min(leave, max(0, before - after)), min(arrive, max(0, after - before))
        leave, arrive = leave - less, arrive - more
        moved.append(before - less + more)
    return tuple(moved)


def under_cap(place: Place) -> Settlement:
    """Much of what could be done below the cap, moves no matter how many: near to exact."""
    free = settle(place, bid(place))
    if free.power_w <= place.limits.power_cap_w:
        return free
    return _below(place, PRICE_MIN, PRICE_MAX, place.limits.power_cap_w)


def _guest(
    bids: Sequence[Bid], takers: Sequence[int], outside: Sequence[int], whole: list[int]
) -> int | None:
    """Who takes the partial seat: the next in line, or one who leaves a whole seat to the next."""
    best = max(outside, key=lambda c: bids[c].partial_gain)
    gain, following = bids[best].partial_gain, bids[outside[0]].whole_gain
    leaves = None
    for c in takers:
        instead = bids[c].partial_gain - bids[c].whole_gain + following
        if whole[c] and instead > gain:
            best, gain, leaves = c, instead, c
    if gain <= 0.0:
        return None
    if leaves is not None:
        whole[leaves] -= 1
        whole[outside[0]] += 1
    return best


def _counts(place: Place, bids: Sequence[Bid], whole: Sequence[int], guest: int | None) -> Counts:
    counts = []
    for c, cohort in enumerate(place.cohorts):
        made, one = [0] * len(cohort.choices), bids[c]
        made[one.whole] += whole[c]
        made[one.partial] += c == guest
        made[one.none] += cohort.count - whole[c] - (c == guest)
        counts.append(tuple(made))
    return tuple(counts)
