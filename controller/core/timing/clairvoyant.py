"""The plan of somebody who knew every price: exact dynamic programming over one group's options.

It is the yardstick of replays and of the live accounts and must never reach a decision: it
looks ahead. A policy that earns more than it has a bug, or pays less for its switches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

MINUTES_PER_H = 60.0


@dataclass(frozen=True, slots=True)
class Switch:
    """What it costs to move one group from one option to another."""

    ticks: int = 0
    """Whole ticks without income, at the course's transition cost."""
    usd: float = 0.0
    """Dollars, paid at the start: wear, failed starts, operators."""
    revenue_min: float = 0.0
    """Minutes of the target's revenue lost in its first tick, while that revenue is positive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What each option of one group would have brought, tick by tick; all of one length."""

    net_usd: Mapping[str, Sequence[float]]
    """Dollars per tick of each option: revenue less energy."""
    revenue_usd_per_h: Mapping[str, Sequence[float]]
    """Revenue alone, for `Switch.revenue_min`; an option that is left out has none."""
    transition_usd: Sequence[float]
    """Dollars per tick that a group in a switch pays for energy."""

    def __post_init__(self) -> None:
        lengths = {len(self.transition_usd), *map(len, self.net_usd.values())}
        lengths |= {len(series) for series in self.revenue_usd_per_h.values()}
        if len(lengths) != 1:
            raise ValueError(f"series of one course differ in length: {sorted(lengths)} ticks")

    @property
    def ticks(self) -> int:
        """Number of ticks."""
        return len(self.transition_usd)


Switches = Mapping[tuple[str, str], Switch]
"""Costs by (origin, target); a pair that is left out cannot be switched."""


@dataclass(frozen=True, slots=True)
class Hindsight:
    """The best that one group could have done."""

    profit_usd: float
    options: tuple[str, ...]
    """Option that is run, or on the way to, in each tick."""
    switches: int


def best(course: Course, switches: Switches, *, start: str) -> Hindsight:
    """The most profitable sequence of options, `start` being in force before the first tick.

    A switch that the end of the course cuts off pays its dollars and its transition so far.

    Raises:
        ValueError: `start` or a switch names an option that the course does not have.
    """
    names = list(course.net_usd)
    unknown = {name for pair in switches for name in pair} | {start}
    if not unknown <= set(names):
        raise ValueError(f"unknown options {sorted(unknown - set(names))}; known: {names}")
    moves = _moves(course, switches, names)
    profits, choices = _backward([course.net_usd[name] for name in names], moves)
    first = names.index(start)
    path, switched = _walk(choices, first)
    return Hindsight(profits[first], tuple(names[option] for option in path), switched)


@dataclass(frozen=True, slots=True)
class _Move:
    """One switch with its cost at every tick, as seen from its target."""

    target: int
    ticks: int
    cost_usd: Sequence[float]
    """By the tick it begins in, its transition and lost minutes included."""


def _moves(course: Course, switches: Switches, names: list[str]) -> list[list[_Move]]:
    """The moves out of each option, in the order of the options."""
    energy = [0.0, *accumulate(course.transition_usd)]
    known: dict[tuple[str, Switch], _Move] = {}
    moves: list[list[_Move]] = [[] for _ in names]
    for origin, target in sorted(switches, key=lambda pair: names.index(pair[1])):
        if origin == target:
            continue
        switch = switches[origin, target]
        if (target, switch) not in known:
            lost = _lost_usd(course.revenue_usd_per_h.get(target), switch, course.ticks)
            cost = _cost_usd(energy, lost, switch)
            known[target, switch] = _Move(names.index(target), switch.ticks, cost)
        moves[names.index(origin)].append(known[target, switch])
    return moves


def _lost_usd(revenue: Sequence[float] | None, switch: Switch, ticks: int) -> list[float]:
    """Dollars of the target's revenue that an arrival in each tick loses."""
    if revenue is None or not switch.revenue_min:
        return [0.0] * ticks
    return [max(0.0, usd_per_h) * switch.revenue_min / MINUTES_PER_H for usd_per_h in revenue]


def _cost_usd(energy: list[float], lost: list[float], switch: Switch) -> list[float]:
    """Whole cost of a switch by the tick it begins in; the end of the course cuts it off."""
    end = len(lost)
    return [
        switch.usd
        + energy[min(tick + switch.ticks, end)]
        - energy[tick]
        + (lost[tick + switch.ticks] if tick + switch.ticks < end else 0.0)
        for tick in range(end)
    ]


def _backward(
    nets: list[Sequence[float]], moves: list[list[_Move]]
) -> tuple[list[float], list[list[_Move | None]]]:
    """Profit by the option in force before the first tick, and the best move of every tick.

    `values[option][tick]` is the value of being free there in that tick; who has just arrived may
    move on at once. A move that takes no time is followed by a tick at its target.
    """
    end = len(nets[0])
    reach = 1 + max((move.ticks for out in moves for move in out), default=0)
    values = [[0.0] * (end + reach) for _ in nets]
    choices: list[list[_Move | None]] = [[None] * end for _ in nets]
    options = list(zip(range(len(nets)), nets, values, moves, choices, strict=True))
    for tick in range(end - 1, -1, -1):
        stays = [net[tick] + value[tick + 1] for _, net, value, _, _ in options]
        for option, _, value, out, choice in options:
            best_usd = stays[option]
            for move in out:
                there = values[move.target][tick + move.ticks] if move.ticks else stays[move.target]
                if there - move.cost_usd[tick] > best_usd:
                    best_usd = there - move.cost_usd[tick]
                    choice[tick] = move
            value[tick] = best_usd
    return [value[0] for value in values], choices


def _walk(choices: list[list[_Move | None]], option: int) -> tuple[list[int], int]:
    """Option of every tick along the best moves, and how many moves there were."""
    end, switches = len(choices[option]), 0
    path: list[int] = []
    while len(path) < end:
        move = choices[option][len(path)]
        if move is None:
            path.append(option)
        else:
            option, switches = move.target, switches + 1
            path += [option] * max(1, move.ticks)
    return path[:end], switches
