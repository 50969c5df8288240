"""Hive OS's own miner as a workload, and Hive OS kept quiet while anything else has the GPUs.

Hive OS starts its miner at boot, at each change that its server sends, and by its watchdog, which
reboots the rig when there is no hashrate. Its maintenance mode alone keeps it from all of that. So
its miner counts as running whenever Hive OS is not in maintenance, and stopping it means to enter
maintenance first. Paths and commands are those of hive/bin/miner in minershive/hiveos-linux.
`rig.conf` holds the rig's password: it is never shown, and its owner and mode stay as they are.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from pathlib import Path

from agent import durable
from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers import evidence, family, proc
from agent.drivers.miner import MinerDriver
from agent.drivers.miners.hive import HiveSource
from agent.ports import DriverError

RIG_CONF = Path("/hive-config/rig.conf")
MINER = Path("/hive/bin/miner")

SCREEN = "screenrc.miner"
"""In the command line of the session that Hive OS's miners run in."""

WALLET_CONF = "wallet.conf"
"""Beside `rig.conf`: the wallets and pools of the flight sheet."""

CONF_BYTES_MAX = 64 * 1024
LOOK_INTERVAL_S = 2.0
STOP_S_MIN = 20.0
"""`miner stop` itself waits 15 s before it insists."""

_MAINTENANCE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?MAINTENANCE=(["']?)(\w*)\1[ \t]*$""", re.MULTILINE
)


class HiveOs:
    """A launcher of what Hive OS is configured to mine. Implements `agent.ports.Launcher`."""

    def __init__(
        self,
        rig_conf: Path = RIG_CONF,
        miner: Path = MINER,
        *,
        screen: str = SCREEN,
        look_interval_s: float = LOOK_INTERVAL_S,
    ) -> None:
        self._rig_conf = rig_conf
        self._miner = miner
        self._screen = screen
        self._look_interval_s = look_interval_s

    @property
    def present(self) -> bool:
        """Whether this machine runs Hive OS."""
        return self._rig_conf.exists() and self._miner.exists()

    async def prepare(self, workload: Workload) -> None:
        """Check that Hive OS is there and obeys. Raises `DriverError`."""
        if not self.present:
            raise DriverError(
                f"{workload.key}: no Hive OS: {self._rig_conf} or {self._miner} is missing"
            )
        self._read(workload)
        folder = self._rig_conf.parent
        if not (os.access(self._rig_conf, os.W_OK) and os.access(folder, os.W_OK)):
            raise DriverError(
                f"{workload.key}: {self._rig_conf} may not be written, so Hive OS cannot be put "
                "into maintenance; on Hive OS run the agent as root"
            )

    async def start(self, workload: Workload) -> None:
        """Leave maintenance and let Hive OS start its miner. Raises `DriverError`."""
        self._set(workload, maintenance=False)
        await self._command(workload, "start", STOP_S_MIN)

    async def alive(self, workload: Workload) -> bool:
        """Whether its miner runs, or could be started by Hive OS at any moment."""
        return not self._in_maintenance(workload) or await asyncio.to_thread(self._session)

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """Enter maintenance, so that nothing starts it again, and end it. Raises `DriverError`."""
        self._set(workload, maintenance=True)
        await self._command(workload, "stop", max(grace_s, STOP_S_MIN))
        if await self.alive(workload):
            raise DriverError(f"{workload.key}: Hive OS's miner still runs after `miner stop`")

    async def exited(self, workload: Workload) -> str:
        """Wait until Hive OS is in maintenance and its miner has ended."""
        while await self.alive(workload):  # noqa: ASYNC110 - a foreign session sends no events
            await asyncio.sleep(self._look_interval_s)
        return "Hive OS is in maintenance"

    async def evidence(self, workload: Workload, known: Options | None) -> tuple[Evidence, ...]:
        """Its miner's processes, and the wallets of the flight sheet that Hive OS was sent."""
        return await asyncio.to_thread(self._evidence, workload, known)

    async def processes(self, _workload: Workload) -> frozenset[int]:
        """Pids of its miner's processes."""
        return frozenset(await asyncio.to_thread(self._pids))

    def _pids(self) -> list[int]:
        table = proc.snapshot()
        screens = [
            table[pid]
            for pid in table
            if any(word.endswith(self._screen) for word in proc.arguments(pid))
        ]
        return [process.pid for process in family.with_descendants(table, screens)]

    def _evidence(self, workload: Workload, known: Options | None) -> tuple[Evidence, ...]:
        sheet = str(self._rig_conf.parent / WALLET_CONF)
        named = evidence.of_command((sheet,), (), known, where="Hive OS's flight sheet")
        planned = evidence.of_launched(workload, self._pids(), known)
        return (*named, *planned)

    def _in_maintenance(self, workload: Workload) -> bool:
        values = _MAINTENANCE.findall(self._read(workload))
        # As bash sources it: the last word counts, and what is no number above 0 is none.
        value = values[-1][1] if values else ""
        return value.isdecimal() and int(value) > 0

    def _set(self, workload: Workload, *, maintenance: bool) -> None:
        if self._in_maintenance(workload) == maintenance:
            return
        line = f"MAINTENANCE={int(maintenance)}"
        kept = _MAINTENANCE.sub("", self._read(workload)).rstrip("\n")
        try:
            _replace(self._rig_conf, f"{kept}\n{line}\n")
        except OSError as error:
            raise DriverError(
                f"{workload.key}: {self._rig_conf} cannot be written: {error.strerror}"
            ) from error

    def _read(self, workload: Workload) -> str:
        try:
            with self._rig_conf.open("rb") as file:
                return file.read(CONF_BYTES_MAX).decode(errors="surrogateescape")
        except OSError as error:
            raise DriverError(
                f"{workload.key}: {self._rig_conf} cannot be read: {error.strerror}"
            ) from error

    def _session(self) -> bool:
        lines = (_command_line(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
        return any(word.endswith(self._screen) for line in lines for word in line)

    async def _command(self, workload: Workload, verb: str, limit_s: float) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *(str(self._miner), verb),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise DriverError(f"{workload.key}: {self._miner}: {error.strerror}") from error
        try:
            async with asyncio.timeout(limit_s):
                # Its exit code says nothing: what counts is looked at afterwards.
                await process.wait()
        except TimeoutError as error:
            raise DriverError(f"{workload.key}: `miner {verb}` took over {limit_s:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


class HiveOsDriver(MinerDriver):
    """Hive OS's own miner, read through its `h-stats.sh`. Implements `SelfStarting` too."""

    def __init__(self, hive_os: HiveOs | None = None) -> None:
        super().__init__(hive_os or HiveOs(), HiveSource())

    async def keep_out(self, workload: Workload, grace_s: float) -> bool:
        """End what Hive OS has started by itself, and see that it stays so."""
        if not await self.alive(workload):
            return False
        await self.stop(workload, grace_s)
        return True


def _command_line(path: Path) -> list[str]:
    """Of a process; nothing when it has ended meanwhile."""
    try:
        return path.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _replace(path: Path, content: str) -> None:
    """Whole or not at all, also through a power cut."""
    held = path.stat()
    durable.replace(
        path,
        content.encode(errors="surrogateescape"),
        mode=stat.S_IMODE(held.st_mode),
        owner=(held.st_uid, held.st_gid),
    )
