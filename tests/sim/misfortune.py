"""How each kind of fault is done to the simulated world, when its time has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from controller.core.model import GroupKey
from tests.sim.attacks import ATTACKS, Attacker
from tests.sim.drawing import SLEEPER
from tests.sim.faults import ALL_ODDS, CONTROLLER, Fault, Mishap
from tests.sim.gpus import STEP_C
from tests.sim.hardware import now_s
from tests.sim.headquarters import SimController
from tests.sim.rigs import SimMachine

NO_SPACE = "No space left on device"
CLOCK_STEP_S = 3600.0

RigDeed = Callable[[SimMachine, Mishap, bool], object]
ControllerDeed = Callable[[SimController, Mishap, bool], object]
"""Done to whom, which, and whether it begins; what happens at an instant only begins."""


def arrange(
    mishap: Mishap,
    controller: SimController,
    machines: Mapping[str, SimMachine],
    attacker: Attacker,
) -> None:
    """Set the timers of one mishap."""
    if mishap.kind in (Fault.DEAF, Fault.MUTE):
        return  # The network knows its own.
    if mishap.kind in ATTACKS:
        deed: Callable[[bool], object] = lambda _: attacker.strike(mishap)  # noqa: E731
    elif mishap.who == CONTROLLER or mishap.kind not in RIG_DEEDS:
        deed = lambda on: CONTROLLER_DEEDS[mishap.kind](controller, mishap, on)  # noqa: E731
    else:
        deed = lambda on: RIG_DEEDS[mishap.kind](machines[mishap.who], mishap, on)  # noqa: E731
    loop = asyncio.get_running_loop()
    loop.call_at(mishap.start_s, deed, True)
    if ALL_ODDS[mishap.kind].longest_s:
        loop.call_at(mishap.end_s, deed, False)


def _hot(rig: SimMachine, mishap: Mishap, on: bool) -> None:
    rig.hardware.eyes.hot_since_s = now_s() if on else None
    rig.hardware.eyes.glows = mishap.amount % 2 == 0
    rig.hardware.eyes.step_c = 0.0 if mishap.amount % 4 == 1 else STEP_C
    if mishap.amount % 3 == 0:
        # Trouble seldom comes alone: nothing can be written meanwhile, and then the agent dies.
        if not on:
            rig.kill()
        _rig_disk_full(rig, mishap, on)


def _blind(rig: SimMachine, _: Mishap, on: bool) -> None:
    gpu = rig.settings.groups[0].gpus[0]
    (rig.hardware.world.hide if on else rig.hardware.world.show)(gpu)


def _stuck(rig: SimMachine, _: Mishap, on: bool) -> None:
    rig.hardware.eyes.stuck = on


def _untuned(rig: SimMachine, _: Mishap, on: bool) -> None:
    rig.hardware.tuner.refusal = "the power limit reads back as it was" if on else ""


def _tuner_stuck(rig: SimMachine, _: Mishap, on: bool) -> None:
    rig.hardware.tuner.stuck = on


def _untold(rig: SimMachine, _: Mishap, on: bool) -> None:
    rig.hardware.world.lock_told = not on


def _rig_disk_full(rig: SimMachine, _: Mishap, on: bool) -> None:
    rig.hardware.fill_disk(NO_SPACE if on else None)


def _disk_death(rig: SimMachine, mishap: Mishap, on: bool) -> None:
    rig.hardware.disk.fuse = mishap.amount
    rig.hardware.disk.dies_renaming = mishap.amount % 3 == 0
    rig.power_dies = mishap.amount % 2 == 0


def _verb_death(rig: SimMachine, mishap: Mishap, on: bool) -> None:
    rig.verbs_left = 1 + mishap.amount % 8
    rig.power_dies = mishap.amount % 3 == 0


def _store_full(controller: SimController, _: Mishap, on: bool) -> None:
    controller.store.refusal = NO_SPACE if on else None


def _clock_step(controller: SimController, mishap: Mishap, on: bool) -> None:
    step_s = CLOCK_STEP_S if mishap.amount % 2 else -CLOCK_STEP_S
    controller.set_clock(step_s if on else -step_s)


def _feed_down(controller: SimController, _: Mishap, on: bool) -> None:
    controller.feed.down = on


def _turn(controller: SimController, mishap: Mishap, on: bool) -> None:
    turns = (SLEEPER, "coin")
    controller.hold(GroupKey(mishap.who, "g0"), turns[mishap.amount % 2])


RIG_DEEDS: dict[Fault, RigDeed] = {
    Fault.KILL: lambda rig, _, on: rig.kill(),
    Fault.UPGRADE: lambda rig, _, on: rig.upgrade(),
    Fault.REBOOT: lambda rig, _, on: rig.boot(),
    Fault.DISK_FULL: _rig_disk_full,
    Fault.DISK_DEATH: _disk_death,
    Fault.DISK_ROT: lambda rig, _, on: rig.tamper(lost=False),
    Fault.DISK_LOST: lambda rig, _, on: rig.tamper(lost=True),
    Fault.EXIT: lambda rig, _, on: rig.hardware.crash_workloads(),
    Fault.HOT: _hot,
    Fault.BLIND: _blind,
    Fault.STUCK: _stuck,
    Fault.UNTUNED: _untuned,
    Fault.TUNER_STUCK: _tuner_stuck,
    Fault.VERB_DEATH: _verb_death,
    Fault.UNTOLD: _untold,
}
CONTROLLER_DEEDS: dict[Fault, ControllerDeed] = {
    Fault.KILL: lambda controller, _, on: controller.kill(),
    Fault.BACKUP: lambda controller, _, on: controller.lose_store(),
    Fault.DISK_FULL: _store_full,
    Fault.CLOCK_STEP: _clock_step,
    Fault.FEED_DOWN: _feed_down,
    Fault.OPERATOR: lambda controller, _, on: controller.hold_something(),
    Fault.TURN: _turn,
}
