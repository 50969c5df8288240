"""The policy in force: decides by it, follows its rules, and keeps count of what switches cost.

What it remembers, how long rules have held and what was spent, begins anew with a policy's rules
and is restored from outcomes where that can be. It never changes the policy by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from controller import conditions
from controller.core import curtailment, supposing
from controller.core.charges.steps import Steps
from controller.core.contracts import availability
from controller.core.contracts import cover as contract_cover
from controller.core.contracts.availability import Attendance
from controller.core.curtailment import GridOrder, Struck
from controller.core.farm import FarmSettings
from controller.core.model import GroupKey, Plan
from controller.core.optimiser.roster import Roster
from controller.core.planning import planner
from controller.core.planning.obligations import Circumstances
from controller.core.planning.planner import Situation
from controller.core.policy import signals
from controller.core.policy.effect import effective
from controller.core.policy.settings import PolicySettings
from controller.core.policy.signals import Reading, RuleSettings, RuleState
from controller.core.supposing import Supposition
from controller.core.timing.advantage import SiteForesight
from controller.policyfile import Policy
from controller.ports import Decide, Scene
from controller.records import StoredOutcome
from wire.model import Kind, Result

SPENDING_S = 86_400.0
"""Stretch of time that the switching budget is for."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one switch cost."""

    at: float
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What others keep up to date, and every plan has to reckon with."""

    foresight: Callable[[], Mapping[str, SiteForesight]] = dict
    """What the coming day holds, by site."""
    grid_orders: Callable[[], Iterable[GridOrder]] = tuple
    """Those that are kept."""
    surcharges: Callable[[], Mapping[str, Steps]] = dict
    """What draw costs beside its energy, by site."""
    delivered: Callable[[], Mapping[tuple[str, str | None], float]] = dict
    """What part of its income comes in, by class and workload."""
    attendance: Attendance = field(default_factory=Attendance)
    """What contracts were owed and got."""


class Regime:
    """Decides for the fleet by the policy in force."""

    def __init__(
        self,
        policy: Policy,
        farm: FarmSettings,
        *,
        spent: Iterable[Spent] = (),
        around: Surroundings | None = None,
    ) -> None:
        """`spent`: what is known of the last day."""
        self.policy = policy
        self.rules: Mapping[str, RuleState] = {}
        """Where the rules stand."""
        self._farm = farm
        self._around = around or Surroundings()
        self._spent = deque(spent)
        self._roster = Roster()
        self._struck: Struck = frozenset()

    def adopt(self, policy: Policy) -> None:
        """Decide by this one from the next plan on; rules that stay as they are go on."""
        self.policy = policy

    def decide(self, scene: Scene) -> Plan:
        """The plan for the whole fleet; rules advance."""
        readings = self._readings(self.policy, scene)
        self.rules = signals.advanced(self.rules, self.policy.settings.rules, readings, scene.now)
        self._struck = curtailment.struck(self._farm, scene.quotes, self._struck, scene.now)
        return self._planned(self.policy, self.rules, scene)

    def foresee(self, scene: Scene) -> Plan:
        """The same with rules as they stand; nothing is remembered of it."""
        return self._planned(self.policy, self.rules, scene)

    def foreseeing(self, policy: Policy) -> Decide:
        """What decides by another policy, its rules in effect whose conditions are true."""

        def decide(scene: Scene) -> Plan:
            readings = self._readings(policy, scene)
            states = {
                rule.name: RuleState(rule.when, readings[rule.name].true, None)
                for rule in policy.settings.rules
            }
            return self._planned(policy, states, scene)

        return decide

    def supposing(self, supposed: Supposition) -> Decide:
        """What decides if something were otherwise, the rules as they stand."""
        unforeseen = supposing.unforeseen(self._farm, supposed)
        policy = replace(self.policy, settings=supposing.policy(self.policy.settings, supposed))

        def decide(scene: Scene) -> Plan:
            there = replace(scene, quotes=supposing.quotes(scene.quotes, supposed))
            situation = self._situation(policy, self.rules, there)
            ahead = {s: one for s, one in situation.foresight.items() if s not in unforeseen}
            farm = supposing.farm(situation.farm, supposed)
            return planner.plan(replace(situation, foresight=ahead, farm=farm))

        return decide

    def book(self, moved: Set[GroupKey], plan: Plan) -> None:
        """Enter what the switches cost that a plan has just begun."""
        cost = sum(d.switch_usd for d in plan.decisions if d.key in moved and d.moves)
        if cost > 0.0:
            self._spent.append(Spent(plan.at, cost))

    def spent_usd(self, now: float) -> float:
        """What switches have cost in the last 24 hours, US dollars."""
        return sum(one.usd for one in self._spent if now - SPENDING_S < one.at <= now)

    def _readings(self, policy: Policy, scene: Scene) -> dict[str, Reading]:
        if not policy.conditions:
            return {}
        facts = conditions.facts(scene.quotes, self._farm, scene.views, scene.now)
        return {name: condition.read(facts) for name, condition in policy.conditions.items()}

    def _planned(self, policy: Policy, states: Mapping[str, RuleState], scene: Scene) -> Plan:
        return planner.plan(self._situation(policy, states, scene), self._roster)

    def _situation(
        self, policy: Policy, states: Mapping[str, RuleState], scene: Scene
    ) -> Situation:
        while self._spent and self._spent[0].at <= scene.now - SPENDING_S:
            self._spent.popleft()
        settings, around = policy.settings, self._around
        rules = signals.in_effect(settings.rules, states)
        limits = curtailment.limits(
            self._farm, self._around.grid_orders(), self._struck, scene.wall
        )
        return Situation(
            views=contract_cover.freed(scene.views, settings),
            quotes=scene.quotes,
            holds=scene.holds,
            policy=effective(settings, rules),
            farm=curtailment.curtailed(self._farm, limits),
            now=scene.now,
            wall=scene.wall,
            foresight=around.foresight(),
            surcharges=around.surcharges(),
            delivered=around.delivered(),
            circumstances=Circumstances(
                rules=rules,
                spent_usd=self.spent_usd(scene.now),
                availability=availability.judged(
                    settings.contracts, self._around.attendance, scene.now
                ),
                notes=(*map(str, limits), *notes(settings.rules, states)),
            ),
        )


def notes(rules: Collection[RuleSettings], states: Mapping[str, RuleState]) -> Iterable[str]:
    """What people should know of the rules that cannot be told."""
    for rule in rules:
        state = states.get(rule.name)
        if state is not None and state.trouble:
            yield f"rule {rule.name} counts as not true, for its condition {state.trouble}"


def remembered(
    outcomes: Iterable[StoredOutcome], policy: PolicySettings, farm: FarmSettings, now: float
) -> list[Spent]:
    """What the switches of the last day cost, as far as a restarted controller can tell.

    What they interrupted is not known any more, so only their fixed cost counts.
    """
    inference = {one.workload for one in farm.earnings if one.kind is Kind.INFERENCE}
    found = []
    for stored in outcomes:
        outcome = stored.outcome
        begun = outcome.result in (Result.DONE, Result.ROLLED_BACK) and outcome.phase_s
        if begun and outcome.origin != outcome.workload and now - stored.received_at < SPENDING_S:
            serves = {outcome.origin, outcome.workload} & inference
            cost = policy.inference_switch if serves else policy.mining_switch
            found.append(Spent(stored.received_at, cost.cost_usd))
    return sorted(found, key=lambda one: one.at)
