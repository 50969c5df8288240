"""What rigs say of themselves outlives the controller, and is no more than what they offer."""

from __future__ import annotations

from dataclasses import replace

from controller.core.measured import CLASS_MIN, Quantity, Source
from controller.core.model import RigRecord
from controller.portraits import CLASSES_S, Portraits
from controller.records import Portrait
from controller.store.memory import MemoryStore
from tests.controller.control import FullStore, record
from wire.figures import Figure, Measured
from wire.model import GroupOffer, Kind, WorkloadOffer

OFFER = GroupOffer("g0", ("GPU-0",), (WorkloadOffer("etc", Kind.MINING),))
ETC = ("etc", Quantity.BUSY_W)


def said(watts: float, workload: str | None = "etc", group: str = "g0") -> Measured:
    return Measured(group=group, workload=workload, profile="", gpu_busy_w=Figure(watts, 0.0, 100))


class Gallery:
    """Portraits over a store, with a clock that a test moves."""

    def __init__(self, *rigs: str, store: MemoryStore | None = None, speed: float = 1.0) -> None:
        self.now = 0.0
        self.records: dict[str, RigRecord] = {rig: record(rig) for rig in rigs}
        self.store = store or FullStore()
        self.portraits = Portraits(self.store, lambda: self.records, lambda: self.now, speed)

    def watts(self, rig: str) -> tuple[float, Source] | None:
        self.portraits.keep_pace()
        known = self.portraits.insight(self.records[rig], OFFER).figures.get(ETC)
        return None if known is None else (known.value, known.source)


def test_offers_and_measurements_outlive_the_controller() -> None:
    first = Gallery("a")
    first.portraits.greeted("a", (OFFER,))
    first.portraits.told("a", [said(100.0)])
    first.portraits.flush()
    second = Gallery("a", store=first.store)
    assert second.portraits.groups("a") == (OFFER,)
    assert second.watts("a") == (100.0, Source.MEASURED)


def test_what_a_rig_does_not_offer_is_neither_kept_nor_used() -> None:
    gallery = Gallery("a")
    gallery.portraits.told("a", [said(1.0)])
    assert gallery.portraits.groups("a") == (), "it has offered nothing yet"
    gallery.portraits.greeted("a", (OFFER,))
    gallery.portraits.told("a", [said(5.0, "thief"), said(6.0, group="g9"), said(9.0, None)])
    insight = gallery.portraits.insight(gallery.records["a"], OFFER)
    assert [entry.workload for entry in insight.measured] == [None]
    gallery.portraits.told("a", [said(100.0)])
    gallery.portraits.greeted("a", (replace(OFFER, workloads=()),))
    insight = gallery.portraits.insight(gallery.records["a"], OFFER)
    assert [entry.workload for entry in insight.measured] == [None], "it lists etc no longer"


def test_each_entry_replaces_only_the_one_before_it() -> None:
    gallery = Gallery("a")
    gallery.portraits.greeted("a", (OFFER,))
    gallery.portraits.told("a", [said(100.0), said(9.0, None)])
    gallery.portraits.told("a", [said(110.0)])
    insight = gallery.portraits.insight(gallery.records["a"], OFFER)
    figures = {entry.workload: entry.gpu_busy_w for entry in insight.measured}
    assert figures == {None: Figure(9.0, 0.0, 100), "etc": Figure(110.0, 0.0, 100)}


def test_a_class_is_looked_at_anew_now_and_then_and_revoked_rigs_are_none_of_it() -> None:
    rigs = [f"rig-{i}" for i in range(CLASS_MIN + 1)]
    gallery = Gallery(*rigs)
    for rig in rigs:
        gallery.portraits.greeted(rig, (OFFER,))
    assert gallery.watts(rigs[-1]) is None
    for rig in rigs[:-1]:
        gallery.portraits.told(rig, [said(100.0)])
    assert gallery.watts(rigs[-1]) is None, "not yet"
    gallery.now += CLASSES_S
    assert gallery.watts(rigs[-1]) == (100.0, Source.CLASS)
    gallery.records[rigs[0]] = replace(record(rigs[0]), revoked=True)
    gallery.now += CLASSES_S
    assert gallery.watts(rigs[-1]) is None


def test_groups_that_are_alike_share_one_object() -> None:
    rigs = [f"rig-{i}" for i in range(CLASS_MIN + 1)]
    gallery = Gallery(*rigs)
    for i, rig in enumerate(rigs):
        gallery.portraits.greeted(rig, (OFFER,))
        gallery.portraits.told(rig, [said(100.0 + i)])
    gallery.portraits.keep_pace()
    figures = [gallery.portraits.insight(gallery.records[rig], OFFER).figures for rig in rigs]
    assert all(one is figures[0] for one in figures)
    assert figures[0][ETC].source is Source.AGREED


def test_what_is_known_already_is_not_written_again() -> None:
    class Counting(MemoryStore):
        written = 0

        def put_portraits(self, portraits: object) -> None:
            self.written += 1
            super().put_portraits(portraits)  # type: ignore[arg-type]

    store = Counting()
    gallery = Gallery("a", store=store)
    for _ in range(3):
        gallery.portraits.greeted("a", (OFFER,))
        gallery.portraits.told("a", [said(100.0)])
        gallery.portraits.flush()
    assert store.written == 1


def test_what_the_store_refuses_is_used_all_the_same_and_written_later() -> None:
    store = FullStore()
    gallery = Gallery("a", store=store)
    store.refusal = "the disk is full"
    gallery.portraits.greeted("a", (OFFER,))
    gallery.portraits.flush()
    assert gallery.portraits.groups("a") == (OFFER,)
    assert not store.portraits()
    store.refusal = ""
    gallery.portraits.flush()
    assert store.portraits() == [Portrait(rig="a", groups=(OFFER,))]
