"""What rigs say of themselves, offers and measurements, kept over a restart of the controller.

Losing the newest of it costs nothing but time: rigs say it again. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.core import measured
from controller.core.measured import UNKNOWN, Classes, Figures, Witness
from controller.core.model import RigRecord
from controller.ports import Store, StoreError
from controller.records import Portrait
from wire import logs
from wire.figures import Measured
from wire.model import GroupOffer

CLASSES_S = 300.0
"""How often medians over classes are taken anew; rigs say what they learned as often."""


@dataclass(frozen=True, slots=True)
class Insight:
    """What is known of a group."""

    measured: tuple[Measured, ...]
    """As its rig says it."""
    figures: Figures
    """As far as it counts, and what its class has measured."""


class Portraits:
    """The newest portrait of every rig, and what follows from all of them together."""

    def __init__(
        self,
        store: Store,
        records: Callable[[], Mapping[str, RigRecord]],
        now: Callable[[], float],
        seconds_per_second: float = 1.0,
    ) -> None:
        """`records`: the inventory; `now`: seconds, for the pace only; see `Fleet` for the last."""
        self._store = store
        self._records = records
        self._now = now
        self._speed = seconds_per_second
        self._known = {portrait.rig: portrait for portrait in store.portraits()}
        self._unwritten: set[str] = set()
        self._insights: dict[str, dict[str, Insight]] = {}
        """By rig and group; made when they are asked for."""
        self._alike: dict[tuple[object, ...], Figures] = {}
        """Equal figures are one object, so that a plan can tell groups that are alike."""
        self._classes: Classes = {}
        self._classes_at = float("-inf")
        self._fault = ""
        self._log = logs.get("portraits")

    def greeted(self, rig: str, groups: tuple[GroupOffer, ...]) -> None:
        """A rig has said what it offers."""
        old = self._known.get(rig)
        offered = {(g.group, w) for g in groups for w in (None, *(o.name for o in g.workloads))}
        kept = tuple(m for m in _measured(old) if (m.group, m.workload) in offered)
        self._paint(Portrait(rig=rig, groups=groups, measured=kept))

    def told(self, rig: str, entries: Sequence[Measured]) -> None:
        """A rig has said what it measured; what it does not offer is left out."""
        old = self._known.get(rig)
        if old is None:
            return
        news = {(entry.group, entry.workload): entry for entry in entries}
        whole = {**{(entry.group, entry.workload): entry for entry in old.measured}, **news}
        offered = [
            (group.group, workload)
            for group in old.groups
            for workload in (None, *(offer.name for offer in group.workloads))
        ]
        kept = tuple(whole[key] for key in offered if key in whole)
        self._paint(replace(old, measured=kept))

    def groups(self, rig: str) -> tuple[GroupOffer, ...]:
        """What a rig offered last; nothing for one that never said hello."""
        portrait = self._known.get(rig)
        return () if portrait is None else portrait.groups

    def insight(self, record: RigRecord, offer: GroupOffer) -> Insight:
        """What is known of a group, by its own measurements and by its class's."""
        of_rig = self._insights.setdefault(record.rig, {})
        if offer.group not in of_rig:
            of_rig[offer.group] = self._made(record, offer)
        return of_rig[offer.group]

    def keep_pace(self) -> None:
        """Take the medians over classes anew, if it is time."""
        now = self._now()
        if now - self._classes_at >= CLASSES_S:
            self._classes_at = now
            self._classes = measured.typical(self._witnesses())
            self._insights.clear()
            self._alike.clear()

    def flush(self) -> None:
        """Write what is new; what the store refuses is tried again."""
        if not self._unwritten:
            return
        try:
            self._store.put_portraits([self._known[rig] for rig in sorted(self._unwritten)])
        except StoreError as error:
            if str(error) != self._fault:
                self._log.error("store refused", error=str(error))
            self._fault = str(error)
        else:
            self._fault = ""
            self._unwritten.clear()

    def _paint(self, portrait: Portrait) -> None:
        if self._known.get(portrait.rig) == portrait:
            return
        self._known[portrait.rig] = portrait
        self._unwritten.add(portrait.rig)
        self._insights.pop(portrait.rig, None)

    def _witnesses(self) -> Iterator[Witness]:
        records = self._records()
        for rig, portrait in self._known.items():
            if portrait.measured and rig in records and not records[rig].revoked:
                for offer in portrait.groups:
                    yield self._witness(records[rig], offer)

    def _witness(self, record: RigRecord, offer: GroupOffer) -> Witness:
        entries = _measured(self._known.get(record.rig))
        said = tuple(entry for entry in entries if entry.group == offer.group)
        return Witness(record.rig_class, len(offer.gpus), said)

    def _made(self, record: RigRecord, offer: GroupOffer) -> Insight:
        witness = self._witness(record, offer)
        figures = measured.paced(measured.figures(witness, self._classes), self._speed)
        if figures:
            figures = self._alike.setdefault(tuple(figures.items()), figures)
        return Insight(witness.measured, figures or UNKNOWN)


def _measured(portrait: Portrait | None) -> tuple[Measured, ...]:
    return () if portrait is None else portrait.measured
