"""Driver for miners, whatever API they have.

A miner proves itself by what its pool accepts, not by its own hashrate alone. Its clocks and
power limits are the tuner's business, and its pool and wallet stand in the rig's own file.
"""

from __future__ import annotations

from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers.http import Endpoint
from agent.drivers.launched import LaunchedDriver
from agent.drivers.miners.report import Report
from agent.drivers.miners.source import NoReportError, Source
from agent.ports import Launcher, Readiness
from wire.model import WorkloadReading


class MinerDriver(LaunchedDriver):
    """Runs one kind of miner through a launcher and reads what it says."""

    def __init__(self, launcher: Launcher, source: Source) -> None:
        super().__init__(launcher)
        self._source = source

    async def prepare(self, workload: Workload) -> None:
        """Check the program, its options and the API's port. Raises `DriverError`."""
        self._source.check(workload)
        await super().prepare(workload)

    async def probe(self, workload: Workload) -> Readiness:
        """Ready from the floor of hashrate and the accepted shares that the workload asks for."""
        try:
            return _judge(await self._source.report(workload), workload)
        except NoReportError as error:
            return Readiness(ready=False, reason=str(error))

    async def read(self, workload: Workload) -> WorkloadReading | None:
        """Hashrate and shares; ``None`` when the miner does not answer."""
        try:
            report = await self._source.report(workload)
        except NoReportError:
            return None
        return WorkloadReading(
            group=workload.group,
            workload=workload.name,
            hashrate_hps=report.hashrate_hps,
            shares_accepted=report.accepted,
            shares_rejected=report.rejected,
            shares_stale=report.stale,
            algorithm=report.algorithm,
            pool=report.pool,
            uptime_s=report.uptime_s,
            gpus=report.gpus,
        )

    @property
    def _options(self) -> Options:
        return self._source.options

    async def _told(self, workload: Workload) -> tuple[Evidence, ...]:
        return await self._source.told(workload)

    def _endpoint(self, workload: Workload) -> Endpoint | None:
        return self._source.endpoint(workload)


def _judge(report: Report, workload: Workload) -> Readiness:
    wanted = workload.readiness
    shares = report.accepted
    seen = f"{'no' if shares is None else shares} accepted shares, {_hashrate(report)}"
    if report.paused:
        return Readiness(ready=False, reason=f"the miner is paused; {seen}")
    if report.hashrate_hps is None or report.hashrate_hps < wanted.hashrate_min_hps:
        floor = _rate(wanted.hashrate_min_hps)
        return Readiness(ready=False, reason=f"{seen}; needs at least {floor}")
    if (shares or 0) < wanted.shares_min:
        return Readiness(ready=False, reason=f"{seen}; needs {wanted.shares_min} shares")
    return Readiness(ready=True, reason=seen)


def _hashrate(report: Report) -> str:
    if report.hashrate_hps is not None:
        return _rate(report.hashrate_hps)
    return f"no hashrate: {report.problem}" if report.problem else "no hashrate yet"


def _rate(hashrate_hps: float) -> str:
    for size, unit in ((1e12, "TH/s"), (1e9, "GH/s"), (1e6, "MH/s"), (1e3, "kH/s")):
        if hashrate_hps >= size:
            return f"{hashrate_hps / size:.1f} {unit}"
    return f"{hashrate_hps:.1f} H/s"
