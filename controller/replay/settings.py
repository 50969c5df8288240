"""A window: a scenario file of one pool, and the costs of switching. Unknown keys are errors.

It describes; it reads no series and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

from controller.core.timing.clairvoyant import Switch
from controller.core.timing.terms import OPTIONS
from controller.feeds.settings import RecordedFile
from controller.replay.parts import (
    GROUPS_MAX,
    TICKS_PER_SWITCH_MAX,
    Clock,
    Gear,
    Problem,
    Timeline,
    amount,
    refuse,
    under,
)
from wire import configfile
from wire.configfile import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCosts:
    """What switches cost, as far as it differs from the defaults."""

    into_infer_ticks: int = 2
    """Whole ticks without income until inference serves; power at half of `infer_busy` watts."""
    out_of_infer_ticks: int = 1
    """The same, from inference to anything."""
    infer_usd: float = 0.01
    """Dollars for each switch into or out of inference."""
    warm_up_min: float = 1.0
    """Minutes of the target's revenue that leaving inference costs besides."""
    tune_usd: float = 0.0002
    """Dollars to move between `mine` and `eco`."""
    tune_min: float = 0.25
    """Minutes of the target's revenue that this costs besides."""
    stop_usd: float = 0.0005
    """Dollars to stop mining and stand still."""
    start_usd: float = 0.001
    """Dollars to start mining from standing still."""
    start_min: float = 1.5
    """Minutes of the target's revenue that this costs besides."""

    def switches(self) -> dict[tuple[str, str], Switch]:
        """The cost of every pair of options."""
        pairs = [(a, b) for a in OPTIONS for b in OPTIONS if a != b]
        return {pair: self._switch(*pair) for pair in pairs}

    def _switch(self, origin: str, target: str) -> Switch:
        if target == "infer":
            return Switch(self.into_infer_ticks, self.infer_usd)
        if origin == "infer":
            return Switch(self.out_of_infer_ticks, self.infer_usd, self.warm_up_min)
        if target == "off":
            return Switch(0, self.stop_usd)
        if origin == "off":
            return Switch(0, self.start_usd, self.start_min)
        return Switch(0, self.tune_usd, self.tune_min)


COSTS = MappingProxyType(
    {
        "fast": SwitchCosts(into_infer_ticks=1, out_of_infer_ticks=0, infer_usd=0.002),
        "base": SwitchCosts(),
        "slow": SwitchCosts(into_infer_ticks=3, infer_usd=0.05),
    }
)
"""Costs that need not be written down: a model that loads at once, in minutes, slowly."""


@dataclass(frozen=True, kw_only=True)
class Scenario(Timeline, Clock, Gear):
    """Equal groups of one GPU at one site, and the recorded series that they live through."""

    groups: int
    """How many equal groups; serving ones are filled by rising index."""
    series: Path | None = None
    """CSV file with the columns of the series' own names. Exactly one of this and `recordings`."""
    recordings: tuple[RecordedFile, ...] = ()
    """Any CSV files, for the series `power`, `mine`, `rental`, `demand`, `eco` and `day_ahead`."""
    information_delay_s: float | None = None
    """How late a tick becomes known; only one tick is possible, which is the default."""
    switch_costs: dict[str, SwitchCosts] = field(default_factory=dict)
    """Further choices for `--cost`, by name; those known without are `fast`, `base`, `slow`."""

    @property
    def costs(self) -> dict[str, SwitchCosts]:
        """Every choice for `--cost`."""
        return {**COSTS, **self.switch_costs}


def load(path: Path) -> Scenario:
    """Read and check one scenario. Raises `ConfigError` naming file, line and what to do."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file; name a scenario")
    scenario = configfile.load(path, Scenario)
    refuse(path, _problems(scenario))
    return scenario


def _problems(scenario: Scenario) -> Iterator[Problem]:
    """What cannot be so; each with what to do."""
    if not 1 <= scenario.groups <= GROUPS_MAX:
        yield ("groups",), f"1 to {GROUPS_MAX}"
    yield from scenario.gear_problems()
    if (scenario.series is None) == (not scenario.recordings):
        yield (), "name the prices: exactly one of `series` and `recordings`"
    if scenario.information_delay_s not in (None, scenario.tick_s):
        yield ("information_delay_s",), "a tick is known when it has passed; write tick_s, or none"
    yield from scenario.timeline_problems()
    yield from scenario.clock_problems()
    for name, costs in scenario.switch_costs.items():
        yield from under(_cost_problems(costs), "switch_costs", name)


def _cost_problems(costs: SwitchCosts) -> Iterator[Problem]:
    for name, value in asdict(costs).items():
        if not amount(value):
            yield (name,), "a number from 0 up"
        elif name.endswith("_ticks") and value > TICKS_PER_SWITCH_MAX:
            yield (name,), f"{TICKS_PER_SWITCH_MAX} at most"
