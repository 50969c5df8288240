"""The live decision as a policy of a replay: quotes, rigs' reports, foresight and planner."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from controller.core.farm import EarningSettings, FarmSettings, RigClassSettings, SiteSettings
from controller.core.measured import Figures, Known, Quantity, Source
from controller.core.model import GroupKey, GroupView, Plan, Quote, QuoteState
from controller.core.options import economics
from controller.core.planning.planner import Situation, plan
from controller.core.policy.settings import PolicySettings, SwitchCost
from controller.core.timing.ledger import Standing
from controller.core.timing.terms import IntArray, Moment, Terms
from controller.foresight import Foresight, Pace
from controller.ports import Store
from controller.store.memory import MemoryStore
from wire.model import GroupOffer, GroupStatus, Kind, Leg, Phase, WorkloadOffer

SITE = "oslo"
WORKLOADS: tuple[str | None, ...] = ("mine", "eco", "infer", None)
"""By option of the replay."""

KINDS = {"mine": Kind.MINING, "eco": Kind.MINING, "infer": Kind.INFERENCE}
OFFER = GroupOffer("all", ("GPU-0",), tuple(WorkloadOffer(*item) for item in KINDS.items()))


class Live:
    """`controller.core.timing.ledger.Policy`: what a controller would order, tick by tick."""

    def __init__(self, terms: Terms, store: Store | None = None, **policy: object) -> None:
        self.plan: Plan | None = None
        self.farm = _farm(terms)
        self.policy = _policy(terms, policy)
        self._terms = terms
        self._figures = _figures(terms)
        self._now = 0.0
        self._quotes: dict[str, Quote] = {}
        self._announced: dict[float, float] = {}
        self._views = self._rigs(Standing(*np.full((2, terms.groups), [[3], [0]])))
        self.foresight = Foresight(
            store or MemoryStore(),
            self.farm.sites,
            Pace(lambda: self._now, terms.tick_s),
            market=lambda: economics.market(self.farm, self._quotes),
            views=lambda: self._views,
            announced=self._coming,
        )

    def observe(self, seen: Moment) -> None:
        """The tick's prices are the ones that are trusted when it has passed."""
        self._now, prices = seen.at_s + self._terms.tick_s, seen.prices
        values = {
            "power": prices.power_usd_per_kwh,
            "mine": prices.mine_usd_per_h,
            "eco": prices.eco_usd_per_h,
            "rent": prices.rental_usd_per_h,
            "demand": prices.demand_groups,
        }
        self._quotes = {
            series: Quote(series, value, seen.at_s, QuoteState.FRESH)
            for series, value in values.items()
        }
        self._announced.update(seen.announced)
        asyncio.run(self.foresight.look())

    def _coming(self, _series: str) -> list[tuple[float, float]]:
        return sorted((at, usd) for at, usd in self._announced.items() if at > self._now)

    def order(self, standing: Standing) -> IntArray:
        """What the plan chooses for every group."""
        self._views = self._rigs(standing)
        self.plan = plan(
            Situation(
                views=self._views,
                quotes=self._quotes,
                holds=(),
                policy=self.policy,
                farm=self.farm,
                now=self._now,
                foresight=self.foresight.sites,
            )
        )
        ordered = [decision.chosen for decision in self.plan.decisions]
        self._views = [
            replace(view, assigned=chosen)
            for view, chosen in zip(self._views, ordered, strict=True)
        ]
        return np.array([WORKLOADS.index(chosen) for chosen in ordered])

    def _rigs(self, standing: Standing) -> list[GroupView]:
        pairs = zip(standing.options.tolist(), standing.left_ticks.tolist(), strict=True)
        return [
            _view(number, WORKLOADS[option], self._figures, moving=left > 0)
            for number, (option, left) in enumerate(pairs)
        ]


def _view(number: int, workload: str | None, figures: Figures, *, moving: bool) -> GroupView:
    rest = Phase.IDLE if workload is None else Phase.RUNNING
    phase = Phase.STARTING if moving else rest
    return GroupView(
        key=GroupKey(f"rig{number:04}", "all"),
        site=SITE,
        rig_class="any",
        labels={},
        offer=OFFER,
        status=GroupStatus("all", phase, Leg.FORWARD, workload, workload, 1, 0.0),
        online=True,
        generation=1,
        assigned=workload,
        assigned_at=0.0,
        figures=figures,
    )


def _farm(terms: Terms) -> FarmSettings:
    watts = terms.watts
    return FarmSettings(
        sites=(SiteSettings(name=SITE, power="power", demand_groups="demand"),),
        rig_classes=(RigClassSettings(name="any", gpu_off_w=watts.off),),
        earnings=(
            EarningSettings(
                workload="mine", kind=Kind.MINING, revenue="mine", gpu_power_w=watts.mine
            ),
            EarningSettings(workload="eco", kind=Kind.MINING, revenue="eco", gpu_power_w=watts.eco),
            EarningSettings(
                workload="infer",
                kind=Kind.INFERENCE,
                revenue="rent",
                fee_ratio=terms.rental_fee_ratio,
                gpu_power_w=watts.infer_busy,
                gpu_idle_w=watts.infer_idle,
            ),
        ),
    )


def _policy(terms: Terms, changes: Mapping[str, object]) -> PolicySettings:
    """No band, no dwell, no limit; the dollars of the terms, as far as two costs tell them."""
    policy = PolicySettings(
        timing_tick_s=terms.tick_s,
        margin_usd_per_h=0.0,
        off_band_usd_per_h=0.0,
        dwell_s=0.0,
        mining_switch=SwitchCost(cost_usd=terms.switches["off", "mine"].usd, duration_s=90.0),
        inference_switch=SwitchCost(cost_usd=terms.switches["mine", "infer"].usd, duration_s=600.0),
        switches_max=terms.groups,
        site_switches_max=terms.groups,
    )
    return replace(policy, **changes)  # type: ignore[arg-type]


def _figures(terms: Terms) -> Figures:
    """Seconds of the terms' switches, as if they had been measured."""
    into, out = terms.switches["mine", "infer"].ticks, terms.switches["infer", "mine"].ticks
    seconds = {
        ("infer", Quantity.ARRIVE_S): into * terms.tick_s,
        ("infer", Quantity.LEAVE_S): out * terms.tick_s,
        ("mine", Quantity.ARRIVE_S): 60.0,
        ("mine", Quantity.LEAVE_S): 0.0,
        ("eco", Quantity.ARRIVE_S): 60.0,
        ("eco", Quantity.LEAVE_S): 0.0,
    }
    return {key: Known(value, Source.MEASURED, 5) for key, value in seconds.items()}
