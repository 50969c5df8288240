"""A rig's end of the conversation, heard from the controller's end of the link."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.core.model import Lapsed, Offline
from agent.uplink import REFUSAL_GAP_S, REPORT_GAP_S, SAMPLES_KEPT_MAX, SAMPLES_PER_FRAME_MAX
from tests.agent.groups import BOOT, SIGNER, RigBench, until, workload
from tests.sim.clock import run
from wire import codec, messages, model
from wire.messages import Down
from wire.model import Phase, Result
from wire.signing import Signer


def refusals(bench: RigBench) -> list[str]:
    return [refused.reason for refused in bench.bodies(messages.Refused)]


def lapsed(bench: RigBench) -> bool:
    return bench.group.lapsed


def heard(bench: RigBench) -> bool:
    return bench.rig.uplink.heard


async def done(bench: RigBench, name: str | None, generation: int) -> None:
    """Order it and wait until it is so."""
    await bench.order(name, generation)
    phase = Phase.RUNNING if name else Phase.IDLE
    await until(lambda: bench.group.phase is phase and bench.group.generation == generation)


# Up.


def test_a_rig_presents_itself_and_then_reports() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            (hello,) = bench.bodies(messages.Hello)
            assert [offer.name for offer in hello.groups[0].workloads] == ["etc", "llama"]
            report = bench.bodies(messages.StateReport)[0]
            assert (report.groups[0].phase, report.groups[0].generation) == (Phase.IDLE, 0)

    run(scenario())


def test_every_frame_carries_a_later_clock_than_the_one_before() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            await done(bench, "etc", 1)
            clocks = [up.rig_time_s for up in bench.heard]
            assert len(clocks) > 5
            assert clocks == sorted(set(clocks))
            assert {(up.rig, up.boot_id, up.run_id) for up in bench.heard} == {
                ("rig-1", BOOT, "run-1")
            }

    run(scenario())


def test_a_change_is_reported_at_once_and_without_one_there_is_a_heartbeat() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            await done(bench, "etc", 1)
            seen = {report.groups[0].phase for report in bench.bodies(messages.StateReport)}
            assert Phase.RUNNING in seen
            before = len(bench.bodies(messages.StateReport))
            await asyncio.sleep(10 * bench.settings.report_interval_s)
            assert 8 <= len(bench.bodies(messages.StateReport)) - before <= 11

    run(scenario())


def test_a_rig_says_goodbye() -> None:
    async def scenario() -> RigBench:
        async with RigBench().run() as bench:
            assert not bench.bodies(messages.Gone)
        return bench

    assert len(run(scenario()).bodies(messages.Gone)) == 1


def test_outcomes_are_repeated_until_they_are_acknowledged() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            await done(bench, "etc", 1)
            await until(lambda: len(bench.bodies(messages.Outcomes)) >= 3)
            ended = {o for outcomes in bench.bodies(messages.Outcomes) for o in outcomes.outcomes}
            assert {(o.group, o.generation, o.result) for o in ended} == {("g0", 1, Result.DONE)}
            await bench.say(messages.OutcomesAck({"g0": 1, "unheard of": 7}))
            await asyncio.sleep(1.0)
            before = len(bench.bodies(messages.Outcomes))
            await asyncio.sleep(60.0)
            assert len(bench.bodies(messages.Outcomes)) == before

    run(scenario())


def test_samples_are_kept_while_the_controller_is_silent_and_told_later() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            await asyncio.sleep(600.0)
            assert bench.bodies(messages.Telemetry) == [], "nobody listens, so nothing is sent"
            await bench.say(messages.Welcome())
            await until(lambda: sum(len(t.samples) for t in bench.bodies(messages.Telemetry)) > 55)
            frames = bench.bodies(messages.Telemetry)
            assert max(len(frame.samples) for frame in frames) == SAMPLES_PER_FRAME_MAX
            told = [sample.at_s for frame in frames for sample in frame.samples]
            assert told == sorted(told), "oldest first"

    run(scenario())


def test_a_long_silence_is_kept_whole_but_coarser() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            interval_s = bench.settings.telemetry_interval_s
            await asyncio.sleep(3 * SAMPLES_KEPT_MAX * interval_s)
            await bench.say(messages.Welcome())
            await until(lambda: bench.bodies(messages.Telemetry))
            await asyncio.sleep(1.0)
            told = [s.at_s for frame in bench.bodies(messages.Telemetry) for s in frame.samples]
            assert SAMPLES_KEPT_MAX / 2 < len(told) <= SAMPLES_KEPT_MAX
            assert told[0] <= 4 * interval_s, "the beginning is still there"
            assert told == sorted(told)

    run(scenario())


# Down.


def test_welcome_is_answered_with_hello_and_state() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            reports = len(bench.bodies(messages.StateReport))
            await bench.say(messages.Welcome())
            await asyncio.sleep(2 * REPORT_GAP_S)
            assert len(bench.bodies(messages.Hello)) == 2
            assert len(bench.bodies(messages.StateReport)) > reports

    run(scenario())


def test_orders_that_come_twice_or_late_change_nothing() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            await done(bench, "llama", 2)
            lines = len(bench.journal.states)
            for generation in (2, 1, 2):
                await bench.order("etc", generation)
            await asyncio.sleep(30.0)
            assert (bench.group.active, bench.group.generation) == ("llama", 2)
            assert len(bench.journal.states) == lines
            assert refusals(bench) == []

    run(scenario())


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        ({"boot_id": "boot-0"}, "another boot of this machine"),
        ({"dated_s": 40.0}, "expired"),
        ({"ttl_s": -1.0}, "expired 1.0 s ago"),
        ({"signer": Signer(b"x" * 32)}, "not signed by the controller"),
    ],
)
def test_frames_that_do_not_count_are_refused_and_move_nothing(
    envelope: dict[str, object], reason: str
) -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            assignment = model.Assignment("o", "g0", 1, "etc")
            lease_left_s = bench.rig.uplink.lease_until_s
            await bench.say(messages.Order((assignment,), 1e6), **envelope)  # type: ignore[arg-type]
            await asyncio.sleep(10.0)
            assert (bench.group.phase, bench.group.generation) == (Phase.IDLE, 0)
            assert bench.rig.uplink.lease_until_s == lease_left_s, "nor does it renew the lease"
            assert [reason in told for told in refusals(bench)] == [True]
            assert bench.rig.uplink.counts.refused == 1

    run(scenario())


def test_an_order_for_another_rig_is_refused() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            order = messages.Order((model.Assignment("o", "g0", 1, "etc"),), 300.0)
            await bench.send(codec.encode_down(Down("rig-2", BOOT, 100.0, 90.0, order), SIGNER))
            assert refusals(bench) == ["the frame is for rig rig-2, not for rig-1"]
            assert bench.group.generation == 0

    run(scenario())


def test_what_was_delayed_counts_until_it_expires_by_the_rigs_own_clock() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            dated_s = bench.clock()
            await asyncio.sleep(25.0)
            assignment = model.Assignment("o", "g0", 1, "etc")
            await bench.say(messages.Order((assignment,), 300.0), dated_s=dated_s, ttl_s=30.0)
            await until(lambda: bench.group.generation == 1)

    run(scenario())


def test_an_unknown_group_is_named_and_the_known_one_is_served() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            assignments = tuple(
                model.Assignment("o", group, 1, "etc") for group in ("g7", "g0", "g8")
            )
            await bench.say(messages.Order(assignments, 300.0))
            await until(lambda: bench.group.phase is Phase.RUNNING)
            assert refusals(bench) == ["this rig has no group g7, g8"]

    run(scenario())


def test_a_flood_of_bad_frames_is_not_answered_one_for_one() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            began_s = bench.clock()
            for _ in range(500):
                await bench.send(b"stale")
            took_s = bench.clock() - began_s
            assert bench.rig.uplink.counts.refused == 500
            assert 1 <= len(refusals(bench)) <= took_s / REFUSAL_GAP_S + 1

    run(scenario())


def test_the_controller_is_heard_as_long_as_it_speaks() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            assert not heard(bench)
            await bench.send(b"noise")
            assert not heard(bench), "noise is not the controller"
            await bench.say(messages.Welcome())
            assert heard(bench)
            await asyncio.sleep(3 * bench.settings.report_interval_s + 1.0)
            assert not heard(bench)

    run(scenario())


# Leases.


def idle_when_offline(bench: RigBench) -> RigBench:
    (group,) = bench.settings.groups
    bench.settings = replace(bench.settings, groups=(replace(group, offline=Offline.IDLE),))
    return bench


def test_a_lease_runs_out_and_is_renewed() -> None:
    async def scenario() -> None:
        async with idle_when_offline(RigBench(boot_grace_s=10.0)).run() as bench:
            await bench.order("etc", 1, lease_s=60.0)
            await until(lambda: bench.group.phase is Phase.RUNNING)
            await asyncio.sleep(40.0)
            assert not lapsed(bench)
            await until(lambda: bench.group.phase is Phase.IDLE, within_s=40.0)
            assert lapsed(bench)
            assert bench.rig.uplink.lease_left_s <= 0
            await bench.order("etc", 1, lease_s=60.0)
            await until(lambda: bench.group.phase is Phase.RUNNING)
            assert not lapsed(bench)

    run(scenario())


def test_a_lapse_that_the_journal_refuses_is_said_again() -> None:
    async def scenario() -> None:
        async with idle_when_offline(RigBench(boot_grace_s=10.0)).run() as bench:
            bench.journal.refusal = "No space left on device"
            await asyncio.sleep(60.0)
            assert not lapsed(bench)
            bench.journal.refusal = None
            await until(lambda: lapsed(bench), within_s=10.0)

    run(scenario())


def test_a_renewal_that_the_journal_refuses_is_said_again() -> None:
    async def scenario() -> None:
        async with idle_when_offline(RigBench(boot_grace_s=10.0)).run() as bench:
            await until(lambda: lapsed(bench))
            bench.journal.refusal = "No space left on device"
            await bench.order(None, 0)
            assert lapsed(bench)
            bench.journal.refusal = None
            await bench.order(None, 0)
            assert not lapsed(bench)

    run(scenario())


def test_an_order_renews_a_group_whose_lapse_still_waits_in_its_queue() -> None:
    async def scenario() -> None:
        async with idle_when_offline(RigBench()).run() as bench:
            bench.rig.reactors["g0"].post(Lapsed())
            bench.rig.uplink._order(messages.Order((), 300.0), bench.clock())
            await asyncio.sleep(1.0)
            assert not lapsed(bench)

    run(scenario())


def test_repeated_orders_keep_the_lease() -> None:
    async def scenario() -> None:
        async with idle_when_offline(RigBench(boot_grace_s=10.0)).run() as bench:
            for _ in range(20):
                await bench.order("etc", 1, lease_s=60.0)
                await asyncio.sleep(20.0)
                assert not lapsed(bench)
            assert bench.group.phase is Phase.RUNNING

    run(scenario())


def test_a_late_order_with_an_older_date_does_not_shorten_the_lease() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            await bench.order("etc", 1, lease_s=1_000.0)
            until_s = bench.rig.uplink.lease_until_s
            await bench.order("etc", 1, lease_s=5.0)
            assert bench.rig.uplink.lease_until_s == until_s

    run(scenario())


def test_after_a_boot_the_offline_policy_waits_for_the_controller() -> None:
    async def scenario() -> None:
        async with idle_when_offline(RigBench(boot_grace_s=120.0)).run() as bench:
            await asyncio.sleep(110.0)
            assert not lapsed(bench)
            await until(lambda: lapsed(bench), within_s=20.0)

    run(scenario())


def test_a_journal_that_cannot_be_written_is_told_in_the_report() -> None:
    async def scenario() -> None:
        async with RigBench(workload("etc")).run() as bench:
            bench.journal.refusal = "No space left on device"
            await bench.order("etc", 1)
            await asyncio.sleep(10.0)
            newest = bench.bodies(messages.StateReport)[-1].groups[0]
            assert newest.generation == 0, "received means persisted"
            assert "journal: No space left on device" in newest.reason

    run(scenario())


def test_a_lock_is_reported_outlasts_silence_and_gives_way_to_the_newest_order_in_the_end() -> None:
    rented = workload("etc", locked_after_s=20.0, locked_for_s=600.0)

    async def scenario() -> None:
        bench = RigBench(rented, workload("llama"), settings={"lock_interval_s": 5.0})
        async with bench.run():
            await done(bench, "etc", 1)
            await until(lambda: bench.group.lock)
            assert bench.group.lock == "etc: somebody has a claim on it"
            bench.world.lock_told = False
            await bench.order("llama", 2)
            await until(lambda: bench.group.generation == 2)
            await asyncio.sleep(900.0)
            assert (bench.group.active, bench.group.phase) == ("etc", Phase.RUNNING)
            assert bench.group.lock, "silence frees nothing"
            bench.world.lock_told = True
            await until(lambda: bench.group.active == "llama")
            assert bench.group.lock == ""

    run(scenario())


def test_an_order_that_breaks_the_lock_is_followed_at_once() -> None:
    rented = workload("etc", locked_after_s=1.0, locked_for_s=6_000.0)

    async def scenario() -> None:
        bench = RigBench(rented, workload("llama"), settings={"lock_interval_s": 5.0})
        async with bench.run():
            await done(bench, "etc", 1)
            await until(lambda: bench.group.lock)
            word = model.Assignment("order-2", "g0", 2, "llama", breaks_lock=True)
            await bench.say(messages.Order((word,), 300.0))
            await until(lambda: bench.group.phase is Phase.RUNNING and not bench.group.lock)
            assert bench.group.active == "llama"

    run(scenario())


def test_what_came_to_be_locked_between_two_looks_is_not_stopped() -> None:
    rented = workload("etc", locked_after_s=30.0, locked_for_s=6_000.0)

    async def scenario() -> None:
        bench = RigBench(rented, workload("llama"), settings={"lock_interval_s": 9_999.0})
        async with bench.run():
            await done(bench, "etc", 1)
            await asyncio.sleep(60.0)
            assert not bench.group.lock, "nobody has asked yet"
            await bench.order("llama", 2)
            await until(lambda: bench.group.lock)
            assert (bench.group.active, bench.group.phase) == ("etc", Phase.RUNNING)

    run(scenario())
