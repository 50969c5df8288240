"""What a run of the demo came to. Every figure is measured; nothing is carried in by hand."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from controller.core.model import GroupKey
from controller.demo import cast, observer, scenario
from controller.demo.observer import Observer
from controller.ports import Store
from wire.model import Phase, Result

OUTCOMES_MAX = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures, as `--json` writes them."""

    rigs: int
    groups: int
    seconds: float
    price_hours: float
    switches: int
    """Assignments that moved a group and were reached."""
    switches_by_route: dict[str, int]
    """From what to what, e.g. `mining → off`."""
    failed_switches: int
    rollbacks: int
    superseded: int
    deaths: int
    """Programs that died, the killed ones among them."""
    double_occupancy: int
    """Times that a simulated GPU saw two live workloads, by its own log."""
    orders_lost: int
    """Assignments that neither ended nor are on their way on the rig."""
    profit_usd: float
    always_mine_usd: float
    always_infer_usd: float
    clairvoyant_usd: float
    switch_seconds_p50: float | None
    first_switch_seconds: float | None
    controller_metrics_url: str
    agent_metrics_urls: list[str]


def summarize(watch: Observer, store: Store, deaths: int, urls: tuple[str, list[str]]) -> Summary:
    """Add it up.

    Args:
        watch: What was seen from outside.
        store: The controller's memory, read after everything came to rest.
        deaths: Programs that died.
        urls: Metrics of the controller and of the agents.
    """
    outcomes = store.outcomes(limit=OUTCOMES_MAX)
    ended = observer.results(outcomes)
    ticks = watch.switch_ticks(outcomes)
    took_s = observer.switch_seconds(outcomes)
    routes: dict[str, int] = {}
    for entry in outcomes:
        outcome = entry.outcome
        if outcome.result is Result.DONE and outcome.origin != outcome.workload:
            route = f"{_kind(outcome.origin)} → {_kind(outcome.workload)}"
            routes[route] = routes.get(route, 0) + 1
    return Summary(
        rigs=len(watch.stage.rigs),
        groups=len(watch.groups),
        seconds=round(len(next(iter(watch.accounts.history.values()), ())) * _tick_s(watch), 1),
        price_hours=round(_price_hours(watch), 2),
        switches=sum(routes.values()),
        switches_by_route=dict(sorted(routes.items())),
        failed_switches=ended[Result.ROLLED_BACK] + ended[Result.QUARANTINED],
        rollbacks=ended[Result.ROLLED_BACK],
        superseded=ended[Result.SUPERSEDED],
        deaths=deaths,
        double_occupancy=cast.double_occupancies(watch.stage.simulated_dir),
        orders_lost=orders_lost(watch, store),
        profit_usd=round(watch.accounts.profit_usd, 4),
        always_mine_usd=round(watch.always_usd(scenario.MINE, ticks), 4),
        always_infer_usd=round(watch.always_usd(scenario.INFER, ticks), 4),
        clairvoyant_usd=round(watch.clairvoyant_usd(ticks), 4),
        switch_seconds_p50=round(statistics.median(took_s), 3) if took_s else None,
        first_switch_seconds=watch.first_switch_s and round(watch.first_switch_s, 1),
        controller_metrics_url=urls[0],
        agent_metrics_urls=urls[1],
    )


def orders_lost(watch: Observer, store: Store) -> int:
    """Generations that were issued and have no outcome, but for those that are under way."""
    ended = {
        (GroupKey(entry.rig, entry.outcome.group), entry.outcome.generation)
        for entry in store.outcomes(limit=OUTCOMES_MAX)
    }
    under_way = {
        (line.key, line.observed_generation)
        for line in watch.groups
        if line.phase is not None and not line.phase.stable and line.phase is not Phase.FAILED
    }
    return sum(
        (stored.key, generation) not in ended and (stored.key, generation) not in under_way
        for stored in store.assignments()
        for generation in range(1, stored.assignment.generation + 1)
    )


def _kind(workload: str | None) -> str:
    if workload is None:
        return "off"
    return "inference" if workload == scenario.INFER else "mining"


def _tick_s(watch: Observer) -> float:
    return scenario.TICK_S / watch.speed


def _price_hours(watch: Observer) -> float:
    ticks = len(next(iter(watch.accounts.history.values()), ()))
    return ticks * scenario.TICK_S / 3600.0
