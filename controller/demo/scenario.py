"""The farm and the days that the demo replays: real prices, laid and scaled as declared here.

Prices are recorded ones (`recordings`, `prices/SOURCES.md`); rigs, GPUs and workloads simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from controller.core.farm import EarningSettings, FarmSettings, RigClassSettings, SiteSettings
from controller.core.prices.plausibility import Cautious, QuoteRules
from wire.model import Kind

BEGIN = datetime(2026, 3, 18, 12, tzinfo=UTC)
"""Price time at which the demo begins: one in the afternoon at both sites."""
END = datetime(2026, 3, 25, 23, tzinfo=UTC)
"""Price time of the last recorded hour."""

SPEED = 900.0
"""Price seconds per real second: an hour of prices in four seconds."""
TICK_S = 300.0
"""Price seconds between two looks at the prices."""

SWITCH_USD = 0.002
"""Dollars that a switch costs besides time: wear, lost shares, cold caches. Assumed."""

GROUPS_PER_SITE = 6
GPUS_PER_GROUP = 2

MINE = "etc"
ECO = "etc-eco"
INFER = "llm"

FEE_RATIO = 0.20
"""What the marketplace keeps of the rent."""

RENTAL, MINING = "rental.h100", "mining.etc"


@dataclass(frozen=True, slots=True, kw_only=True)
class RigClass:
    """One kind of GPU; watts at the wall of one GPU, its share of the host included."""

    name: str
    mine_w: float
    eco_w: float
    infer_busy_w: float
    infer_idle_w: float
    off_w: float
    mine_scale: float
    """Mining revenue as a share of an RTX 4090's."""
    eco_ratio: float
    """Mining revenue at the eco power limit as a share of full power's."""
    rental_scale: float
    """Rent as a share of an H100's."""

    @property
    def transition_w(self) -> float:
        """Watts of a GPU in a switch: half of its busy watts."""
        return self.infer_busy_w / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One place of the demo; all its rigs are of one class."""

    name: str
    rig_class: RigClass
    time_zone: str
    power_column: str
    grid_fee_eur_per_mwh: float
    demand_day: int
    """Day of the recorded demand that is replayed on the first day."""

    @property
    def power(self) -> str:
        """Series of its electricity price, all in."""
        return f"power.{self.name}"

    @property
    def demand(self) -> str:
        """Series of the groups that inference keeps busy here."""
        return f"demand.{self.name}"


RTX4090 = RigClass(
    name="rtx4090",
    mine_w=310,
    eco_w=215,
    infer_busy_w=410,
    infer_idle_w=45,
    off_w=30,
    mine_scale=1.0,
    eco_ratio=0.885,
    rental_scale=0.20,
)
RTX3090 = RigClass(
    name="rtx3090",
    mine_w=310,
    eco_w=235,
    infer_busy_w=370,
    infer_idle_w=45,
    off_w=30,
    mine_scale=0.9,
    eco_ratio=0.893,
    rental_scale=0.08,
)

SITES = (
    Site(
        name="krakow",
        rig_class=RTX4090,
        time_zone="Europe/Warsaw",
        power_column="dam_eur_per_mwh_polen",
        grid_fee_eur_per_mwh=8.0,
        demand_day=21,
    ),
    Site(
        name="lyon",
        rig_class=RTX3090,
        time_zone="Europe/Paris",
        power_column="dam_eur_per_mwh_frankreich",
        grid_fee_eur_per_mwh=40.0,
        demand_day=14,
    ),
)


def farm() -> FarmSettings:
    """Sites, classes and what the three workloads earn and draw."""
    return FarmSettings(
        sites=tuple(
            SiteSettings(
                name=site.name,
                time_zone=site.time_zone,
                power=site.power,
                demand_groups=site.demand,
            )
            for site in SITES
        ),
        rig_classes=tuple(
            # What simulated GPUs say that they draw is what the whole rig draws at the wall.
            RigClassSettings(
                name=site.rig_class.name,
                gpu_off_w=site.rig_class.off_w,
                supply_efficiency_ratio=1.0,
            )
            for site in SITES
        ),
        earnings=tuple(earning for site in SITES for earning in _earnings(site.rig_class)),
    )


def quote_rules() -> dict[str, QuoteRules]:
    """What to believe of each series; seconds are price seconds."""
    hour = 3600.0
    power = QuoteRules(
        unit="usd_per_kwh",
        stale_after_s=2 * hour,
        min=-0.5,
        max=1.0,
        cautious=Cautious.HIGH,
        step_max=0.2,
    )
    demand = QuoteRules(unit="groups", stale_after_s=4 * hour, min=0.0, max=1000.0)
    return {
        RENTAL: QuoteRules(
            unit="usd_per_gpu_h", stale_after_s=8 * hour, min=0.5, max=8.0, step_max_ratio=1.5
        ),
        MINING: QuoteRules(
            unit="usd_per_gpu_h", stale_after_s=3 * hour, min=0.005, max=0.2, step_max_ratio=1.5
        ),
        **{site.power: power for site in SITES},
        **{site.demand: demand for site in SITES},
    }


def _earnings(rig_class: RigClass) -> tuple[EarningSettings, ...]:
    mine = EarningSettings(
        workload=MINE,
        rig_class=rig_class.name,
        kind=Kind.MINING,
        revenue=MINING,
        scale=rig_class.mine_scale,
        gpu_power_w=rig_class.mine_w,
    )
    eco = EarningSettings(
        workload=ECO,
        rig_class=rig_class.name,
        kind=Kind.MINING,
        revenue=MINING,
        scale=rig_class.mine_scale * rig_class.eco_ratio,
        gpu_power_w=rig_class.eco_w,
    )
    infer = EarningSettings(
        workload=INFER,
        rig_class=rig_class.name,
        kind=Kind.INFERENCE,
        revenue=RENTAL,
        scale=rig_class.rental_scale,
        fee_ratio=FEE_RATIO,
        gpu_power_w=rig_class.infer_busy_w,
        gpu_idle_w=rig_class.infer_idle_w,
    )
    return mine, eco, infer
