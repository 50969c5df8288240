"""A fleet under a policy: the real regime over fixed groups, and over a live controller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from controller import policyfile
from controller.core.farm import FarmSettings
from controller.core.model import GroupKey, GroupView, Hold, Plan, Quote
from controller.core.options import standing
from controller.policies import Policies, activation
from controller.policyfile import Policy
from controller.ports import Decide, Scene, Store
from controller.records import CONFIGURATION
from controller.regime import Regime
from tests.agent.groups import working
from tests.controller import fleet
from tests.controller.control import Control, FullStore
from wire.model import Kind

SERIES = (*fleet.PRICES, "btc")
FARM = fleet.FARM

TEXT = """\
margin_usd_per_h: 0.004
off_band_usd_per_h: 0.002
dwell_s: 0
"""

CONTRACT = """\
contracts:
  - name: acme
    customer: ACME Inc
    workload: llama
    gpus: 1
    price_usd_per_gpu_h: 0.5
    penalty_usd_per_gpu_h: 2.0
    start: 1970-01-01T00:00:00Z
"""

OWING = TEXT + CONTRACT
"""The same with a contract for one GPU."""


def policy(text: str, farm: FarmSettings = FARM) -> Policy:
    return policyfile.read(text, "policy.yaml", farm, SERIES)


class Board:
    """`controller.ports.Board` over groups that stand still while they are looked at."""

    def __init__(self, regime: Regime, views: Sequence[GroupView]) -> None:
        self.newest: Plan | None = None
        self.views = list(views)
        self.quoted: Mapping[str, Quote] = fleet.quotes()
        self.now = fleet.NOW
        self.pokes = 0
        self._regime = regime

    def preview(self, pins: Mapping[GroupKey, str | None], decide: Decide | None = None) -> Plan:
        """See `controller.reconciler.Reconciler`."""
        holds = [standing.pin(key, workload, self.now) for key, workload in pins.items()]
        return (decide or self._regime.foresee)(self._scene(holds))

    def poke(self) -> None:
        """Plan, and remember it."""
        self.pokes += 1
        self.newest = self._regime.decide(self._scene([]))

    def _scene(self, holds: Sequence[Hold]) -> Scene:
        return Scene(self.views, self.quoted, holds, self.now, self.now)


class Office:
    """Everything about policies, over a board and a store."""

    def __init__(self, store: Store, text: str = TEXT, count: int = 2) -> None:
        self.store = store
        first = policy(text)
        activation(store, None, first, fleet.NOW - 60.0, CONFIGURATION, "first start")
        self.regime = Regime(first, FARM)
        self.board = Board(self.regime, [fleet.view(number) for number in range(count)])
        self.policies = Policies(
            self.regime, self.board, store, farm=FARM, series=SERIES, now=lambda: self.board.now
        )

    def plan(self, **prices: float | None) -> Plan:
        """The next plan, at these prices."""
        self.board.quoted = fleet.quotes({**fleet.PRICES, **prices})
        self.board.poke()
        assert self.board.newest is not None
        return self.board.newest


class Governed(Control):
    """A live controller that decides by a regime. Its rigs offer llama as mining."""

    def __init__(self, store: FullStore, text: str) -> None:
        earnings = tuple(replace(one, kind=Kind.MINING, gpu_idle_w=None) for one in FARM.earnings)
        farm = replace(FARM, earnings=earnings)
        self.regime = Regime(policy(text, farm), farm)
        super().__init__(store)
        self.reconciler.on_assigned = self.regime.book

    def _decide(self, scene: Scene) -> Plan:
        return self.regime.decide(replace(scene, quotes=fleet.quotes()))


@asynccontextmanager
async def governed(text: str) -> AsyncIterator[Governed]:
    """A controller at work under a policy, which knows `rig-1`."""
    control = Governed(FullStore(), text)
    control.enrol("rig-1")
    async with working(asyncio.create_task(control.reconciler.run())):
        yield control
