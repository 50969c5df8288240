"""Miners packed for Hive OS, read through their own `h-stats.sh`.

Such a script is made to be sourced and leaves `$khs`, the total in kH/s, and `$stats`, a JSON
object with the figures of each GPU. It is run in a bash of its own, as the agent's user, and ended
with all its children when it takes too long. It comes from the rig's own file, never from the wire.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers import command, errand, paths
from agent.drivers.http import Endpoint
from agent.drivers.launched import endpoint
from agent.drivers.miners import report
from agent.drivers.miners.report import Report
from agent.drivers.miners.source import NoReportError
from agent.ports import DriverError

SCRIPT_TIMEOUT_S = 4.0
"""Below the agent's own limit for a reading."""

OUTPUT_BYTES_MAX = 256 * 1024
"""Longer figures are none."""

API_TIMEOUT_S = 2
"""Seconds that the script is told to wait for its miner, `$API_TIMEOUT`."""

KHS_HPS = 1e3
UNIT_DEFAULT = "khs"
"""Of `hs` when `hs_units` is missing."""

_PORTS = ("MINER_API_PORT", "CUSTOM_API_PORT")
"""Variables that such scripts take the port of the miner's API from."""

# Official scripts declare `local` variables, and some leave by `exit`: hence a function and a trap.
_RUNNER = r"""
exec 3>&1 1>/dev/null 2>&1
trap 'printf "%s\0%s" "$khs" "$stats" >&3' EXIT
figures() { source "$1"; }
figures "$1"
"""


class HiveSource:
    """A miner that is known by its script alone."""

    def __init__(self, *, timeout_s: float = SCRIPT_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s

    def endpoint(self, workload: Workload) -> Endpoint | None:
        """Where its API listens, if `api_url` says so. Raises `DriverError`."""
        if not workload.api_url:
            return None
        return endpoint(workload, "tcp" if workload.api_url.startswith("tcp:") else "http")

    def check(self, workload: Workload) -> None:
        """Whether there is a script. Raises `DriverError`."""
        script = Path(workload.stats_script)
        if not script.is_absolute():
            raise DriverError(
                f"{workload.key}: `stats_script` must be the absolute path of an h-stats.sh"
            )
        if not os.access(script, os.R_OK) or not script.is_file():
            raise DriverError(f"{workload.key}: `stats_script`: {script} cannot be read")

    @property
    def options(self) -> Options:
        """None are known; names and shapes tell."""
        return Options()

    async def told(self, _workload: Workload) -> tuple[Evidence, ...]:
        """Such scripts tell neither account nor pool."""
        return ()

    async def report(self, workload: Workload) -> Report:
        """Run the script once. Raises `NoReportError`."""
        khs, separator, stats = (await self._run(workload)).partition(b"\0")
        if not separator:
            raise NoReportError("h-stats.sh ended without a word")
        total = paths.number(khs.decode(errors="replace"))
        figures = _figures(stats)
        if total is None and not figures:
            raise NoReportError("h-stats.sh set neither `khs` nor `stats`")
        return _read(total, figures)

    async def _run(self, workload: Workload) -> bytes:
        script = Path(workload.stats_script)
        shell = errand.running(
            ("bash", "--noprofile", "--norc", "-c", _RUNNER, "h-stats", str(script)),
            stdout=errand.PIPE,
            environment=self._environment(workload, os.environ),
            directory=script.parent,
        )
        try:
            async with shell as process, asyncio.timeout(self._timeout_s):
                return await _output(process)
        except TimeoutError as error:
            raise NoReportError(f"h-stats.sh took more than {self._timeout_s:g} s") from error
        except OSError as error:
            raise NoReportError(f"h-stats.sh cannot be run: {error}") from error

    def _environment(self, workload: Workload, agent: Mapping[str, str]) -> dict[str, str]:
        """What such scripts expect, as far as it is known here."""
        directory = Path(workload.stats_script).parent
        api = self.endpoint(workload)
        ports = {} if api is None else dict.fromkeys(_PORTS, str(api.port))
        return {
            **command.inherited(agent),
            "API_TIMEOUT": str(API_TIMEOUT_S),
            "MINER_DIR": str(directory.parent),
            "CUSTOM_MINER": directory.name,
            **ports,
            **workload.environment,
        }


async def _output(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None, "it was asked for"
    output = bytearray()
    while piece := await process.stdout.read(OUTPUT_BYTES_MAX):
        output += piece
        if len(output) > OUTPUT_BYTES_MAX:
            raise NoReportError(f"h-stats.sh wrote more than {OUTPUT_BYTES_MAX} bytes")
    return bytes(output)


def _figures(stats: bytes) -> dict[str, object]:
    try:
        document = msgspec.json.decode(stats)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return document if isinstance(document, dict) else {}


def _read(khs: float | None, figures: dict[str, object]) -> Report:
    unit = paths.text(figures.get("hs_units")) or UNIT_DEFAULT
    factor = report.factor_of(unit)
    return Report(
        hashrate_hps=report.scaled(khs, KHS_HPS),
        accepted=paths.whole(paths.first_number(figures, ("ar[0]",))),
        rejected=paths.whole(paths.first_number(figures, ("ar[1]",))),
        algorithm=(paths.text(figures.get("algo")) or "")[: report.TEXT_CHARS_MAX] or None,
        uptime_s=paths.number(figures.get("uptime")),
        gpus=report.gpus(
            paths.select(figures, "bus_numbers[]"), paths.select(figures, "hs[]"), [], factor
        ),
        problem="" if factor is not None else f"unknown unit {unit[:20]!r}",
    )
