"""What the groups of one site should do when seats and watts have a price. Pure arithmetic.

A seat is the chance to serve inference demand: with demand for 3.2 groups there are three whole
seats and one worth 0.2. Given a price per watt, `bid` is exact for any mix of groups as long as
being busy pays; where it does not, a server counts as busy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.charges.steps import Steps
from controller.core.options.choice import Candidate, Choice
from controller.core.options.economics import busy_shares


@dataclass(frozen=True, slots=True)
class Limits:
    """What the groups of a site share."""

    demand_groups: float
    """Groups that inference demand keeps busy; infinite: all that serve."""
    power_cap_w: float
    """Infinite: no cap."""
    switches: int
    """Switches that may still begin here."""
    surcharge: Steps = ()
    """Price of watts beyond that of their energy, such as a demand charge's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What each candidate does (index of its choice), and how busy that makes it."""

    picks: tuple[int, ...]
    shares: tuple[float, ...]
    """Busy ratio; 0 for what does not serve."""
    power_w: float


@dataclass(frozen=True, slots=True)
class Bid:
    """The best of a menu with a whole seat, with the partial one, and without."""

    whole: int
    partial: int
    none: int
    whole_gain: float
    """What a whole seat is worth to it."""
    partial_gain: float
    rank: tuple[float, bool]
    """Order of being seated: who gains most; of equals, who serves now."""


def settle(candidates: Sequence[Candidate], picks: Sequence[int], demand: float) -> Outcome:
    """What these picks come to when requests go where they earn most."""
    chosen = [c.choices[pick] for c, pick in zip(candidates, picks, strict=True)]
    servers = [i for i, choice in enumerate(chosen) if choice.serves]
    shares = [0.0] * len(chosen)
    ratios = busy_shares([chosen[i].busy_usd_per_h for i in servers], demand)
    for i, ratio in zip(servers, ratios, strict=True):
        shares[i] = ratio
    power_w = math.fsum(c.watts(share) for c, share in zip(chosen, shares, strict=True))
    return Outcome(tuple(picks), tuple(shares), power_w)


def bid(candidates: Sequence[Candidate], demand: float, watt_price: float) -> Outcome:
    """The picks of greatest total value at a price per watt, $/h."""
    seats = int(min(demand, len(candidates)))
    partial = min(1.0, demand - seats)
    # Most groups share their choices, and comparing those costs more than finding the same ones.
    menus = {id(c.choices): c.choices for c in candidates}
    known = {
        menu: best_of(choices, partial, min(1.0, demand), watt_price)
        for menu, choices in menus.items()
    }
    bids = [known[id(c.choices)] for c in candidates]
    picks = [b.none for b in bids]
    takers = [i for i, b in enumerate(bids) if b.whole_gain > 0.0]
    takers.sort(key=lambda i: bids[i].rank)
    seated = takers[:seats]
    guest = _guest(bids, takers, seats) if partial > 0.0 else None
    if guest is not None:
        picks[guest] = bids[guest].partial
        seated = [i for i in takers[: seats + 1] if i != guest][:seats]
    for i in seated:
        picks[i] = bids[i].whole
    return settle(candidates, picks, demand)


def best_of(
    choices: tuple[Choice, ...], partial: float, share_max: float, watt_price: float
) -> Bid:
    """What a group with these choices bids for a seat.

    `partial` is what the partial seat is worth, `share_max` the most that any seat is, 0 to 1.
    """
    best = [-math.inf, -math.inf, -math.inf]
    picks = [0, 0, 0]
    for i, choice in enumerate(choices):
        none = choice.value_usd_per_h - watt_price * choice.power_w
        values = (none, none, none)
        if choice.serves:
            gain = choice.busy_usd_per_h - watt_price * choice.busy_w
            # Requests cannot be turned away: who serves at a loss while busy will be busy.
            values = (none + gain, none + partial * gain, none + share_max * min(0.0, gain))
        for seat, value in enumerate(values):
            if value > best[seat]:
                best[seat], picks[seat] = value, i
    whole, part, none = best
    gain = whole - none
    rank = (-gain, not choices[0].serves)
    return Bid(picks[0], picks[1], picks[2], gain, part - none, rank)


def _guest(bids: Sequence[Bid], takers: Sequence[int], seats: int) -> int | None:
    """Who takes the partial seat: the next in line, or one who leaves a whole seat to the next."""
    if len(takers) <= seats:
        return None
    following = bids[takers[seats]].whole_gain
    outside = max(takers[seats:], key=lambda i: bids[i].partial_gain)
    best, gain = outside, bids[outside].partial_gain
    for i in takers[:seats]:
        instead = bids[i].partial_gain - bids[i].whole_gain + following
        if instead > gain:
            best, gain = i, instead
    return best if gain > 0.0 else None
