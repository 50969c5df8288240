"""The plan: what every GPU group of the fleet shall do now, and why. Pure and deterministic.

In this order: an operator's hold, a lock such as a rental, a contract, what cannot be moved
(offline, quarantined, in a switch), the site's power cap, the limit on switches, and within all
that what the fleet owes and the most money.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.core import foresight
from controller.core.charges.steps import Steps
from controller.core.contracts.candidates import Party
from controller.core.farm import FarmSettings
from controller.core.model import GroupView, Hold, Plan, Quote
from controller.core.optimiser import highs, optimum, repair
from controller.core.optimiser.batches import Batch, Company, Staked, by_share, companies
from controller.core.optimiser.cohorts import Fleet, Place
from controller.core.optimiser.program import Effort
from controller.core.optimiser.roster import Kin, Roster
from controller.core.optimiser.site_market import Limits
from controller.core.options import economics, standing
from controller.core.options.case import Case, Menus, Promises, gain_usd_per_h, stake
from controller.core.options.choice import Choice
from controller.core.options.economics import Market, Prospect
from controller.core.options.standing import Standing
from controller.core.planning import obligations, summing
from controller.core.planning.obligations import NOTHING_SPECIAL, Circumstances, Obligations
from controller.core.planning.summing import Crews
from controller.core.policy.settings import PolicySettings, Timing
from controller.core.requirement import Requirement
from controller.core.timing.advantage import SiteForesight


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a plan depends on."""

    views: Sequence[GroupView]
    """Every group of the fleet, once, in any order."""
    quotes: Mapping[str, Quote]
    """By series."""
    holds: Sequence[Hold]
    """Expired ones may be among them."""
    policy: PolicySettings
    farm: FarmSettings
    now: float
    """Instant that prices, dwell and payback count by."""
    wall: float | None = None
    """Instant that holds count by; none: `now`. They differ only in a replay."""
    foresight: Mapping[str, SiteForesight] = field(default_factory=dict)
    """What the coming day holds, by site; where there is none, groups go by payback."""
    circumstances: Circumstances = NOTHING_SPECIAL
    """What the policy answers to beside prices."""
    requirements: Sequence[Requirement] = ()
    """What the fleet as a whole owes or may not exceed."""
    surcharges: Mapping[str, Steps] = field(default_factory=dict)
    """By site: what draw costs beyond its energy, such as a demand charge."""
    delivered: Mapping[tuple[str, str | None], float] = field(default_factory=dict)
    """By class and workload: what part of its income comes in, by the books; absent: all."""
    effort: Effort = field(default_factory=Effort)
    """How long the solver may try, where it is asked."""


def plan(situation: Situation, roster: Roster | None = None) -> Plan:
    """Decide for the whole fleet at once.

    `roster` remembers the fleet from plan to plan; with it or without, the plan is the same.
    """
    roster = Roster() if roster is None else roster
    wall = situation.now if situation.wall is None else situation.wall
    roster.muster(situation.views, standing.holds_in_force(situation.holds, wall))
    market = economics.market(situation.farm, situation.quotes, situation.delivered)
    asked = obligations.obligations(
        [Party(batch.case, batch.members) for batch in _batches(situation, market, roster)],
        roster.keys,
        market,
        situation.policy,
        situation.now,
        situation.circumstances,
    )
    crews = _crews(situation, market, asked)
    fleet = _fleet(situation, market, crews, asked)
    best = optimum.best(fleet, highs.solve, situation.effort)
    roll = repair.Roll(crews, roster.keys, lambda crew: _freed(situation.policy, crew))
    unmet = tuple(repair.unmet(fleet, best, roll, highs.solve, situation.effort))
    made = summing.up(situation.policy, situation.now, market, crews, best, roster.keys, unmet)
    policy, told = situation.policy, situation.circumstances.notes
    known = situation.circumstances.availability
    owed = obligations.warnings(policy, asked, made.net_usd_per_h, situation.now, known)
    return replace(
        made,
        warnings=(*owed, *made.warnings, *told),
        contracts=asked.coverages,
        requirements=obligations.fulfilments(asked.requirements, summing.counted(crews, best)),
    )


def _crews(situation: Situation, market: Market, asked: Obligations) -> Crews:
    """Who may do what, by site."""
    batches: dict[str, list[Batch]] = defaultdict(list)
    for party in asked.parties:
        batches[party.case.view.site].append(Batch(party.case, party.members))
    menus: Menus = {}
    return {
        site: companies(_staked(situation, market, members, menus))
        for site, members in sorted(batches.items())
    }


def _batches(situation: Situation, market: Market, roster: Roster) -> Iterator[Batch]:
    priced: dict[int, dict[str | None, Prospect]] = {}
    for kin in roster.kins:
        prospects = priced.get(kin.priced_as)
        if prospects is None:
            prospects = {one.workload: one for one in market.prospects(kin.view)}
            priced[kin.priced_as] = prospects
        for left_s, members in roster.by_dwell(kin, situation.policy.dwell_s, situation.now):
            yield Batch(_case(kin, prospects, left_s), members)


def _case(kin: Kin, prospects: Mapping[str | None, Prospect], dwell_left_s: float) -> Case:
    return Case(
        view=kin.view,
        standing=kin.standing,
        prospects=prospects,
        kin=kin.priced_as,
        rejected=kin.rejected,
        dwell_left_s=dwell_left_s,
    )


def _staked(
    situation: Situation, market: Market, batches: Sequence[Batch], menus: Menus
) -> list[Staked]:
    """What each of a site may do, given how busy its servers are now and what is foreseen."""
    told = list(_promised(situation, market, batches))
    demand = market.demand(batches[0].case.view.site).groups
    gains = [gain_usd_per_h(batch.case.now) for batch, _ in told]
    return [
        Staked(stake(batch.case, share, situation.policy, menus, told[i][1]), batch.members)
        for i, batch, share in by_share([batch for batch, _ in told], gains, demand)
    ]


def _promised(
    situation: Situation, market: Market, batches: Sequence[Batch]
) -> Iterator[tuple[Batch, Promises | None]]:
    """Batches of groups that are promised the same; nothing where nobody looks ahead."""
    site, policy = batches[0].case.view.site, situation.policy
    ahead = situation.foresight.get(site) if policy.timing is Timing.LOOK_AHEAD else None
    if ahead is None:
        yield from ((batch, None) for batch in batches)
        return
    counted = [(batch.case, len(batch.members)) for batch in batches]
    parts = foresight.promises(ahead, counted, market.tariff_usd_per_kwh(site), policy)
    for batch, of_batch in zip(batches, parts, strict=True):
        first = 0
        for count, promised in of_batch:
            yield Batch(batch.case, batch.members[first : first + count]), promised
            first += count


def _fleet(situation: Situation, market: Market, crews: Crews, asked: Obligations) -> Fleet:
    policy = situation.policy
    begun = {site: summing.begun(companies) for site, companies in crews.items()}
    places = {
        site: Place(
            tuple(company.cohort for company in of_site),
            Limits(
                market.demand(site).groups,
                market.power_cap_w(site),
                max(0, policy.site_switches_max - begun[site]),
                situation.surcharges.get(site, ()),
            ),
        )
        for site, of_site in crews.items()
    }
    left = max(0, policy.switches_max - sum(begun.values()))
    return Fleet(places, left, (*situation.requirements, *asked.requirements))


def _freed(policy: PolicySettings, crew: Company) -> tuple[Choice, ...]:
    """What groups could do if nothing tied them and none had just been moved."""
    case = crew.parts[0].stake.case
    runs = case.standing.runs
    loose = replace(case, standing=Standing(runs, runs), dwell_left_s=0.0)
    return stake(loose, 1.0, policy, {}).candidate.choices
