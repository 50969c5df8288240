"""The launcher that each workload asks for: a container, a systemd unit or a plain process."""

from __future__ import annotations

from pathlib import Path

from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers.bus import SystemdBus
from agent.drivers.containers.engine import Engine
from agent.drivers.containers.launcher import ContainerLauncher
from agent.drivers.process import ProcessLauncher
from agent.drivers.units import UnitLauncher
from agent.ports import Launcher
from agent.settings import EngineSettings


def launched(workload: Workload) -> bool:
    """Whether a launcher runs it on this machine; a marketplace's, say, is not."""
    return bool(workload.command or workload.unit or workload.container)


class Launchers:
    """One launcher that hands each workload to its own kind of launcher."""

    def __init__(self, state_dir: Path, engine: EngineSettings) -> None:
        self._processes = ProcessLauncher(state_dir)
        self._units = UnitLauncher(SystemdBus())
        self._containers = ContainerLauncher(Engine(engine.socket, engine.gpus))

    def close(self) -> None:
        """Let go of everything that was started; it goes on."""
        self._processes.close()
        self._units.close()

    async def prepare(self, workload: Workload) -> None:
        """See `Launcher`."""
        await self._of(workload).prepare(workload)

    async def start(self, workload: Workload) -> None:
        """See `Launcher`."""
        await self._of(workload).start(workload)

    async def alive(self, workload: Workload) -> bool:
        """See `Launcher`."""
        return await self._of(workload).alive(workload)

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """See `Launcher`."""
        await self._of(workload).stop(workload, grace_s)

    async def processes(self, workload: Workload) -> frozenset[int]:
        """See `Launcher`."""
        return await self._of(workload).processes(workload)

    async def exited(self, workload: Workload) -> str:
        """See `Launcher`."""
        return await self._of(workload).exited(workload)

    async def evidence(self, workload: Workload, known: Options | None) -> tuple[Evidence, ...]:
        """See `Launcher`."""
        return await self._of(workload).evidence(workload, known)

    def _of(self, workload: Workload) -> Launcher:
        if workload.container is not None:
            return self._containers
        return self._units if workload.unit else self._processes
