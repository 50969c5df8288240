"""Metrics of the rig as a whole: how it sees and hears, and how long it may go on alone."""

from __future__ import annotations

from agent.metrics.family import Family, Row, Type, rig
from agent.metrics.snapshot import AgentSnapshot


def _disk_free_bytes(snapshot: AgentSnapshot) -> int | None:
    host = snapshot.sample.host
    return None if host is None else host.disk_free_bytes


RIG = (
    Family(
        "rigshift_agent_info",
        Type.INFO,
        ("version",),
        "Version of the agent; always 1.",
        lambda snapshot: [Row((snapshot.version,), 1)],
    ),
    rig(
        "telemetry_up",
        Type.GAUGE,
        "1 while the newest look at the GPUs is fresh; else every rigshift_gpu series is absent.",
        lambda snapshot: snapshot.sample.ok,
    ),
    rig(
        "telemetry_sample_age_seconds",
        Type.GAUGE,
        "Time since the newest look at the GPUs.",
        lambda snapshot: snapshot.sample_age_s,
    ),
    rig(
        "telemetry_collector_restarts_total",
        Type.COUNTER,
        "GPU collectors that hung or crashed and were replaced.",
        lambda snapshot: snapshot.collector_restarts,
    ),
    rig(
        "telemetry_collectors_abandoned",
        Type.GAUGE,
        "GPU collectors that hang in the driver and cannot be killed; only a reboot helps.",
        lambda snapshot: snapshot.collectors_abandoned,
    ),
    rig(
        "link_connected",
        Type.GAUGE,
        "1 while the controller is heard.",
        lambda snapshot: snapshot.connected,
    ),
    rig(
        "link_frames_sent_total",
        Type.COUNTER,
        "Frames sent towards the controller.",
        lambda snapshot: snapshot.link.sent,
    ),
    rig(
        "link_frames_received_total",
        Type.COUNTER,
        "Frames received from the controller.",
        lambda snapshot: snapshot.link.received,
    ),
    rig(
        "link_frames_refused_total",
        Type.COUNTER,
        "Frames received but not accepted: signature, expiry or content.",
        lambda snapshot: snapshot.link.refused,
    ),
    rig(
        "lease_remaining_seconds",
        Type.GAUGE,
        "Time until the controller's lease runs out; negative once it has.",
        lambda snapshot: snapshot.lease_left_s,
    ),
    rig(
        "state_dir_free_bytes",
        Type.GAUGE,
        "Free space on the disk that holds the journals.",
        _disk_free_bytes,
    ),
)
