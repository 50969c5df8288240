"""What every demo workload does: take arguments, claim simulated GPUs, serve, end when told.

Demo workloads do no mining and no inference; they only behave towards the agent as programs that
do. Importing stays light: a rig's demo starts many of these at once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Protocol

from agent.demo.http_server import HttpServer, Reply, Request
from agent.gpu import simulated

PORT_MAX = 65_535
MEMORY_BYTES = 8 * 1024**3


class Program(Protocol):
    """What differs between demo workloads."""

    async def answer(self, request: Request) -> Reply:
        """Answer one request."""

    async def run(self) -> None:
        """Work until cancelled."""

    async def finish(self) -> None:
        """End what is in progress, after SIGTERM."""


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """Arguments that every demo workload takes."""
    arguments = argparse.ArgumentParser(
        prog=f"python -m agent.demo.{name}", description=description, allow_abbrev=False
    )
    add = arguments.add_argument
    add("--port", type=port, required=True, help="port of its API on 127.0.0.1")
    add("--gpus", type=uuids, required=True, help="simulated GPUs, UUIDs joined by commas")
    add("--simulated-dir", type=Path, required=True, help="directory of the simulated GPUs")
    add("--power-w", type=positive, required=True, help="watts drawn on each GPU above idle")
    add("--memory-bytes", type=whole, default=MEMORY_BYTES, help="memory held on each GPU")
    add("--exit-after-s", type=positive, help="end with exit code 3 after so many seconds")
    add("--ignore-term", action="store_true", help="do not end on SIGTERM, as a stuck program")
    return arguments


def main(name: str, options: argparse.Namespace, program: Program) -> int:
    """Run to the end; returns the exit code."""
    try:
        return asyncio.run(_run(name, options, program))
    except OSError as error:
        sys.stderr.write(f"demo {name}: {error}\n")
        return 1


async def _run(name: str, options: argparse.Namespace, program: Program) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _nothing if options.ignore_term else told.set)
    server = HttpServer(program.answer)
    await server.listen(options.port)
    hold(name, options, options.memory_bytes)
    sys.stderr.write(f"demo {name}: no real work is done; API on port {options.port}\n")
    work = asyncio.create_task(program.run())
    try:
        async with asyncio.timeout(options.exit_after_s):
            await told.wait()
        await program.finish()
    except TimeoutError:
        sys.stderr.write(f"demo {name}: ends as asked by --exit-after-s\n")
        return 3
    finally:
        work.cancel()
        await server.close()
        simulated.release(options.simulated_dir, options.gpus)
    return 0


def hold(
    name: str, options: argparse.Namespace, memory_bytes: int, *, asleep: bool = False
) -> None:
    """Claim the simulated GPUs, or hold another amount of their memory from now on."""
    simulated.claim(
        options.simulated_dir,
        options.gpus,
        memory_bytes=memory_bytes,
        power_w=options.power_w,
        workload=_workload(name),
        asleep=asleep,
    )


def _nothing() -> None:
    """Outlast a signal."""


def _workload(name: str) -> str:
    """What to call it in the log of a simulated GPU: as its agent does, if it has one."""
    return PurePath(os.environ.get("RIGSHIFT_WORKLOAD", name)).stem


def port(text: str) -> int:
    """Argument type: a TCP port."""
    number = whole(text)
    if number > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text} is no port; use 1 to {PORT_MAX}")
    return number


def uuids(text: str) -> Sequence[str]:
    """Argument type: names joined by commas."""
    names = text.split(",")
    if not all(names) or any(PurePath(name).name != name for name in names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of GPU UUIDs joined by commas")
    return names


def positive(text: str) -> float:
    """Argument type: a number of at least 0."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
    return number


def whole(text: str) -> int:
    """Argument type: a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)
