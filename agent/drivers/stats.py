"""What a `stats` command may print: figures of a workload that no driver knows, as JSON."""

from __future__ import annotations

import msgspec

from agent.core.workload import Workload
from wire.model import WorkloadReading


class StatsError(Exception):
    """It printed something else; one clause says what is wrong."""


class Stats(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One JSON object; whatever is missing is unknown."""

    ready: bool | None = None
    """Whether it does its work; without it, that it runs is enough."""
    reason: str = ""
    """What is missing, or what proves it."""
    hashrate_hps: float | None = None
    shares_accepted: int | None = None
    shares_rejected: int | None = None
    shares_stale: int | None = None
    algorithm: str | None = None
    pool: str | None = None
    account: str | None = None
    """Whom it pays: for `pins` only, never reported."""
    uptime_s: float | None = None
    requests_running: int | None = None
    requests_waiting: int | None = None
    tokens_total: int | None = None


def read(printed: bytes) -> Stats:
    """Raises `StatsError`."""
    try:
        return msgspec.json.decode(printed, type=Stats)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StatsError(str(error)) from error


def reading(stats: Stats, workload: Workload) -> WorkloadReading:
    """As the rig reports it."""
    return WorkloadReading(
        group=workload.group,
        workload=workload.name,
        hashrate_hps=stats.hashrate_hps,
        shares_accepted=stats.shares_accepted,
        shares_rejected=stats.shares_rejected,
        shares_stale=stats.shares_stale,
        algorithm=stats.algorithm,
        pool=stats.pool,
        uptime_s=stats.uptime_s,
        requests_running=stats.requests_running,
        requests_waiting=stats.requests_waiting,
        tokens_total=stats.tokens_total,
    )
