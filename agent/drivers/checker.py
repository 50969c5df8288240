"""Runs the rig's own checker on a group's GPUs; it and its children never outlive the check."""

from __future__ import annotations

import asyncio
import os

from agent.drivers import command, ending, errand
from agent.ports import TuneError
from agent.settings import CheckerSettings

OUTPUT_BYTES_MAX = 16 * 1024
"""The end of what a checker writes, from which its last line is quoted."""

LINE_CHARS_MAX = 200


class CommandChecker:
    """Implements `agent.ports.Checker` by a command's exit code."""

    def __init__(self, settings: CheckerSettings) -> None:
        self._settings = settings

    async def check(self, gpus: tuple[str, ...]) -> None:
        """See `agent.ports.Checker`."""
        joined, limit_s = ",".join(gpus), self._settings.deadline_s
        words = [word.replace("{gpus}", joined) for word in self._settings.command]
        # What the kernel does not give back holds the GPUs, and is found before anything starts.
        checker = errand.running(
            words,
            stdout=errand.PIPE,
            stderr=errand.MERGED,
            environment={
                **command.inherited(os.environ),
                "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
                "CUDA_VISIBLE_DEVICES": joined,
            },
        )
        try:
            async with checker as process, asyncio.timeout(limit_s):
                last = _last_line(await errand.tail(process.stdout, OUTPUT_BYTES_MAX))
                code = await process.wait()
        except TimeoutError as error:
            raise TuneError(f"the GPU checker was not done within {limit_s:g} s") from error
        except OSError as error:
            raise TuneError(f"the GPU checker {words[0]} cannot be started: {error}") from error
        if code != 0:
            said = f": {last}" if last else ""
            raise TuneError(f"the GPU checker {ending.of_process(code)}{said}")


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[-LINE_CHARS_MAX:]
