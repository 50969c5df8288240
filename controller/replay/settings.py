"""A replay's scenario file, and the costs of switching. Unknown keys are errors.

It describes; it reads no series and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, time
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from controller.core.clairvoyant import Switch
from controller.core.timing.terms import OPTIONS, SECONDS_PER_H, Watts
from controller.feeds.settings import RecordedFile
from wire import configfile
from wire.configfile import ConfigError

GROUPS_MAX = 100_000
"""A larger pool is a mistake."""
TICKS_PER_SWITCH_MAX = 288
"""A switch without income for longer is a mistake."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Equal groups at one site, and the recorded series that they live through."""

    tick_s: float
    """Length of one tick, seconds; an hour must be a whole number of them."""
    time_zone: str
    """Of the site, as the IANA names it, e.g. `Europe/Brussels`."""
    groups: int
    """How many equal groups; serving ones are filled by rising index."""
    gpu_watts: Watts
    """At the wall, of one group."""
    rental_fee_ratio: float
    """Share of rental income that the marketplace keeps."""
    series: Path | None = None
    """CSV file with the columns of the series' own names. Exactly one of this and `recordings`."""
    recordings: tuple[RecordedFile, ...] = ()
    """Any CSV files, for the series `power`, `mine`, `rental`, `demand`, `eco` and `day_ahead`."""
    information_delay_s: float | None = None
    """How late a tick becomes known; only one tick is possible, which is the default."""
    day_ahead_known_from: str = "13:00"
    """Local time of the day before from which day-ahead prices are known."""
    begins: datetime | None = None
    """First tick; none: the first one at which every series has a value."""
    ends: datetime | None = None
    """End, itself left out; none: a tick after the last value of the power price."""
    gap_s_max: float = SECONDS_PER_H
    """A value holds until the next one, but no longer than this; a longer gap is an error."""
    switch_costs: dict[str, SwitchCosts] = field(default_factory=dict)
    """Further choices for `--cost`, by name; those known without are `fast`, `base`, `slow`."""

    @property
    def costs(self) -> dict[str, SwitchCosts]:
        """Every choice for `--cost`."""
        return {**COSTS, **self.switch_costs}

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def known_from(self) -> time:
        """Local time from which tomorrow's prices are known."""
        return time.fromisoformat(self.day_ahead_known_from)


def load(path: Path) -> Scenario:
    """Read and check one scenario. Raises `ConfigError` naming file, line and what to do."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file; name a scenario")
    scenario = configfile.load(path, Scenario)
    if found := next(_problems(scenario), None):
        raise ConfigError(f"{path}: {found}")
    return scenario


def _problems(scenario: Scenario) -> Iterator[str]:
    """What cannot be so; each with what to do."""
    yield from _pool_problems(scenario)
    if (scenario.series is None) == (not scenario.recordings):
        yield "name the prices: exactly one of `series` and `recordings`"
    if scenario.information_delay_s not in (None, scenario.tick_s):
        yield "information_delay_s: a tick is known when it has passed; write tick_s, or nothing"
    yield from _time_problems(scenario)
    for name, costs in scenario.switch_costs.items():
        yield from (f"switch_costs.{name}: {problem}" for problem in _cost_problems(costs))


def _pool_problems(scenario: Scenario) -> Iterator[str]:
    if not 1 <= scenario.groups <= GROUPS_MAX:
        yield f"groups: 1 to {GROUPS_MAX}"
    if not 0 <= scenario.rental_fee_ratio < 1:
        yield "rental_fee_ratio: from 0 to below 1, such as 0.2 for 20 %"
    for name, watts in asdict(scenario.gpu_watts).items():
        if not (math.isfinite(watts) and watts >= 0):
            yield f"gpu_watts.{name}: watts from 0 up"


def _time_problems(scenario: Scenario) -> Iterator[str]:
    tick_s = scenario.tick_s
    if not 1 <= tick_s <= SECONDS_PER_H or SECONDS_PER_H % tick_s:
        yield "tick_s: seconds that divide an hour, such as 300"
    if not scenario.gap_s_max > 0:
        yield "gap_s_max: seconds above 0"
    try:
        _ = scenario.known_from
    except ValueError:
        yield 'day_ahead_known_from: a local time in quotes, such as "13:00"'
    try:
        _ = scenario.zone
    except (ValueError, OSError, ZoneInfoNotFoundError):
        yield f"time_zone: {scenario.time_zone!r} is unknown; write one such as Europe/Brussels"
    for name, instant in (("begins", scenario.begins), ("ends", scenario.ends)):
        if instant is not None and instant.tzinfo is None:
            yield f"{name}: lacks its zone; append Z for UTC"


def _cost_problems(costs: SwitchCosts) -> Iterator[str]:
    for name, value in asdict(costs).items():
        if not (math.isfinite(value) and value >= 0):
            yield f"{name}: a number from 0 up"
        elif name.endswith("_ticks") and value > TICKS_PER_SWITCH_MAX:
            yield f"{name}: {TICKS_PER_SWITCH_MAX} at most"
