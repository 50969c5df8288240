"""Launcher over containers of Docker or Podman, found again by a label.

The engine keeps them running while the agent is away. A container never gets the engine's socket,
privileges or a way to restart by itself. What ended stays, for its log, until the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.core import container as containers
from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers import ending, logfile
from agent.drivers.containers import contained, order
from agent.drivers.containers.engine import Engine, EngineError
from agent.ports import DriverError
from wire import logs

KILL_WAIT_S = 10.0
"""For the engine and the kernel to give a killed container up; past it, it is stuck."""

ENGINE_RETRY_S = 2.0
"""Between two attempts to reach the engine while a container is watched."""

SETTLE_S = 0.2
"""For an engine that says that a container has ended, and then that it runs."""

PULL_LOG_S = 30.0
"""Between two lines in the log about an image that is being fetched."""

_AT_REST = frozenset({"created", "configured", "exited", "stopped", "dead"})


class ContainerLauncher:
    """Runs each workload in one container."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._locks: dict[str, asyncio.Lock] = {}
        self._log = logs.get("containers")

    async def prepare(self, workload: Workload) -> None:
        """See that the image is here, and that the mounts are fit. Raises `DriverError`."""
        wanted = order.described(workload)
        socket = await asyncio.to_thread(_real, str(self._engine.socket))
        for mount in containers.mounts(wanted):
            source = await asyncio.to_thread(_real, mount.source)
            if source is None:
                raise DriverError(f"{workload.key}: mount {mount.source} does not exist")
            if containers.exposes(source, socket or str(self._engine.socket)):
                raise DriverError(
                    f"{workload.key}: mount {mount.source} would hand the container engine over"
                )
        async with self._asking(workload):
            if not await self._engine.image(wanted.image):
                await self._pull(workload, wanted.image)

    async def start(self, workload: Workload) -> None:
        """Make and start its container unless one runs. Raises `DriverError`."""
        async with self._locks.setdefault(workload.key, asyncio.Lock()), self._asking(workload):
            found = await self._engine.listed(workload.key)
            if any(_runs(each) for each in found):
                return
            for each in found:
                await self._engine.remove(str(each["Id"]))
            container = await self._engine.create(workload)
            try:
                await self._engine.start(container)
            except EngineError:
                await self._engine.remove(container)
                raise

    async def alive(self, workload: Workload) -> bool:
        """Whether any container of it runs. Raises `DriverError` when that cannot be told."""
        async with self._asking(workload):
            return bool(await self._running(workload))

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """TERM, after `grace_s` KILL; returns when none of it runs. Raises `DriverError`."""
        for signal, timeout_s in (("SIGTERM", grace_s), ("SIGKILL", KILL_WAIT_S)):
            try:
                async with asyncio.timeout(timeout_s), self._asking(workload):
                    await self._end(workload, signal)
                    return
            except TimeoutError:
                continue
        raise DriverError(f"{workload.key}: container {order.name(workload)} outlived KILL")

    async def processes(self, workload: Workload) -> frozenset[int]:
        """Raises `DriverError`: engines do not agree on whose pids they tell."""
        raise DriverError(f"{workload.key}: the processes of a container cannot be told by pid")

    async def exited(self, workload: Workload) -> str:
        """Wait until no container of it runs, and say how it ended."""
        while True:
            try:
                async with self._asking(workload):
                    return await self._exited(workload)
            except DriverError:
                # Whoever lost the engine knows nothing of the container; that is no exit.
                await asyncio.sleep(ENGINE_RETRY_S)

    async def evidence(self, workload: Workload, known: Options | None) -> tuple[Evidence, ...]:
        """What image and rig's file say, what the engine says, and every process inside.

        Raises:
            DriverError: The engine cannot be asked.
        """
        async with self._asking(workload):
            image = await self._engine.image(order.described(workload).image)
            running = {
                each: await self._engine.inspect(each) for each in await self._running(workload)
            }
            lines = [line for each in running for line in await self._engine.commands(each)]
        return await asyncio.to_thread(
            contained.evidence_of, workload, image, tuple(running.values()), lines, known
        )

    async def _exited(self, workload: Workload) -> str:
        last = ""
        while running := await self._running(workload):
            if last in running:
                await asyncio.sleep(SETTLE_S)
            last = running[0]
            await self._engine.ended(last)
        if not last:
            found = await self._engine.listed(workload.key)
            last = str(found[0]["Id"]) if found else order.name(workload)
        how = ending.of_container(await self._engine.state(last))
        line = logfile.clean(await self._engine.log(last))
        return f"{how}; last log line: {line}" if line else how

    async def _end(self, workload: Workload, signal: str) -> None:
        asked = set[str]()
        while running := await self._running(workload):
            if asked.issuperset(running):
                await asyncio.sleep(SETTLE_S)
            asked.update(running)
            for container in running:
                await self._engine.kill(container, signal)
            for container in running:
                await self._engine.ended(container)

    async def _running(self, workload: Workload) -> list[str]:
        found = await self._engine.listed(workload.key)
        return [str(each["Id"]) for each in found if _runs(each)]

    async def _pull(self, workload: Workload, image: str) -> None:
        loop = asyncio.get_running_loop()
        told_s = loop.time()

        def progress(status: str) -> None:
            nonlocal told_s
            if loop.time() - told_s >= PULL_LOG_S:
                told_s = loop.time()
                self._log.info("fetching image", workload=workload.key, image=image, status=status)

        self._log.info("fetching image", workload=workload.key, image=image, status="begins")
        await self._engine.pull(image, progress)
        if not await self._engine.image(image):
            raise EngineError(f"image {image} is absent although it was fetched")

    @asynccontextmanager
    async def _asking(self, workload: Workload) -> AsyncIterator[None]:
        """What the engine refuses is told with the workload's name."""
        try:
            yield
        except EngineError as error:
            raise DriverError(f"{workload.key}: container engine: {error}") from error


def _runs(listed: dict[str, Any]) -> bool:
    """A state that nobody knows counts as running: nothing may start beside it."""
    return str(listed.get("State", "")).lower() not in _AT_REST


def _real(path: str) -> str | None:
    """Where a path leads, links followed; ``None`` when there is nothing."""
    try:
        return str(Path(path).resolve(strict=True))
    except OSError:
        return None
