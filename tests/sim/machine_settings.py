"""A rig's own file in a simulation: small deadlines, so that much can happen in little time."""

from __future__ import annotations

from pathlib import Path

from agent.core.route import Hook, Route
from agent.core.workload import Deadlines, Park, Readiness, Workload
from agent.performer import EXCESS_TIMEOUT_S
from agent.settings import (
    GpuSettings,
    GroupSettings,
    LadderSettings,
    LinkSettings,
    SafetySettings,
    Settings,
)
from tests.sim.drawing import SLEEPER
from tests.sim.faults import Schedule
from tests.sim.journals import HOLD_S, VACANT_SAMPLES
from wire.model import Kind

WORKLOADS = {
    "coin": (Kind.MINING, "eco"),
    "chat": (Kind.INFERENCE, "full"),
    "spare": (Kind.MINING, "neutral"),
}
"""Kind and GPU profile by name."""

BOOT_GRACE_S = 8.0
REPORT_INTERVAL_S = 3.0
LAPSE_GRACE_S = REPORT_INTERVAL_S + 0.1
"""The lease is looked at as often as reports are due."""
RETRY_S = 3.0
"""A refused line is tried again within this time."""
LOCK_INTERVAL_S = 5.0
LOOK_INTERVAL_S = 1.5
HOT_SAMPLES = 2
COOLED_S = LOOK_INTERVAL_S * (HOT_SAMPLES + 1) + 1.0
"""A GPU in danger is being stopped after at most this long."""
LADDER = LadderSettings(derate_steps_max=1, derate_wait_s=0.5, restore_s=3.0)
TUNE_S = 2.0
RUNG_S = LADDER.derate_wait_s + LOOK_INTERVAL_S
DERATED_S = COOLED_S + TUNE_S + (LADDER.derate_steps_max + 1) * RUNG_S
"""The same where derating is tried first."""

ROUTES = {
    "chat": Route(close=Hook(remove="/up"), open=Hook(create="/up"), timeout_s=1, settle_s=0.1)
}
"""By name; what the hooks do is `tests.sim.routes`' to say."""

UNROUTED_OF_5 = 2
"""Of every five seeds the one without a load balancer: its misfortune stays as it was."""

DEADLINES = Deadlines(
    prepare_s=4, drain_s=3, park_s=2, stop_s=4, vacate_s=4, tune_s=TUNE_S, start_s=2, probe_s=6
)

ASTRAY_S = LOOK_INTERVAL_S + EXCESS_TIMEOUT_S + DEADLINES.stop_s + 1.0
"""A sleeper that woke by itself is ended within this time: a look may hang, a stop take long."""


def settings(name: str, schedule: Schedule, order_key: str) -> Settings:
    """The file of one rig."""
    return Settings(
        rig=name,
        state_dir=Path("/nonexistent"),
        order_key=order_key,
        link=LinkSettings(),
        groups=tuple(_group(name, number, schedule) for number in range(schedule.groups)),
        gpu=GpuSettings(
            fast_interval_s=LOOK_INTERVAL_S,
            slow_interval_s=LOOK_INTERVAL_S,
            vacant_samples=VACANT_SAMPLES,
        ),
        safety=SafetySettings(samples=HOT_SAMPLES, mining=LADDER, inference=LADDER),
        report_interval_s=REPORT_INTERVAL_S,
        telemetry_interval_s=30.0,
        lock_interval_s=LOCK_INTERVAL_S,
        boot_grace_s=BOOT_GRACE_S,
    )


def _group(rig: str, number: int, schedule: Schedule) -> GroupSettings:
    group, gpus = f"g{number}", (f"{rig}-gpu{number}",)
    return GroupSettings(
        name=group,
        gpus=gpus,
        workloads=tuple(
            Workload(
                name=name,
                kind=kind,
                driver="scripted",
                group=group,
                gpus=gpus,
                profile=profile,
                route=None if schedule.seed % 5 == UNROUTED_OF_5 else ROUTES.get(name),
                park=Park.SLEEP_1 if schedule.parks and name == SLEEPER else None,
                deadlines=DEADLINES,
                readiness=Readiness(hold_s=HOLD_S),
                script=schedule.scripts[rig][name],
                power_w=300.0,
            )
            for name, (kind, profile) in WORKLOADS.items()
        ),
        offline=schedule.offline[rig],
        safe_workload="spare",
        restarts_max=1,
    )
