"""Bugs planted in the controller: fleet, reconciler, quotes and planner."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from controller.core.model import Block, GroupKey, GroupView, Hold, Quote
from controller.core.optimiser import optimum
from controller.core.optimiser.cohorts import Fleet as CountedFleet
from controller.core.optimiser.optimum import Optimum
from controller.core.optimiser.program import Effort
from controller.core.optimiser.rounds import Solve
from controller.core.options import standing
from controller.core.options.standing import Standing
from controller.core.planning import summing
from controller.core.prices import plausibility, quotes
from controller.core.prices.plausibility import QuoteRules
from controller.fleet import Fleet
from controller.ports import StoreError
from controller.reconciler import Reconciler
from controller.records import StoredAssignment
from tests.sim.mutants.planting import Mutant, Swaps
from wire import messages
from wire.model import Outcome

NO_LIMIT = 10**6


def _generation_forgotten(swaps: Swaps) -> None:
    def next_generation(self: Fleet, key: GroupKey) -> int:
        stored = self.assignments.get(key)
        return 1 + (stored.assignment.generation if stored else 0)

    swaps.attribute(Fleet, "next_generation", next_generation)


def _generation_reused(swaps: Swaps) -> None:
    following = Fleet.next_generation

    def same(self: Fleet, key: GroupKey) -> int:
        return max(1, following(self, key) - 1)

    swaps.attribute(Fleet, "next_generation", same)


def _overtaken_not_ended(swaps: Swaps) -> None:
    swaps.attribute(Fleet, "_never_seen", lambda self, rig, outcomes: ())


def _assigned_before_stored(swaps: Swaps) -> None:
    def assign(self: Fleet, assignments: Sequence[StoredAssignment]) -> None:
        self.assignments.update({stored.key: stored for stored in assignments})
        self.store.put_assignments(assignments)

    swaps.attribute(Fleet, "assign", assign)


def _failures_forgotten(swaps: Swaps) -> None:
    swaps.attribute(Fleet, "_retry_s", lambda self, count: -1.0)


def _acknowledged_before_stored(swaps: Swaps) -> None:
    stored = Reconciler._store_outcomes

    async def hasty(self: Reconciler, rig: str, outcomes: tuple[Outcome, ...]) -> None:
        through = {outcome.group: outcome.generation for outcome in outcomes}
        await self._sessions.send(rig, messages.OutcomesAck(through))
        await stored(self, rig, outcomes)

    swaps.attribute(Reconciler, "_store_outcomes", hasty)


def _never_acknowledged(swaps: Swaps) -> None:
    async def learned(self: Reconciler, rig: str, outcomes: tuple[Outcome, ...]) -> None:
        try:
            self._fleet.learn(rig, outcomes)
        except StoreError:
            return

    swaps.attribute(Reconciler, "_store_outcomes", learned)


def _lost_memory_unnoticed(swaps: Swaps) -> None:
    swaps.attribute(Reconciler, "_forgotten", lambda self, view: False)


def _quarantine_for_good(swaps: Swaps) -> None:
    swaps.attribute(Reconciler, "_released", lambda self, views, holds: frozenset())


def _holds_overlooked(swaps: Swaps) -> None:
    swaps.attribute(standing, "holds_in_force", lambda holds, now: {})


def _band_ignored(swaps: Swaps) -> None:
    swaps.attribute(plausibility, "fault", lambda word, rule, now: "")


def _stale_believed(swaps: Swaps) -> None:
    quote = quotes.quote

    def ageless(
        book: quotes.Book, rules: Mapping[str, QuoteRules], series: str, now: float
    ) -> Quote:
        page = book.pages.get(series)
        return quote(book, rules, series, min(now, page.agreed_at if page else now))

    swaps.attribute(quotes, "quote", ageless)


def _clock_trusted(swaps: Swaps) -> None:
    swaps.attribute(quotes, "AHEAD_S_MAX", math.inf)


def _switches_unlimited(swaps: Swaps) -> None:
    best = optimum.best

    def generous(fleet: CountedFleet, solve: Solve, effort: Effort) -> Optimum:
        return best(replace(fleet, switches=NO_LIMIT), solve, effort)

    swaps.attribute(optimum, "best", generous)


def _begun_not_counted(swaps: Swaps) -> None:
    swaps.attribute(summing, "_begun", lambda member: False)


def _moves_in(swaps: Swaps, *blocks: Block) -> None:
    stands = standing.standing

    def free(view: GroupView, hold: Hold | None) -> Standing:
        found = stands(view, hold)
        if found.block in blocks:
            return replace(found, block=Block.NONE)
        return found

    swaps.attribute(standing, "standing", free)


def _switching_moved(swaps: Swaps) -> None:
    _moves_in(swaps, Block.SWITCHING)


def _away_moved(swaps: Swaps) -> None:
    _moves_in(swaps, Block.OFFLINE)


def _failed_moved(swaps: Swaps) -> None:
    _moves_in(swaps, Block.QUARANTINED)


def _rejected_chosen(swaps: Swaps) -> None:
    swaps.attribute(standing, "rejections", lambda view: {})


MUTANTS = (
    Mutant("generation-forgotten", "a generation is new to the rig too", _generation_forgotten),
    Mutant("generation-reused", "a generation means one thing", _generation_reused),
    Mutant("overtaken-not-ended", "an order that never arrived ends", _overtaken_not_ended),
    Mutant("assigned-before-stored", "orders are durable first", _assigned_before_stored),
    Mutant("failures-forgotten", "what failed is left alone", _failures_forgotten),
    Mutant("acknowledged-before-stored", "outcomes are durable first", _acknowledged_before_stored),
    Mutant("never-acknowledged", "outcomes are acknowledged", _never_acknowledged),
    Mutant("lost-memory-unnoticed", "what a rig obeys is taken over", _lost_memory_unnoticed),
    Mutant("quarantine-for-good", "a hold releases a failed group", _quarantine_for_good),
    Mutant("holds-overlooked", "a hold beats every price", _holds_overlooked),
    Mutant("band-ignored", "prices are plausible", _band_ignored),
    Mutant("stale-believed", "prices expire", _stale_believed),
    Mutant("clock-trusted", "a clock that was set back is noticed", _clock_trusted),
    Mutant("switches-unlimited", "few groups switch at once", _switches_unlimited),
    Mutant("begun-not-counted", "switches under way count", _begun_not_counted),
    Mutant("switching-moved", "a group on its way is left alone", _switching_moved),
    Mutant("away-moved", "a rig that is away is left alone", _away_moved),
    Mutant("failed-moved", "a failed group is left alone", _failed_moved),
    Mutant("rejected-chosen", "what the rig rejected is not chosen", _rejected_chosen),
)
