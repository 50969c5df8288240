"""The farm of a simulation: what pays, by which rules, and a feed that moves and breaks."""

from __future__ import annotations

import asyncio
import random

from controller.core.farm import EarningSettings, FarmSettings, RigClassSettings, SiteSettings
from controller.core.model import Observation
from controller.core.policy.settings import PolicySettings, SwitchCost
from controller.core.prices.plausibility import Cautious, QuoteRules
from controller.ports import FeedError
from tests.sim.faults import CALM_S, Schedule
from wire.model import Kind

EPOCH = 1_700_000_000.0
"""What the wall clock shows when a simulation begins, unless somebody sets it."""

SWITCHES_MAX = 2
STALE_AFTER_S = 10.0

FARM = FarmSettings(
    sites=(SiteSettings(name="here", power="power", demand_groups="demand"),),
    earnings=(
        EarningSettings(workload="coin", kind=Kind.MINING, revenue="coin", gpu_power_w=300),
        EarningSettings(workload="spare", kind=Kind.MINING, revenue="spare", gpu_power_w=250),
        EarningSettings(
            workload="chat", kind=Kind.INFERENCE, revenue="rental", gpu_power_w=400, gpu_idle_w=50
        ),
    ),
    rig_classes=tuple(RigClassSettings(name=name, gpu_off_w=20) for name in ("any", "other")),
)
POLICY = PolicySettings(
    margin_usd_per_h=0.002,
    off_band_usd_per_h=0.002,
    dwell_s=1.5,
    payback_s=86_400.0,
    mining_switch=SwitchCost(cost_usd=0.0, duration_s=5.0),
    inference_switch=SwitchCost(cost_usd=0.0, duration_s=5.0),
    switches_max=SWITCHES_MAX,
)
BANDS = {
    "power": (-0.5, 1.0),
    "coin": (0.0, 1.0),
    "spare": (0.0, 1.0),
    "rental": (0.0, 5.0),
    "demand": (0.0, 100.0),
}
RULES = {
    series: QuoteRules(
        unit="usd",
        stale_after_s=STALE_AFTER_S,
        min=low,
        max=high,
        rises_persist_s=0.0,
        cautious=Cautious.HIGH if series == "power" else Cautious.LOW,
    )
    for series, (low, high) in BANDS.items()
}


class SimFeed:
    """Prices that jump now and then, and a feed that sometimes breaks or lies."""

    name = "sim"

    def __init__(self, schedule: Schedule) -> None:
        self.down = False
        self.spoke_s = 0.0
        """When it last gave prices, virtual seconds."""
        self._schedule = schedule
        self._drawn: dict[tuple[int, bool], dict[str, float] | None] = {}
        """By turn, and whether it was before `CALM_S`."""

    async def observe(self) -> list[Observation]:
        """See `controller.ports.Feed`."""
        now = asyncio.get_running_loop().time()
        turn = int(min(now, CALM_S) / self._schedule.price_interval_s), now < CALM_S
        if turn not in self._drawn:
            self._drawn[turn] = self._draw(*turn)
        values = self._drawn[turn]
        if self.down or values is None:
            raise FeedError("the feed answered text/html")
        self.spoke_s = now
        return [Observation(series, "sim", value, EPOCH + now) for series, value in values.items()]

    def _draw(self, turn: int, stormy: bool) -> dict[str, float] | None:
        """Prices of a while; none while the feed gives none."""
        rng = random.Random(f"{self._schedule.seed}/price/{turn}")
        if stormy and rng.random() < 0.1:
            return None
        return {
            "power": rng.choice((-0.05, 0.02, 0.08, 0.3)),
            "coin": rng.choice((0.0, 0.02, 0.06)),
            "spare": rng.choice((0.0, 0.02, 0.05)),
            "rental": rng.choice((0.05, 0.3)) * (1e6 if rng.random() < 0.1 else 1.0),
            "demand": rng.choice((0.0, 1.5, 4.0)),
        }

    async def close(self) -> None:
        """See `controller.ports.Feed`."""
