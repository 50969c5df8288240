"""The fleet as an integer program, and a program's answer as counts.

Columns count groups: of a cohort, with a choice, and of what serves in a whole seat, in the
partial one or in none. Watts are written in kW, so that coefficients are of one size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from controller.core.charges.steps import WATTS_PER_KW, Steps, spans
from controller.core.optimiser.cohorts import Counts, Fleet, Place, Settlement
from controller.core.optimiser.menu import useful
from controller.core.optimiser.program import Program
from controller.core.options.choice import Choice, forced, stated_usd_per_h
from controller.core.requirement import Requirement

TIE_USD_PER_H = 1e-6
"""A move must gain this much more than staying: of equals, who need not move does not."""

SHARE_TOLERANCE = 1e-9
"""Rounding of busy ratios."""


class Seat(Enum):
    """How a group uses up inference demand."""

    NO = 0.0
    """It does not serve, or nobody asks."""
    PART = 0.5
    WHOLE = 1.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What a column counts: groups of a cohort with a choice in a seat."""

    site: str
    cohort: int
    pick: int
    seat: Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of the program."""

    forced_max: float = 0.0
    """Choices that only a power cap may ask for."""
    ordered: frozenset[str] = frozenset()
    """Sites where it must be said that requests go to who gains most by them."""
    margin_w: float = 0.0
    """How far below the caps to stay: against rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """What stretching a bound costs where nothing else counts, in money of its own."""

    switch: float
    """One more switch, of a site or of the fleet."""
    cap_kw: float
    """One more kW; infinite: caps stand."""
    forced: Callable[[str, int], float]
    """By site and cohort: one group that makes a choice that only a power cap may ask for."""
    owed: float = 0.0
    """One unit that a requirement lacks."""


@dataclass(slots=True)
class Formulation:
    """A program with what its columns mean."""

    fleet: Fleet
    terms: Terms
    relief: Relief | None = None
    """None: choices have their value, and bounds stand."""
    program: Program = field(default_factory=Program)
    cells: dict[int, Cell] = field(default_factory=dict)
    caps: dict[str, int] = field(default_factory=dict)
    """Columns of kW above the cap, by site."""
    switches: dict[str, int] = field(default_factory=dict)
    """Columns of switches above the limit, by site; of the fleet under the empty name."""

    def counts(self, values: Sequence[float]) -> dict[str, Counts]:
        """What an answer means, by site."""
        made = {
            site: [[0] * len(cohort.choices) for cohort in place.cohorts]
            for site, place in self.fleet.places.items()
        }
        for column, cell in self.cells.items():
            made[cell.site][cell.cohort][cell.pick] += round(values[column])
        return {site: tuple(map(tuple, of_site)) for site, of_site in made.items()}

    def misread(self, site: str, settled: Settlement, values: Sequence[float]) -> bool:
        """Whether requests would go elsewhere than an answer has them, and it matters.

        Where watts have no price they can only go where they earn more, if they earn anything.
        """
        place = self.fleet.places[site]
        choices = (choice for cohort in place.cohorts for choice in cohort.choices)
        limits = place.limits
        dear = math.isfinite(limits.power_cap_w) or limits.surcharge
        if not dear and all(c.busy_usd_per_h >= 0.0 for c in choices):
            return False
        seats: dict[tuple[int, int], float] = {}
        for column, cell in self.cells.items():
            if cell.site == site and self.choice(cell).serves and values[column]:
                line = cell.cohort, cell.pick
                seats[line] = seats.get(line, 0.0) + values[column] * self.share(cell)
        for c, lots in enumerate(settled.lots):
            for lot in lots:
                if (c, lot.pick) in seats:
                    seats[c, lot.pick] -= lot.count * lot.share
        return any(abs(off) > SHARE_TOLERANCE for off in seats.values())

    def choice(self, cell: Cell) -> Choice:
        """The choice that a cell counts."""
        return self.fleet.places[cell.site].cohorts[cell.cohort].choices[cell.pick]

    def share(self, cell: Cell) -> float:
        """How busy the groups of a cell are."""
        demand = self.fleet.places[cell.site].limits.demand_groups
        return demand - math.floor(demand) if cell.seat is Seat.PART else cell.seat.value


def formulate(fleet: Fleet, terms: Terms, relief: Relief | None = None) -> Formulation:
    """The program of a fleet."""
    made = Formulation(fleet, terms, relief)
    for site, place in fleet.places.items():
        _groups(made, site, place)
        _bounds(made, site, place)
    moving = [(column, 1.0) for column, cell in made.cells.items() if cell.pick]
    _switches(made, "", moving, fleet.switches)
    under_force = [(j, 1.0) for j, cell in made.cells.items() if forced(made.choice(cell))]
    if relief is None:
        made.program.bound(under_force, least=-math.inf, most=terms.forced_max)
    for requirement in fleet.requirements:
        _requirement(made, requirement)
    return made


def _groups(made: Formulation, site: str, place: Place) -> None:
    """Every group makes one choice."""
    capped = math.isfinite(place.limits.power_cap_w) or bool(place.limits.surcharge)
    demand, total = place.limits.demand_groups, sum(cohort.count for cohort in place.cohorts)
    for c, cohort in enumerate(place.cohorts):
        picks: Iterable[int] = range(len(cohort.choices))
        if made.relief is None:
            picks = useful(cohort.choices, capped=capped, force=made.terms.forced_max > 0)
        columns = []
        for pick in picks:
            choice = cohort.choices[pick]
            for seat in _seats(choice, demand, total):
                cell = Cell(site, c, pick, seat)
                most = 1 if seat is Seat.PART else cohort.count
                column = made.program.column(_cost(made, cell), most)
                made.cells[column] = cell
                columns.append((column, 1.0))
        made.program.bound(columns, least=cohort.count, most=cohort.count)


def _seats(choice: Choice, demand: float, total: int) -> Iterator[Seat]:
    if not choice.serves:
        yield Seat.NO
        return
    if demand >= 1.0:
        yield Seat.WHOLE
    if demand < total:
        yield Seat.NO
        if demand != math.floor(demand):
            yield Seat.PART


def _cost(made: Formulation, cell: Cell) -> float:
    choice, relief = made.choice(cell), made.relief
    tie = TIE_USD_PER_H if cell.pick else 0.0
    if relief is None:
        return stated_usd_per_h(choice, made.share(cell)) - tie
    return -tie - (relief.forced(cell.site, cell.cohort) if forced(choice) else 0.0)


def _bounds(made: Formulation, site: str, place: Place) -> None:
    """Seats, watts and switches of a site."""
    cells = [(column, cell) for column, cell in made.cells.items() if cell.site == site]
    limits, program = place.limits, made.program
    if math.isfinite(limits.demand_groups):
        whole = [(j, 1.0) for j, cell in cells if cell.seat is Seat.WHOLE]
        program.bound(whole, least=-math.inf, most=math.floor(limits.demand_groups))
        program.bound(
            [(j, 1.0) for j, cell in cells if cell.seat is Seat.PART], least=-math.inf, most=1.0
        )
    if site in made.terms.ordered:
        _order(made, cells, math.floor(limits.demand_groups))
    watts = [(j, made.choice(x).watts(made.share(x)) / WATTS_PER_KW) for j, x in cells]
    if limits.surcharge and made.relief is None:
        _surcharge(program, watts, limits.surcharge)
    if math.isfinite(limits.power_cap_w):
        if made.relief is not None and math.isfinite(made.relief.cap_kw):
            made.caps[site] = program.column(-made.relief.cap_kw, math.inf, whole=False)
            watts.append((made.caps[site], -1.0))
        most = (limits.power_cap_w - made.terms.margin_w) / WATTS_PER_KW
        program.bound(watts, least=-math.inf, most=most)
    _switches(made, site, [(j, 1.0) for j, cell in cells if cell.pick], limits.switches)


def _surcharge(program: Program, watts: Sequence[tuple[int, float]], steps: Steps) -> None:
    """What exceeds the first bound fills the steps, the cheapest first."""
    columns = [
        program.column(-price, (end - begin) / WATTS_PER_KW, whole=False)
        for begin, end, price in spans(steps)
    ]
    above = [(column, -1.0) for column in columns]
    program.bound([*watts, *above], least=-math.inf, most=steps[0].above_w / WATTS_PER_KW)


def _switches(
    made: Formulation, site: str, moving: Sequence[tuple[int, float]], most: float
) -> None:
    terms = list(moving)
    if made.relief is not None:
        made.switches[site] = made.program.column(-made.relief.switch, math.inf)
        terms.append((made.switches[site], -1.0))
    made.program.bound(terms, least=-math.inf, most=most)


def _order(made: Formulation, cells: Sequence[tuple[int, Cell]], seats: int) -> None:
    """Requests go to who gains most: nobody is seated while an earlier one is not."""
    program, place = made.program, made.fleet.places[cells[0][1].site]
    lines: dict[tuple[float, int, int], dict[Seat, int]] = {}
    for column, cell in cells:
        choice = made.choice(cell)
        if choice.serves:
            rank = (-choice.busy_usd_per_h, cell.cohort, cell.pick)
            lines.setdefault(rank, {})[cell.seat] = column
    whole: list[tuple[int, float]] = []
    part: list[tuple[int, float]] = []
    for (_, c, _), columns in sorted(lines.items()):
        whole += [(columns[Seat.WHOLE], 1.0)] if Seat.WHOLE in columns else []
        full = program.column(0.0, 1.0)
        program.bound([*whole, (full, -float(seats))], least=0.0, most=math.inf)
        last = full
        if Seat.PART in columns:
            part.append((columns[Seat.PART], 1.0))
            program.bound([(columns[Seat.PART], 1.0), (full, -1.0)], least=-math.inf, most=0.0)
            last = program.column(0.0, 1.0)
            program.bound([*part, (last, -1.0)], least=0.0, most=math.inf)
            program.bound([(last, 1.0), (full, -1.0)], least=-math.inf, most=0.0)
        if Seat.NO in columns:
            idle = [(columns[Seat.NO], 1.0), (last, -float(place.cohorts[c].count))]
            program.bound(idle, least=-math.inf, most=0.0)


def _requirement(made: Formulation, requirement: Requirement) -> None:
    """Soft: what it lacks or exceeds has its price, so that there always is a plan."""
    price = requirement.weight_usd_per_h if made.relief is None else made.relief.owed
    terms = [
        (column, amount)
        for column, cell in made.cells.items()
        for name, amount in made.choice(cell).counts
        if name == requirement.name
    ]
    if requirement.least > -math.inf:
        short = made.program.column(-price, math.inf, whole=False)
        made.program.bound([*terms, (short, 1.0)], least=requirement.least, most=math.inf)
    if requirement.most < math.inf:
        excess = made.program.column(-price, math.inf, whole=False)
        made.program.bound([*terms, (excess, -1.0)], least=-math.inf, most=requirement.most)


def stretched(made: Formulation, values: Sequence[float]) -> Fleet:
    """The fleet with its limits on switches stretched as an answer asks."""
    more = {site: round(values[j]) for site, j in made.switches.items()}
    places = {
        site: replace(
            place, limits=replace(place.limits, switches=place.limits.switches + more[site])
        )
        for site, place in made.fleet.places.items()
    }
    return replace(made.fleet, places=places, switches=made.fleet.switches + more[""])
