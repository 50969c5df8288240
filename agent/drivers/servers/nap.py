"""Sleep of a server that stays alive: how to ask for it, and how it is known to sleep.

Asking is never believed: a server that was told to sleep or to wake must say itself that it does.
Whether its weights still are in host memory is asked too: one that woke without them would answer,
and answer nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from agent.core.workload import Workload
from agent.drivers import paths
from agent.drivers.http import Endpoint, HttpError
from agent.drivers.servers.load import Metrics
from agent.ports import DriverError

LEVELS = (1, 2)
"""1 keeps the weights in host memory, 2 drops them; both leave the GPU memory."""

CHANGE_TIMEOUT_S = 120.0
"""To fall asleep or wake: moving weights of tens of GB takes half a minute and more."""

Post = tuple[str, Mapping[str, object] | None]
"""Path and body."""


@dataclass(frozen=True, slots=True)
class Nap:
    """One server's way to sleep."""

    sleep: str
    """Path to post to; `{level}` stands for the level."""
    wake: tuple[Post, ...]
    """What to post when the weights are in host memory."""
    wake_anew: tuple[Post, ...]
    """What to post otherwise, so that they are loaded from disk."""
    kept: Metrics
    """Tells, as `running`, whether the weights are in host memory."""
    state: str
    """Path to get."""
    says: str
    """Where the state's answer tells whether it sleeps."""
    option: str
    """On its command line: without it the server cannot sleep."""
    variable: str
    """Must be `1` in its environment, or the server takes no order to sleep."""

    async def begin(self, api: Endpoint, level: int, *, timeout_s: float) -> None:
        """Put it to sleep. Raises `DriverError`."""
        if level not in LEVELS:
            raise DriverError(f"sleep level {level} is unknown; use 1 or 2")
        await self._change(api, self.sleep.replace("{level}", str(level)))
        if await self.look(api, timeout_s=timeout_s) is not True:
            raise DriverError("it was told to sleep but does not say that it sleeps")

    async def end(self, api: Endpoint, workload: Workload, *, timeout_s: float) -> None:
        """Wake it. Raises `DriverError`."""
        kept = await self._weights_kept(api, workload, timeout_s)
        for path, body in self.wake if kept else self.wake_anew:
            await self._change(api, path, body)
        if await self.look(api, timeout_s=timeout_s) is not False:
            raise DriverError("it was told to wake but does not say that it is awake")

    async def look(self, api: Endpoint, *, timeout_s: float) -> bool | None:
        """Whether it sleeps; ``None`` when it does not tell."""
        try:
            answer = await api.get(self.state, timeout_s=timeout_s)
            document: object = msgspec.json.decode(answer.body) if answer.ok else None
        except (HttpError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        said = paths.select(document, self.says)
        return said[0] if said and isinstance(said[0], bool) else None

    async def _weights_kept(self, api: Endpoint, workload: Workload, timeout_s: float) -> bool:
        try:
            answer = await api.get(self.kept.path, timeout_s=timeout_s)
        except HttpError:
            return False
        load = self.kept.read(answer.body, workload) if answer.ok else None
        return load is not None and bool(load.running)

    async def _change(
        self, api: Endpoint, path: str, body: Mapping[str, object] | None = None
    ) -> None:
        try:
            answer = await api.post(path, body, timeout_s=CHANGE_TIMEOUT_S)
        except HttpError as error:
            raise DriverError(f"{path}: {error}") from error
        if not answer.ok:
            raise DriverError(
                f"{path} answers with status {answer.status}; sleeping needs "
                f"`{self.option}` and `{self.variable}=1`"
            )
