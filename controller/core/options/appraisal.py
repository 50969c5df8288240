"""What a group draws at the wall and how much of what is paid for it makes, from the best source.

In this order: measured by the group, measured by its class, the farm's settings, the rig's own
nameplate. A measured figure that is far from what the settings say is believed only in part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.core import measured
from controller.core.farm import EarningSettings, Per, RigClassSettings
from controller.core.measured import Figures, Known, Quantity, Source
from controller.core.model import GroupView
from wire.model import WorkloadOffer

SECONDS_PER_H = 3600.0
MILLION = 1e6

_YIELDS = {
    Per.MEGAHASH: (Quantity.HASHRATE, 1.0 / MILLION),
    Per.MILLION_TOKENS: (Quantity.TOKENS, SECONDS_PER_H / MILLION),
}
"""What is measured for a way to be paid, and the paid units of an hour in one of it."""


@dataclass(frozen=True, slots=True)
class Value:
    """A figure that a plan reckons with."""

    value: float | None
    source: Source
    basis: str
    """Where it comes from, for people, one clause."""


@dataclass(frozen=True, slots=True)
class Wall:
    """Turns what the GPUs of a group measure into watts at the wall."""

    off: Value
    """Watts while it stands still."""
    host_w: float
    """What is drawn beside the GPUs: host, fans."""
    efficiency: float

    def watts(self, gpu_w: float) -> float:
        """At the wall, when the GPUs draw so much."""
        return gpu_w / self.efficiency + self.host_w


@dataclass(frozen=True, slots=True)
class Power:
    """What a workload draws at the wall, watts of the whole group."""

    busy: Value
    idle_w: float | None
    nameplate_w: float | None
    """Busy, by settings or nameplate."""


def wall(view: GroupView, rig_class: RigClassSettings) -> Wall:
    """The wall of a group: its settings, and what its GPUs draw while it stands still.

    What the settings say beyond the GPUs' own draw is the host's. Where nobody has seen the GPUs
    empty, all of it counts as the host's: a power cap must not be exceeded for want of a figure.
    """
    efficiency = rig_class.supply_efficiency_ratio
    set_w = rig_class.gpu_off_w * len(view.offer.gpus)
    empty = view.figures.get((None, Quantity.BUSY_W))
    if empty is None:
        return Wall(Value(set_w, Source.SETTINGS, ""), set_w, efficiency)
    gpus_w = empty.value / efficiency
    if set_w > 0.0:
        gpus_w = min(gpus_w, set_w * measured.FACTOR_MAX)
    host_w = max(0.0, set_w - gpus_w)
    return Wall(Value(gpus_w + host_w, empty.source, _told("watts", empty)), host_w, efficiency)


def power(
    view: GroupView, offer: WorkloadOffer, earning: EarningSettings | None, wall: Wall
) -> Power:
    """What a workload draws; without settings only nameplate and measurements say."""
    gpus = len(view.offer.gpus)
    set_w = set_idle_w = None
    if earning is not None:
        set_w, set_idle_w = earning.gpu_power_w, earning.gpu_idle_w
    nameplate_w = offer.power_w if set_w is None else set_w * gpus
    source = Source.NAMEPLATE if set_w is None else Source.SETTINGS
    known = view.figures.get((offer.name, Quantity.BUSY_W))
    busy = _chosen("watts", known, wall, nameplate_w, source)
    idle = view.figures.get((offer.name, Quantity.IDLE_W))
    idle_w = busy.value if set_idle_w is None else set_idle_w * gpus
    if idle is not None:
        idle_w = _at_wall(idle, wall, None if set_idle_w is None else idle_w)
    if idle_w is not None and busy.value is not None:
        idle_w = min(idle_w, busy.value)
    return Power(busy, idle_w, nameplate_w)


def units_per_h(view: GroupView, offer: WorkloadOffer, earning: EarningSettings) -> Value:
    """How many of the units that are paid for a busy group makes in an hour of price."""
    gpus = len(view.offer.gpus)
    if earning.per is Per.GPU:
        return Value(float(gpus), Source.SETTINGS, "")
    quantity, units = _YIELDS[earning.per]
    per_gpu = {
        Quantity.HASHRATE: earning.gpu_hashrate_hps,
        Quantity.TOKENS: earning.gpu_tokens_per_s,
    }[quantity]
    set_to = None if per_gpu is None else per_gpu * gpus
    found = _chosen(
        quantity.value, view.figures.get((offer.name, quantity)), None, set_to, Source.SETTINGS
    )
    return Value(None if found.value is None else found.value * units, found.source, found.basis)


def wake_s(view: GroupView, origin: str | None, target: str | None) -> float | None:
    """Seconds without income of waking who sleeps there; none: it does not, or never was woken."""
    asleep = target is not None and view.parked == target
    return view.wake_s.get((origin, target)) if asleep else None


def switch_s(figures: Figures, origin: str | None, target: str | None) -> float | None:
    """Seconds without income of a switch, from its two halves; none unless both are known."""
    halves = list(_halves(figures, origin, target))
    return None if None in halves else sum(half for half in halves if half is not None)


def _halves(figures: Figures, origin: str | None, target: str | None) -> Iterator[float | None]:
    if origin is not None:
        leaving = figures.get((origin, Quantity.LEAVE_S))
        yield None if leaving is None else leaving.value
    if target is not None:
        arriving = figures.get((target, Quantity.ARRIVE_S))
        yield None if arriving is None else arriving.value


def _chosen(
    what: str, known: Known | None, wall: Wall | None, nameplate: float | None, source: Source
) -> Value:
    if known is None and nameplate is None:
        return Value(None, Source.NONE, "")
    if known is None:
        names = {Source.SETTINGS: "from the settings", Source.NAMEPLATE: "from its nameplate"}
        return Value(nameplate, source, f"{what} {names[source]}")
    said = known.value if wall is None else wall.watts(known.value)
    taken = said if nameplate is None else measured.believed(said, nameplate)
    basis = _told(what, known)
    if taken != said:
        basis += f"; {said:.4g} is too far from {nameplate:.4g} by {source}, so {taken:.4g} counts"
    return Value(taken, known.source, basis)


def _at_wall(known: Known, wall: Wall, nameplate_w: float | None) -> float:
    watts = wall.watts(known.value)
    return watts if nameplate_w is None else measured.believed(watts, nameplate_w)


def _told(what: str, known: Known) -> str:
    texts = {
        Source.MEASURED: f"{what} measured, {known.count} samples",
        Source.AGREED: f"{what} measured, as on {known.count} groups of its class",
        Source.CLASS: f"{what} of its class, {known.count} groups",
    }
    doubt = "" if known.doubted is None else f"; {known.doubted:.4g} is too far from its class"
    return texts[known.source] + doubt
