"""A small desk: plans by price alone, obeys pins and holds, and moves groups when told to.

Not the reconciler, but a working implementation of the same protocol: what it answers follows
from its views, its prices and the holds in its store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controller.answers import Check
from controller.core.model import (
    Block,
    Decision,
    GroupKey,
    GroupView,
    Option,
    Plan,
    Quote,
    QuoteState,
    RigRecord,
)
from controller.ports import Store
from wire.model import (
    GpuReading,
    GroupOffer,
    GroupStatus,
    Kind,
    Leg,
    Phase,
    Rejection,
    Sample,
    WorkloadOffer,
)

ROAD = (Phase.PREPARING, Phase.STOPPING, Phase.VACATING, Phase.STARTING, Phase.PROBING)

OFFERS = (
    WorkloadOffer("etc", Kind.MINING, 1_200.0),
    WorkloadOffer("llama", Kind.INFERENCE, 900.0),
)

NETS: dict[str | None, float | None] = {"etc": 0.5, "llama": 2.0, None: 0.0}


def record(rig: str, **changes: str) -> RigRecord:
    made = RigRecord(rig=rig, site="oslo", rig_class="rtx4090", labels={}, public_key="k")
    return replace(made, **changes)  # type: ignore[arg-type]


def view(
    rig: str,
    group: str = "g0",
    *,
    active: str | None = "etc",
    phase: Phase | None = None,
    site: str = "oslo",
    rig_class: str = "rtx4090",
    labels: dict[str, str] | None = None,
    workloads: tuple[WorkloadOffer, ...] = OFFERS,
) -> GroupView:
    return GroupView(
        key=GroupKey(rig, group),
        site=site,
        rig_class=rig_class,
        labels=labels or {},
        offer=GroupOffer(group, (f"GPU-{rig}-{group}",), workloads),
        status=GroupStatus(
            group=group,
            phase=phase or (Phase.RUNNING if active else Phase.IDLE),
            leg=Leg.FORWARD,
            active=active,
            target=active,
            generation=1,
            since_s=0.0,
        ),
        online=True,
        generation=1,
        assigned=active,
        assigned_at=0.0,
        switch_s=90.0,
    )


class SmallDesk:
    """`controller.operations.Desk` over a dictionary of views."""

    def __init__(self, store: Store, *views: GroupView, now: float = 1_000.0) -> None:
        self.store = store
        self.fleet = {view.key: view for view in views}
        self.nets = dict(NETS)
        self.now = now
        self.checks = [Check("link", True, "2 rigs"), Check("feeds", True, "all 1")]
        self.refusing: set[str] = set()
        """Workloads that every rig turns down in the end."""
        self.readings: dict[str, Sample] = {}
        self.urls: dict[str, str] = {}
        self.newest: Plan | None = None
        for rig in sorted({view.key.rig for view in views}):
            first = next(view for view in views if view.key.rig == rig)
            store.put_rig(record(rig, site=first.site, rig_class=first.rig_class))
            self.urls[rig] = f"http://{rig}.example:9750/metrics"
            gpu = GpuReading(f"GPU-{rig}", power_w=300.0, temperature_c=61.0)
            self.readings[rig] = Sample(at_s=5.0, ok=True, gpus=(gpu,))

    def views(self) -> tuple[GroupView, ...]:
        return tuple(self.fleet[key] for key in sorted(self.fleet))

    def plan(self) -> Plan | None:
        return self.newest

    def quotes(self) -> tuple[Quote, ...]:
        return (Quote("etc_usd", 20.0, self.now - 30, QuoteState.FRESH),)

    def preview(self, pins: Mapping[GroupKey, str | None]) -> Plan:
        holds = {
            GroupKey(hold.rig, hold.group): hold.workload
            for hold in self.store.holds()
            if hold.expires_at > self.now
        }
        decisions = tuple(self._decide(view, {**holds, **pins}) for view in self.views())
        nets = [self.nets.get(decision.chosen) or 0.0 for decision in decisions]
        return Plan(
            at=self.now, decisions=decisions, net_usd_per_h=sum(nets), power_w={"oslo": 1_200.0}
        )

    def poke(self) -> None:
        """Plan, and assign at once."""
        self.newest = self.preview({})
        for decision in self.newest.decisions:
            old = self.fleet[decision.key]
            if decision.chosen != old.assigned:
                self.fleet[decision.key] = replace(
                    old,
                    assigned=decision.chosen,
                    generation=old.generation + 1,
                    assigned_at=self.now,
                )

    def samples(self) -> Mapping[str, Sample]:
        return self.readings

    def metrics_url(self, rig: str) -> str | None:
        return self.urls.get(rig)

    def rig_online(self, rig: str) -> bool:
        return any(view.online for view in self.fleet.values() if view.key.rig == rig)

    def health(self) -> tuple[Check, ...]:
        return tuple(self.checks)

    def advance(self) -> None:
        """Let every rig that is online take one step towards what it is assigned."""
        for key, old in self.fleet.items():
            if old.online and old.status is not None:
                self.fleet[key] = replace(old, status=self._step(old, old.status))

    def _step(self, old: GroupView, status: GroupStatus) -> GroupStatus:
        if status.generation < old.generation:
            return replace(
                status, phase=ROAD[0], generation=old.generation, target=old.assigned, rejected=()
            )
        if status.phase.stable:
            return status
        if status.phase is not ROAD[-1]:
            return replace(status, phase=ROAD[ROAD.index(status.phase) + 1])
        if status.target in self.refusing:
            turned_down = Rejection(str(status.target), "no share was accepted in 120 s")
            return replace(status, phase=Phase.RUNNING, rejected=(turned_down,))
        phase = Phase.RUNNING if status.target else Phase.IDLE
        return replace(status, phase=phase, active=status.target)

    def _decide(self, view: GroupView, pins: Mapping[GroupKey, str | None]) -> Decision:
        offered: list[tuple[str | None, Kind | None, float | None]] = [
            (offer.name, offer.kind, offer.power_w) for offer in view.offer.workloads
        ]
        options = tuple(
            sorted(
                (self._option(*offer) for offer in [*offered, (None, None, 0.0)]),
                key=lambda option: -(option.net_usd_per_h or -1e9),
            )
        )
        chosen = pins[view.key] if view.key in pins else options[0].workload
        held = view.key in pins and chosen != options[0].workload
        return Decision(
            key=view.key,
            current=view.assigned,
            chosen=chosen,
            kind=next((o.kind for o in options if o.workload == chosen), None),
            options=options,
            reason="held by an operator" if held else "pays most",
            blocked=Block.HOLD if held else Block.NONE,
            flip_usd_per_h=1.5,
        )

    def _option(self, workload: str | None, kind: Kind | None, power_w: float | None) -> Option:
        net = self.nets.get(workload)
        return Option(
            workload=workload,
            kind=kind,
            net_usd_per_h=net,
            revenue_usd_per_h=net,
            power_w=power_w,
            blocked=Block.NO_QUOTE if net is None else Block.NONE,
        )
