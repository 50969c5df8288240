"""A container engine behind its socket, Docker or Podman: the few requests that a launcher needs.

The paths are those of Docker's Engine API, which Podman answers too, but for the one that makes a
container. Versions in a path are left out where both take it without.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from agent.core.workload import Workload
from agent.drivers.containers import order
from agent.drivers.http import Answer, HttpError
from agent.drivers.unixhttp import UnixEndpoint

ASK_TIMEOUT_S = 30.0
"""An engine that starts a container with a large image on a slow disk."""

LOG_BYTES_MAX = 4096

_FRAME_HEAD_BYTES = 8
"""Before each piece of a log of a container without a terminal."""


class EngineError(Exception):
    """The engine refused, or could not be asked; one clause says why."""

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status
        """Of the answer; 0 without one."""


class Engine:
    """One engine; remembers nothing but which kind it is."""

    def __init__(self, socket: Path, gpus: str = "auto") -> None:
        self.socket = socket
        self._gpus = gpus
        self._endpoint = UnixEndpoint(socket)
        self._is_podman: bool | None = None

    async def is_podman(self) -> bool:
        """Whether it is Podman. Raises `EngineError`."""
        if self._is_podman is None:
            version = await self._json("GET", "/version")
            names = [str(part.get("Name", "")) for part in version.get("Components") or []]
            self._is_podman = any("podman" in name.lower() for name in names)
        return self._is_podman

    async def create(self, workload: Workload) -> str:
        """Make its container and return the id. Raises `EngineError`."""
        if await self.is_podman():
            path, body = order.podman(workload)
        else:
            path, body = order.docker(workload, cdi=self._gpus == "cdi")
        return str((await self._json("POST", path, body)).get("Id", ""))

    async def start(self, container: str) -> None:
        """Start it; one that runs goes on. Raises `EngineError`."""
        await self._do("POST", f"/containers/{container}/start")

    async def kill(self, container: str, signal: str) -> None:
        """Signal its first process; harmless when it has ended. Raises `EngineError`."""
        try:
            await self._do("POST", f"/containers/{container}/kill?signal={signal}")
        except EngineError:
            if (await self.state(container)).get("Running"):
                raise

    async def remove(self, container: str) -> None:
        """Remove it and what it wrote; harmless when it is gone. Raises `EngineError`."""
        try:
            await self._do("DELETE", f"/containers/{container}?force=true&v=true")
        except EngineError as error:
            if error.status != 404:
                raise

    async def listed(self, key: str) -> list[dict[str, Any]]:
        """Every container of a workload, running or not. Raises `EngineError`."""
        filters = msgspec.json.encode({"label": [f"{order.LABEL}={key}"]}).decode()
        found = await self._any("GET", f"/containers/json?all=true&filters={quote(filters)}")
        return [each for each in found or [] if isinstance(each, dict)]

    async def inspect(self, container: str) -> dict[str, Any]:
        """All that is known of it; empty when it is gone. Raises `EngineError`."""
        return await self._known(f"/containers/{container}/json")

    async def state(self, container: str) -> dict[str, Any]:
        """How it is; empty when it is gone. Raises `EngineError`."""
        return (await self.inspect(container)).get("State") or {}

    async def image(self, name: str) -> dict[str, Any]:
        """All that is known of an image; empty when it is not here. Raises `EngineError`."""
        return await self._known(f"/images/{quote(name, safe='/:@')}/json")

    async def pull(self, image: str, progress: Callable[[str], None]) -> None:
        """Fetch an image; takes as long as it takes. Raises `EngineError`."""
        try:
            path = f"/images/create?fromImage={quote(image, safe='')}"
            async with self._endpoint.stream("POST", path) as (status, lines):
                await _follow(status, lines, progress)
        except HttpError as error:
            raise EngineError(str(error)) from error

    async def ended(self, container: str) -> None:
        """Wait until it does not run. Raises `EngineError`."""
        path = f"/containers/{container}/wait?condition=not-running"
        try:
            answer = await self._endpoint.ask("POST", path)
        except HttpError as error:
            raise EngineError(str(error)) from error
        _check(answer)

    async def commands(self, container: str) -> list[str]:
        """The command line of each of its processes; empty when the engine does not tell."""
        form = "args" if await self.is_podman() else "-eo pid,args"
        try:
            found = await self._json("GET", f"/containers/{container}/top?ps_args={quote(form)}")
        except EngineError:
            return []
        return [str(row[-1]) for row in found.get("Processes") or [] if row]

    async def log(self, container: str) -> str:
        """The end of what it wrote; empty when that cannot be read."""
        path = f"/containers/{container}/logs?stdout=true&stderr=true&tail=1"
        try:
            answer = await self._asked("GET", path)
        except EngineError:
            return ""
        return _unframed(answer.body)[-LOG_BYTES_MAX:].decode(errors="replace")

    async def _known(self, path: str) -> dict[str, Any]:
        try:
            return await self._json("GET", path)
        except EngineError as error:
            if error.status != 404:
                raise
            return {}

    async def _json(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        found = await self._any(method, path, body)
        if not isinstance(found, dict):
            raise EngineError(f"its answer to {path} is no JSON object")
        return found

    async def _any(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = await self._asked(method, path, body)
        try:
            return msgspec.json.decode(answer.body)
        except msgspec.MsgspecError as error:
            raise EngineError(f"its answer to {path} cannot be understood: {error}") from error

    async def _do(self, method: str, path: str) -> None:
        await self._asked(method, path)

    async def _asked(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                answer = await self._endpoint.ask(method, path, body)
        except TimeoutError as error:
            raise EngineError(f"no answer within {ASK_TIMEOUT_S:g} s") from error
        except HttpError as error:
            raise EngineError(str(error)) from error
        return _check(answer)


async def _follow(
    status: int, lines: AsyncIterator[bytes], progress: Callable[[str], None]
) -> None:
    """Read the engine's account of a pull; its end is a success unless a line says otherwise."""
    async for line in lines:
        said = _decoded(line)
        error = said.get("error") or (said.get("message") if status >= 400 else None)
        if error:
            raise EngineError(str(error), status)
        if said.get("status"):
            progress(" ".join(filter(None, (str(said["status"]), str(said.get("progress", ""))))))
    if status >= 400:
        raise EngineError(f"status {status}", status)


def _check(answer: Answer) -> Answer:
    """304: it is so already."""
    if answer.ok or answer.status == 304:
        return answer
    said = _decoded(answer.body).get("message") or f"status {answer.status}"
    raise EngineError(str(said), answer.status)


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return {}
    return found if isinstance(found, dict) else {}


def _unframed(log: bytes) -> bytes:
    """Without the heads of its pieces; a container with a terminal has none."""
    text = bytearray()
    while log[:1] in (b"\x00", b"\x01", b"\x02") and len(log) >= _FRAME_HEAD_BYTES:
        end = _FRAME_HEAD_BYTES + int.from_bytes(log[4:_FRAME_HEAD_BYTES])
        text += log[_FRAME_HEAD_BYTES:end]
        log = log[end:]
    return bytes(text) + log
