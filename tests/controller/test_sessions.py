"""Conversations: whose frame it is, which one is the newest, and what a late one may change."""

from __future__ import annotations

import asyncio
import math

from controller.sessions import RETIRED_BOOTS_MAX, TTL_S, WELCOME_GAP_S, Sessions
from tests.controller.control import SIGNER, VERIFIER, hello, status, up
from tests.sim.clock import run
from wire import codec, messages, model
from wire.memory import MemoryNetwork
from wire.transport import FRAME_BYTES_MAX, Received

Report = messages.StateReport


def report(active: str | None, generation: int = 1) -> Report:
    return Report((status(active, generation),))


class Desk:
    """Sessions with a clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.network = MemoryNetwork()
        self.sessions = Sessions(self.network.fleet_link(), SIGNER, lambda: self.now_s)

    def take(self, body: messages.UpBody, at_s: float, **envelope: str) -> messages.UpBody | None:
        return self.sessions.accept(up(body, at_s, **envelope))

    @property
    def active(self) -> str | None:
        return self.sessions.all()["rig-1"].groups["g0"].active


def test_what_a_rig_says_is_remembered() -> None:
    desk = Desk()
    sample = model.Sample(5.0, ok=True)
    assert desk.take(hello(), 1.0) == hello()
    assert desk.take(report("etc"), 2.0) == report("etc")
    desk.take(messages.Telemetry((model.Sample(4.0, ok=True), sample)), 3.0)
    desk.take(messages.Telemetry(()), 4.0)
    session = desk.sessions.all()["rig-1"]
    assert (session.hello, session.sample, desk.active) == (hello(), sample, "etc")
    assert desk.sessions.counts.received == 4


def test_late_and_repeated_frames_are_no_news() -> None:
    desk = Desk()
    desk.take(report("llama"), 5.0)
    assert desk.take(report("etc"), 4.0) is None
    assert desk.take(report("etc"), 5.0) is None
    assert desk.active == "llama"


def test_a_reboot_begins_anew_although_its_clock_is_lower() -> None:
    desk = Desk()
    desk.take(report("etc"), 9_000.0)
    assert desk.take(report(None), 3.0, boot_id="boot-2", run_id="run-2") is not None
    assert desk.active is None


def test_late_frames_of_an_old_boot_change_nothing() -> None:
    desk = Desk()
    desk.take(hello(), 9_000.0)
    desk.take(report("etc"), 9_001.0)
    desk.take(report(None), 3.0, boot_id="boot-2", run_id="run-2")
    for at_s in (9_001.5, 9_999.0):
        assert desk.take(report("etc"), at_s) is None
    assert desk.active is None
    for number in range(3, RETIRED_BOOTS_MAX + 2):
        desk.take(report(None), 1.0, boot_id=f"boot-{number}", run_id=f"run-{number}")
    assert desk.take(report("etc"), 10_000.0) is None, "not even long after"


def test_a_rig_that_was_started_anew_must_present_itself_again() -> None:
    desk = Desk()
    desk.take(hello(), 1.0)
    desk.take(report("etc"), 2.0, run_id="run-2")
    assert desk.sessions.all()["rig-1"].hello == hello(), "what it offered holds until it says anew"
    assert desk.sessions.owes_hello("rig-1")
    assert not desk.sessions.owes_hello("rig-1"), "it is not asked again in the same second"
    desk.now_s += WELCOME_GAP_S
    assert desk.sessions.owes_hello("rig-1")
    desk.take(hello("g1"), 3.0, run_id="run-2")
    desk.now_s += WELCOME_GAP_S
    assert not desk.sessions.owes_hello("rig-1")
    desk.take(report("etc"), 1.0, boot_id="boot-2", run_id="run-3")
    assert desk.sessions.all()["rig-1"].hello is None, "nor does an old hello outlive a reboot"


def test_a_goodbye_counts_for_its_own_run_only() -> None:
    desk = Desk()
    desk.take(hello(), 1.0)
    desk.take(hello(), 2.0, run_id="run-2")
    assert desk.take(messages.Gone(), 1.5, run_id="run-1") is None
    assert desk.sessions.silent_s("rig-1") == 0.0
    assert desk.take(messages.Gone(), 1.2, run_id="run-2") is not None, "a will is written early"
    assert desk.sessions.silent_s("rig-1") == math.inf


def test_a_rig_that_left_comes_back_with_its_next_word() -> None:
    desk = Desk()
    desk.take(hello(), 1.0)
    desk.take(messages.Gone(), 2.0)
    desk.take(report("etc"), 3.0)
    assert desk.sessions.silent_s("rig-1") == 0.0


def test_silence_is_counted_by_the_controllers_own_clock() -> None:
    desk = Desk()
    assert desk.sessions.silent_s("rig-1") == math.inf, "never heard"
    desk.take(hello(), 1.0)
    desk.now_s = 12.0
    assert desk.sessions.silent_s("rig-1") == 12.0
    desk.take(report("etc"), 1.0)
    assert desk.sessions.silent_s("rig-1") == 12.0, "a repeated frame is no sign of life"


def test_malformed_frames_and_false_names_are_refused_and_counted() -> None:
    desk = Desk()
    assert desk.sessions.accept(Received("rig-1", b"noise")) is None
    borrowed = up(hello(), 1.0, rig="rig-2").frame
    assert desk.sessions.accept(Received("rig-1", borrowed)) is None
    assert desk.sessions.all() == {}
    assert desk.sessions.counts.refused == 2


def test_refusals_by_rigs_are_counted() -> None:
    desk = Desk()
    desk.take(messages.Refused("expired"), 1.0)
    assert desk.sessions.counts.refusals == 1


def test_a_forgotten_rig_has_to_speak_first() -> None:
    desk = Desk()
    desk.take(hello(), 1.0)
    desk.sessions.forget("rig-1")
    desk.sessions.forget("rig-1")
    assert desk.sessions.all() == {}


# What is sent.


def sent(desk: Desk, *bodies: messages.DownBody, keep_s: float = 0.0) -> list[messages.Down]:
    """What a rig hears of these."""

    async def scenario() -> list[messages.Down]:
        link = desk.network.agent_link("rig-1")
        heard = list[messages.Down]()
        for body in bodies:
            await desk.sessions.send("rig-1", body, keep_s=keep_s)
        try:
            async with asyncio.timeout(1.0):
                while True:
                    heard.append(codec.decode_down(await link.receive(), VERIFIER, "rig-1"))
        except TimeoutError:
            return heard

    return run(scenario())


def test_frames_are_dated_by_the_rigs_own_clock_and_boot() -> None:
    desk = Desk()
    desk.take(hello(), 77.5)
    (down,) = sent(desk, messages.Welcome())
    assert (down.rig, down.boot_id, down.rig_time_s, down.ttl_s) == ("rig-1", "boot-1", 77.5, TTL_S)


def test_what_a_link_may_keep_counts_as_long() -> None:
    desk = Desk()
    desk.take(hello(), 77.5)
    (down,) = sent(desk, messages.Welcome(), keep_s=300.0)
    assert down.ttl_s == 300.0


def test_nothing_is_sent_to_a_rig_that_never_spoke() -> None:
    desk = Desk()
    assert sent(desk, messages.Welcome()) == []
    assert desk.sessions.counts.sent == 0


def test_a_frame_that_would_be_too_long_is_not_sent_and_harms_nobody() -> None:
    desk = Desk()
    desk.take(hello(), 77.5)
    long = messages.OutcomesAck({"g" * FRAME_BYTES_MAX: 1})
    assert [down.body for down in sent(desk, long, messages.Welcome())] == [messages.Welcome()]
    assert desk.sessions.counts.sent == 1
