"""Runs the rig's own checker on a group's GPUs; it and its children never outlive the check."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress

from agent.drivers import ending
from agent.drivers.command import INHERITED, PATH_DEFAULT
from agent.ports import TuneError
from agent.settings import CheckerSettings

OUTPUT_BYTES_MAX = 16 * 1024
"""The end of what a checker writes, from which its last line is quoted."""

LINE_CHARS_MAX = 200
KILL_S = 3.0
"""Between KILL and its end; past it the driver holds it in the kernel."""


class CommandChecker:
    """Implements `agent.ports.Checker` by a command's exit code."""

    def __init__(self, settings: CheckerSettings) -> None:
        self._settings = settings

    async def check(self, gpus: tuple[str, ...]) -> None:
        """See `agent.ports.Checker`."""
        process = await self._start(gpus)
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                last = await _last_line(process)
                code = await process.wait()
        except TimeoutError as error:
            limit_s = self._settings.deadline_s
            raise TuneError(f"the GPU checker was not done within {limit_s:g} s") from error
        finally:
            await _end(process)
        if code != 0:
            said = f": {last}" if last else ""
            raise TuneError(f"the GPU checker {ending.of_process(code)}{said}")

    async def _start(self, gpus: tuple[str, ...]) -> asyncio.subprocess.Process:
        joined = ",".join(gpus)
        command = [word.replace("{gpus}", joined) for word in self._settings.command]
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=_environment(joined, os.environ),
                start_new_session=True,
            )
        except OSError as error:
            raise TuneError(f"the GPU checker {command[0]} cannot be started: {error}") from error


def _environment(gpus: str, agent: Mapping[str, str]) -> dict[str, str]:
    return {
        "PATH": agent.get("PATH", PATH_DEFAULT),
        **{name: agent[name] for name in INHERITED if name in agent},
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": gpus,
    }


async def _last_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None, "it was asked for"
    kept = b""
    while piece := await process.stdout.read(OUTPUT_BYTES_MAX):
        kept = (kept + piece)[-OUTPUT_BYTES_MAX:]
    lines = kept.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[-LINE_CHARS_MAX:]


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # What the kernel does not give back holds the GPUs, and is found there before anything starts.
    with suppress(TimeoutError):
        async with asyncio.timeout(KILL_S):
            await process.wait()
