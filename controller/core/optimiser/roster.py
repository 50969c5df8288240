"""Which groups are alike, so that each kin is priced, weighed and explained once.

Groups are kin when all that a plan reads of them is equal, but for their keys and instants. What
a roster remembers from one plan to the next makes the next one faster and never another one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from operator import is_

from controller.core import reasons
from controller.core.model import GroupKey, GroupView, Hold
from controller.core.options import standing
from controller.core.options.standing import Standing
from wire.model import WorkloadOffer

SWITCH_STEP_S = 10.0
"""Seconds that a group's own switches have taken count in such steps.

Less is worth next to nothing, and groups that differ by less are planned as one.
"""


@dataclass(slots=True, eq=False)
class Kin:
    """Groups that are alike."""

    view: GroupView
    """One of them, for what it shares with the others."""
    standing: Standing
    rejected: Mapping[str, str]
    priced_as: int
    """Kins of one number have the same prospects."""
    members: list[int] = field(default_factory=list)
    """Places in the roster, ascending."""
    placed_at: float = 0.0
    """Instant that the last of them was put where it is; 0: none ever was."""

    @property
    def free(self) -> bool:
        """Whether prices may move them."""
        return self.standing.free


class Roster:
    """All groups of the fleet by key, and how they are kin."""

    def __init__(self) -> None:
        self.keys: list[GroupKey] = []
        self.kins: list[Kin] = []
        """In the order of their first members."""
        self._views: Sequence[GroupView] = ()
        """As they were handed in last; beside each its kin."""
        self._found: list[Kin] = []
        self._holds: Mapping[GroupKey, Hold] = {}
        self._order: list[int] = []
        self._known: dict[Hashable, Kin] = {}
        self._priced: dict[Hashable, int] = {}
        self._offers: dict[tuple[str, ...], list[tuple[int, tuple[WorkloadOffer, ...]]]] = {}
        self._numbers = count()

    def muster(self, views: Sequence[GroupView], holds: Mapping[GroupKey, Hold]) -> None:
        """Take these for the fleet; `holds` are those in force."""
        old = self._views
        comparable = len(views) == len(old) and holds == self._holds
        if comparable and all(map(is_, views, old)):
            return
        if comparable:
            pairs = enumerate(zip(views, old, strict=True))
            changed = [i for i, (now, then) in pairs if now is not then and now != then]
            for i in changed:
                self._found[i] = self._kin(views[i], holds.get(views[i].key))
            moved = any(views[i].key != old[i].key for i in changed)
        else:
            self._found = list(self._recognised(views, holds))
            changed, moved = [], True
        self._views, self._holds = tuple(views), dict(holds)
        if moved:
            keys = [(view.key.rig, view.key.group) for view in views]
            self._order = sorted(range(len(keys)), key=keys.__getitem__)
            self.keys = [views[i].key for i in self._order]
        if changed or moved:
            self._assemble()

    def by_dwell(self, kin: Kin, dwell_s: float, now: float) -> Iterator[tuple[float, list[int]]]:
        """Members by how many seconds they still stay where they were put.

        Those are one that would be told the same.
        """
        if kin.placed_at + dwell_s <= now:
            yield 0.0, kin.members
            return
        found: dict[str, tuple[float, list[int]]] = {}
        for member in kin.members:
            left = max(0.0, _placed_at(self._views[self._order[member]]) + dwell_s - now)
            told = reasons.span(left) if left else ""
            found.setdefault(told, (left, []))[1].append(member)
        yield from found.values()

    def _recognised(
        self, views: Sequence[GroupView], holds: Mapping[GroupKey, Hold]
    ) -> Iterator[Kin]:
        """The kin of each; of what was there already, from memory."""
        pairs = zip(self._views, self._found, strict=True)
        before = {view.key: (view, kin) for view, kin in pairs}
        for view in views:
            then, hold = before.get(view.key), holds.get(view.key)
            if then is None or then[0] != view or hold != self._holds.get(view.key):
                yield self._kin(view, hold)
            else:
                yield then[1]

    def _kin(self, view: GroupView, hold: Hold | None) -> Kin:
        where, rejected = standing.standing(view, hold), standing.rejections(view)
        view = _rounded(view)
        priced_as = self._priced.setdefault(self._priced_by(view), next(self._numbers))
        traits = (priced_as, *_traits(view), where, tuple(rejected.items()))
        if traits not in self._known:
            self._known[traits] = Kin(view, where, rejected, priced_as)
        return self._known[traits]

    def _priced_by(self, view: GroupView) -> Hashable:
        """What prospects depend on beside prices.

        Figures are told apart by identity: they are many, and whoever makes them shares equal ones.
        """
        figures = id(view.figures) if view.figures else None
        offered = self._offered_as(view.offer.workloads)
        return view.site, view.rig_class, len(view.offer.gpus), offered, figures

    def _offered_as(self, workloads: tuple[WorkloadOffer, ...]) -> int:
        """A number for equal offers. Looking for equal ones by name is cheaper than their hash."""
        known = self._offers.setdefault(tuple([offer.name for offer in workloads]), [])
        for number, offers in known:
            if offers == workloads:
                return number
        known.append((next(self._numbers), workloads))
        return known[-1][0]

    def _assemble(self) -> None:
        """Every kin with its members; those that have none are forgotten."""
        seen: dict[int, Kin] = {}
        for place, i in enumerate(self._order):
            kin = self._found[i]
            if id(kin) not in seen:
                seen[id(kin)] = kin
                kin.members, kin.placed_at = [], 0.0
            kin.members.append(place)
            kin.placed_at = max(kin.placed_at, _placed_at(self._views[i]))
        self.kins = list(seen.values())
        if len(self._known) > 2 * len(self.kins):
            self._known = {t: kin for t, kin in self._known.items() if id(kin) in seen}
            used = {kin.priced_as for kin in self.kins}
            self._priced = {t: number for t, number in self._priced.items() if number in used}
            names = {tuple(o.name for o in kin.view.offer.workloads) for kin in self.kins}
            self._offers = {n: known for n, known in self._offers.items() if n in names}


def _placed_at(view: GroupView) -> float:
    return view.assigned_at if view.generation else 0.0


def _rounded(view: GroupView) -> GroupView:
    """Its switches in whole steps."""
    if view.switch_s is None and not view.route_s:
        return view
    switch_s = None if view.switch_s is None else _step_s(view.switch_s)
    route_s = {route: _step_s(seconds) for route, seconds in view.route_s.items()}
    return replace(view, switch_s=switch_s, route_s=route_s)


def _step_s(seconds: float) -> float:
    return SWITCH_STEP_S * round(seconds / SWITCH_STEP_S)


def _traits(view: GroupView) -> tuple[Hashable, ...]:
    """What else of a view a plan reads; whoever makes it read more adds that here."""
    routes = frozenset(view.route_s.items())
    active = None if view.status is None else (view.status.active,)
    asleep = None if view.parked is None else (view.parked, frozenset(view.wake_s.items()))
    return view.assigned, view.committed, view.switch_s, routes, view.online, active, asleep
