"""A small farm for tests of the plan: one site, two mining workloads and one inference server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from controller.core.farm import EarningSettings, FarmSettings, RigClassSettings, SiteSettings
from controller.core.model import Decision, GroupKey, GroupView, Hold, Plan, Quote, QuoteState
from controller.core.planning.planner import Situation, plan
from controller.core.policy.settings import PolicySettings, SwitchCost
from wire.model import GroupOffer, GroupStatus, Kind, Leg, Phase, Rejection, WorkloadOffer

NOW = 1_000_000.0

PRICES = {"power": 0.10, "etc": 0.03, "xmr": 0.02, "rent": 0.20, "demand": 3.2}

FARM = FarmSettings(
    sites=(SiteSettings(name="oslo", power="power", demand_groups="demand"),),
    rig_classes=(RigClassSettings(name="a4000", gpu_off_w=20.0),),
    earnings=(
        EarningSettings(workload="etc", kind=Kind.MINING, revenue="etc", gpu_power_w=130.0),
        EarningSettings(workload="xmr", kind=Kind.MINING, revenue="xmr", gpu_power_w=90.0),
        EarningSettings(
            workload="llama",
            kind=Kind.INFERENCE,
            revenue="rent",
            fee_ratio=0.2,
            gpu_power_w=150.0,
            gpu_idle_w=40.0,
        ),
    ),
)

POLICY = PolicySettings(
    margin_usd_per_h=0.004,
    off_band_usd_per_h=0.002,
    dwell_s=600.0,
    payback_s=36_000.0,
    mining_switch=SwitchCost(cost_usd=0.001, duration_s=60.0),
    inference_switch=SwitchCost(cost_usd=0.01, duration_s=300.0),
)

OFFERS = (
    WorkloadOffer("etc", Kind.MINING),
    WorkloadOffer("xmr", Kind.MINING),
    WorkloadOffer("llama", Kind.INFERENCE),
)


def quotes(prices: Mapping[str, float | None] = PRICES) -> dict[str, Quote]:
    """Fresh quotes; ``None`` makes a stale one."""
    return {
        series: Quote(
            series, value, NOW, QuoteState.STALE if value is None else QuoteState.FRESH, ""
        )
        for series, value in prices.items()
    }


def view(number: int = 0, assigned: str | None = "etc", **changes: object) -> GroupView:
    """A group that has long done what it was assigned."""
    made = GroupView(
        key=GroupKey(f"rig{number:03}", "all"),
        site="oslo",
        rig_class="a4000",
        labels={},
        offer=GroupOffer("all", (f"GPU-{number}",), OFFERS),
        status=status(assigned),
        online=True,
        generation=1,
        assigned=assigned,
        assigned_at=NOW - 86_400.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def status(
    active: str | None,
    phase: Phase | None = None,
    *,
    generation: int = 1,
    rejected: tuple[Rejection, ...] = (),
) -> GroupStatus:
    """What a rig reports; by default at rest."""
    rest = Phase.IDLE if active is None else Phase.RUNNING
    return GroupStatus("all", phase or rest, Leg.FORWARD, active, active, generation, 0.0, rejected)


def hold(number: int, workload: str | None, *, expires_at: float = NOW + 3600.0) -> Hold:
    """An operator's word on one group."""
    return Hold(
        hold_id=f"h{number}",
        rig=f"rig{number:03}",
        group="all",
        workload=workload,
        owner="ada",
        reason="fan noise",
        created_at=NOW - 60.0,
        expires_at=expires_at,
    )


def planned(
    views: Sequence[GroupView],
    prices: Mapping[str, float | None] = PRICES,
    *,
    holds: Sequence[Hold] = (),
    policy: PolicySettings = POLICY,
    farm: FarmSettings = FARM,
) -> Plan:
    """The plan for these groups at these prices."""
    return plan(
        Situation(
            views=views, quotes=quotes(prices), holds=holds, policy=policy, farm=farm, now=NOW
        )
    )


def decided(one: GroupView, prices: Mapping[str, float | None] = PRICES) -> Decision:
    """The decision for a group that is alone in the world."""
    (decision,) = planned([one], prices).decisions
    return decision
