"""Watches the demo from outside, as an operator would: by the API, the prices and the GPUs.

The accounts come from true prices and observed phases; nothing is taken from what the controller
believes to have earned.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller import settings
from controller.answers import Explanation, GroupLine, RigLine
from controller.cli.client import Client, ClientError
from controller.core.books import accounts
from controller.core.books.accounts import Accounts, Activity, Pool, PoolPrices, SwitchTicks
from controller.core.model import GroupKey, GroupView, Quote, QuoteState
from controller.core.options import economics
from controller.demo import recordings, scenario
from controller.demo.stage import GROUPS_PER_RIG, Stage
from controller.feeds import recorded
from controller.records import Event, StoredOutcome
from wire.model import GroupOffer, GroupStatus, Kind, Leg, Phase, Result, WorkloadOffer

SWITCH_S_ASSUMED = 1.5
"""Until the first switch has been measured."""

EVENTS_SHOWN = 200


class TruePrices:
    """The recorded prices themselves, looked up at an instant."""

    def __init__(self, stage: Stage) -> None:
        groups_per_site = max(1, len(stage.rigs) * GROUPS_PER_RIG // len(scenario.SITES))
        self._series = recorded.load(recordings.feed(groups_per_site))
        self._farm = scenario.farm()
        self._views = {site.name: _view(site) for site in scenario.SITES}

    def at(self, instant: float) -> dict[str, PoolPrices]:
        """By site."""
        quotes = self.quotes(instant)
        market = economics.market(self._farm, quotes)
        return {site: accounts.pool_prices(market, view) for site, view in self._views.items()}

    def quotes(self, instant: float) -> dict[str, Quote]:
        """By series."""
        return {
            series: Quote(series, step[1], step[0], QuoteState.FRESH)
            for series, recording in self._series.items()
            if (step := recording.before(instant)) is not None
        }


@dataclass(slots=True)
class Observer:
    """What has been seen so far."""

    stage: Stage
    client: Client
    began: float = field(default_factory=time.time)
    accounts: Accounts = field(init=False)
    groups: tuple[GroupLine, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    rigs: tuple[RigLine, ...] = ()
    events: list[Event] = field(default_factory=list)
    away: str = ""
    """Why the controller does not answer; empty: it does."""
    first_switch_s: float | None = None
    _prices: TruePrices = field(init=False)
    _ticked: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin the accounts at the first price tick to come."""
        self._prices = TruePrices(self.stage)
        self._ticked = self.price_time()
        self.accounts = Accounts(
            pools=tuple(_pool(self.stage, site) for site in scenario.SITES),
            tick_s=scenario.TICK_S,
            switch_usd=scenario.SWITCH_USD,
        )

    def price_time(self) -> float:
        """The replay's instant, epoch seconds."""
        return settings.price_clock(self.stage.settings.replay)()

    @property
    def speed(self) -> float:
        """Price seconds per second."""
        replay = self.stage.settings.replay
        return replay.speed if replay else 1.0

    def look(self) -> None:
        """Ask the controller, and carry the accounts up to now."""
        try:
            self.groups = self.client.get("groups", tuple[GroupLine, ...])
            self.explanations = self.client.get("explain", tuple[Explanation, ...], target="*")
            self.events = self.client.get("events", list[Event], limit=EVENTS_SHOWN)
            self.away = ""
        except ClientError as error:
            self.away = str(error)
        if self.first_switch_s is None and any(line.phase is Phase.RUNNING for line in self.groups):
            self.first_switch_s = time.time() - self.began
        self._advance()

    def quotes(self) -> Mapping[str, Quote]:
        """True prices now, by series."""
        return self._prices.quotes(self.price_time())

    def clairvoyant_usd(self, ticks: SwitchTicks) -> float:
        """What hindsight would have earned by now."""
        return self.accounts.clairvoyant_usd(ticks) if self.accounts.history else 0.0

    def always_usd(self, workload: str, ticks: SwitchTicks) -> float:
        """What one workload everywhere would have earned by now."""
        return self.accounts.always_usd(workload, ticks) if self.accounts.history else 0.0

    def switch_ticks(self, outcomes: list[StoredOutcome]) -> SwitchTicks:
        """Whole ticks that switches really took, for hindsight to pay as well."""
        start = _typical_s(outcomes, still=False)
        stop = _typical_s(outcomes, still=True)
        return SwitchTicks.measured(start, stop, scenario.TICK_S / self.speed)

    def _advance(self) -> None:
        """One entry in the accounts for each price tick that has passed."""
        doing = {line.key: _activity(line) for line in self.groups}
        now = min(self.price_time(), scenario.END.timestamp())
        while self._ticked + scenario.TICK_S <= now:
            self._ticked += scenario.TICK_S
            self.accounts = self.accounts.advance(self._prices.at(self._ticked), doing)


def results(outcomes: list[StoredOutcome]) -> Counter[Result]:
    """How assignments ended."""
    return Counter(entry.outcome.result for entry in outcomes)


def switch_seconds(outcomes: list[StoredOutcome]) -> list[float]:
    """Seconds without income of every switch that was made."""
    return [accounts.dark_s(e.outcome) for e in outcomes if _moved(e) and e.outcome.phase_s]


def _moved(entry: StoredOutcome) -> bool:
    outcome = entry.outcome
    return outcome.result is Result.DONE and outcome.origin != outcome.workload


def _typical_s(outcomes: list[StoredOutcome], *, still: bool) -> float:
    chosen = [e for e in outcomes if (e.outcome.workload is None) is still]
    return statistics.median(switch_seconds(chosen) or [SWITCH_S_ASSUMED])


def _activity(line: GroupLine) -> Activity:
    if line.phase is None:
        return Activity()
    status = GroupStatus(
        group=line.key.group, phase=line.phase, leg=Leg.FORWARD, active=line.active,
        target=None, generation=0, since_s=0.0,
    )  # fmt: skip
    return accounts.activity(status)


def _pool(stage: Stage, site: scenario.Site) -> Pool:
    keys = tuple(
        GroupKey(rig, f"g{number}")
        for rig, at in stage.rigs.items()
        if at is site
        for number in range(GROUPS_PER_RIG)
    )
    watts = site.rig_class.transition_w * scenario.GPUS_PER_GROUP
    return Pool(name=site.name, groups=keys, transition_w=watts)


def _view(site: scenario.Site) -> GroupView:
    """A group of the site, to price what its equals could do."""
    kinds = {scenario.MINE: Kind.MINING, scenario.ECO: Kind.MINING, scenario.INFER: Kind.INFERENCE}
    offer = GroupOffer(
        group="g0",
        gpus=("a",) * scenario.GPUS_PER_GROUP,
        workloads=tuple(WorkloadOffer(name, kind) for name, kind in kinds.items()),
    )
    return GroupView(
        key=GroupKey(site.name, "g0"),
        site=site.name,
        rig_class=site.rig_class.name,
        labels={},
        offer=offer,
        status=None,
        online=True,
        generation=0,
        assigned=None,
        assigned_at=0.0,
    )
