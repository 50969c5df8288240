"""Driver for miners with XMRig's HTTP API (`/2/summary`, bearer token).

A miner proves itself by what its pool accepts, not by its own hashrate alone. Its clocks and
power limits are the tuner's business, and its pool and wallet stand in the rig's own file.
"""

from __future__ import annotations

import msgspec

from agent.core.workload import Workload
from agent.drivers.http import HttpError
from agent.drivers.launched import LaunchedDriver, endpoint
from agent.ports import Readiness
from wire.model import WorkloadReading

API_TIMEOUT_S = 3.0
"""A miner's API answers from memory."""

SUMMARY_PATH = "/2/summary"


class _Hashrate(msgspec.Struct):
    total: list[float | None] = []
    """Hashes per second over 10 s, 60 s and 15 min; null until such a window has passed."""

    @property
    def newest_hps(self) -> float | None:
        return next((value for value in self.total if value is not None), None)


class _Results(msgspec.Struct):
    shares_good: int = 0
    shares_total: int = 0


class _Summary(msgspec.Struct):
    """The parts of XMRig's summary that count here."""

    hashrate: _Hashrate = msgspec.field(default_factory=_Hashrate)
    results: _Results = msgspec.field(default_factory=_Results)
    paused: bool = False


class _NoSummaryError(Exception):
    """The API gave nothing usable; one clause says what."""


class MinerDriver(LaunchedDriver):
    """Runs a miner through a launcher and reads its API."""

    async def probe(self, workload: Workload) -> Readiness:
        """Ready from the floor of hashrate and the accepted shares that the workload asks for."""
        try:
            return _judge(await _summary(workload), workload)
        except _NoSummaryError as error:
            return Readiness(ready=False, reason=str(error))

    async def read(self, workload: Workload) -> WorkloadReading | None:
        """Hashrate and shares; ``None`` when the API does not answer."""
        try:
            summary = await _summary(workload)
        except _NoSummaryError:
            return None
        results = summary.results
        return WorkloadReading(
            group=workload.group,
            workload=workload.name,
            hashrate_hps=summary.hashrate.newest_hps,
            shares_accepted=results.shares_good,
            shares_rejected=max(0, results.shares_total - results.shares_good),
        )


async def _summary(workload: Workload) -> _Summary:
    try:
        answer = await endpoint(workload).get(SUMMARY_PATH, timeout_s=API_TIMEOUT_S)
    except HttpError as error:
        raise _NoSummaryError(f"the miner's API does not answer: {error}") from error
    if answer.status in (401, 403):
        raise _NoSummaryError("the miner's API refuses `api_token`")
    if not answer.ok:
        raise _NoSummaryError(f"the miner's API answers {SUMMARY_PATH} with status {answer.status}")
    try:
        return msgspec.json.decode(answer.body, type=_Summary)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _NoSummaryError(f"the miner's summary cannot be understood: {error}") from error


def _judge(summary: _Summary, workload: Workload) -> Readiness:
    hashrate_hps = summary.hashrate.newest_hps
    shares = summary.results.shares_good
    wanted = workload.readiness
    seen = f"{shares} accepted shares, {_hashrate(hashrate_hps)}"
    if summary.paused:
        return Readiness(ready=False, reason=f"the miner is paused; {seen}")
    if hashrate_hps is None or hashrate_hps < wanted.hashrate_min_hps:
        floor = _hashrate(wanted.hashrate_min_hps)
        return Readiness(ready=False, reason=f"{seen}; needs at least {floor}")
    if shares < wanted.shares_min:
        return Readiness(ready=False, reason=f"{seen}; needs {wanted.shares_min} shares")
    return Readiness(ready=True, reason=seen)


def _hashrate(hashrate_hps: float | None) -> str:
    if hashrate_hps is None:
        return "no hashrate yet"
    for size, unit in ((1e12, "TH/s"), (1e9, "GH/s"), (1e6, "MH/s"), (1e3, "kH/s")):
        if hashrate_hps >= size:
            return f"{hashrate_hps / size:.1f} {unit}"
    return f"{hashrate_hps:.1f} H/s"
