"""Prometheus metrics of the agent: what they say, and the HTTP endpoint that serves them."""

from agent.metrics.exposition import AgentMetrics
from agent.metrics.server import MetricsError, MetricsServer
from agent.metrics.snapshot import (
    AgentSnapshot,
    LinkCounts,
    OutcomeCount,
    PhaseTime,
    PinCount,
    SafetyCount,
)
from agent.metrics.switches import SwitchRecord

__all__ = [
    "AgentMetrics",
    "AgentSnapshot",
    "LinkCounts",
    "MetricsError",
    "MetricsServer",
    "OutcomeCount",
    "PhaseTime",
    "PinCount",
    "SafetyCount",
    "SwitchRecord",
]
