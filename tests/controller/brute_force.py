"""The best allocation by trying every one: the yardstick for the optimiser's `allocation`."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence

from controller.core.model import GroupKey
from controller.core.optimiser.allocation import SiteProblem
from controller.core.optimiser.site_market import Limits, settle
from controller.core.options.choice import Candidate, Choice

GROUPS = 5
TOLERANCE = 1e-6


def value(site: SiteProblem, picks: Sequence[int]) -> tuple[float, float]:
    """Value in $/h and watts of these picks."""
    outcome = settle(site.candidates, picks, site.limits.demand_groups)
    chosen = [c.choices[pick] for c, pick in zip(site.candidates, picks, strict=True)]
    total = sum(c.value(share, 0.0) for c, share in zip(chosen, outcome.shares, strict=True))
    return total, outcome.power_w


def best(sites: Mapping[str, SiteProblem], switches: int) -> float | None:
    """Greatest value within every limit; none when no allocation is."""
    tables = [_by_moves(site) for _, site in sorted(sites.items())]
    totals = [
        sum(value for _, value in combination)
        for combination in itertools.product(*(table.items() for table in tables))
        if sum(moves for moves, _ in combination) <= switches
    ]
    return max(totals, default=None)


def _by_moves(site: SiteProblem) -> dict[int, float]:
    """Greatest value of a site for each number of moves, within its limits."""
    table: dict[int, float] = {}
    for picks in itertools.product(*(range(len(c.choices)) for c in site.candidates)):
        moves = sum(pick != 0 for pick in picks)
        if moves > site.limits.switches:
            continue
        total, power_w = value(site, picks)
        if power_w <= site.limits.power_cap_w + TOLERANCE:
            table[moves] = max(total, table.get(moves, -1e18))
    return table


def fleets(
    seed: int, count: int, *, caps: bool, limits: bool
) -> Iterator[tuple[dict[str, SiteProblem], int]]:
    """Random fleets of one or two sites, small enough to try everything."""
    rng = random.Random(seed)
    for _ in range(count):
        names = ["north", "south"][: rng.choice([1, 1, 2])]
        yield (
            {name: site(rng, GROUPS // len(names), caps=caps, limits=limits) for name in names},
            rng.randint(0, 4) if limits else 99,
        )


def site(rng: random.Random, groups: int, *, caps: bool, limits: bool) -> SiteProblem:
    """A random site; caps and limits bind often."""
    candidates = tuple(_candidate(rng, i) for i in range(groups))
    stay_w = sum(c.choices[0].watts(1.0) for c in candidates)
    least_w = sum(min(choice.power_w for choice in c.choices) for c in candidates)
    cap_w = rng.uniform(least_w, 1.2 * stay_w + 100.0) if caps else float("inf")
    demand = rng.choice([0.0, rng.uniform(0.0, groups), float(rng.randint(0, groups))])
    return SiteProblem(candidates, Limits(demand, cap_w, rng.randint(0, 3) if limits else 99))


def _candidate(rng: random.Random, number: int) -> Candidate:
    power = rng.uniform(-0.02, 0.2) / 1000.0
    mine_w, eco_w, busy_w, idle_w, off_w = (
        rng.uniform(200, 320),
        rng.uniform(120, 200),
        rng.uniform(300, 400),
        rng.uniform(60, 110),
        rng.uniform(0, 55),
    )
    rent = rng.uniform(0.1, 0.5)
    choices = [
        ("mine", rng.uniform(0.0, 0.1) - mine_w * power, mine_w, False, 0.0, 0.0),
        ("eco", rng.uniform(0.0, 0.08) - eco_w * power, eco_w, False, 0.0, 0.0),
        (None, -off_w * power, off_w, False, 0.0, 0.0),
        (
            "infer",
            -idle_w * power,
            idle_w,
            True,
            rent - (busy_w - idle_w) * power,
            busy_w - idle_w,
        ),
    ]
    rng.shuffle(choices)
    hurdle = rng.choice([0.0, 0.005, 0.03])
    made = [
        Choice(name, net - (hurdle if i else 0.0), watts, serves, busy, busy_w)
        for i, (name, net, watts, serves, busy, busy_w) in enumerate(choices)
    ]
    return Candidate(GroupKey(f"rig{number}", "all"), tuple(made))
