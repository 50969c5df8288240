"""Watches over what sleeps on a group's GPUs while another workload has them.

The other one is what the group is for: a sleeper that wakes, grows or falls silent is ended, and
the switch machine hears of it then. It never touches what the road leads to.
"""

from __future__ import annotations

from agent.core import parking
from agent.core.model import Tripped, Unparked
from agent.performer import Performer
from agent.ports import DriverError
from agent.reactor import Reactor
from wire import logs
from wire.model import Phase

WATCHED = frozenset({Phase.RUNNING, Phase.PREPARING, Phase.DRAINING, Phase.PROBING})
"""Phases whose own effect does not look at the sleeper."""


class Bedside:
    """Over the sleeper of one group."""

    def __init__(self, reactor: Reactor, performer: Performer) -> None:
        self._reactor = reactor
        self._performer = performer
        self._log = logs.get("bedside", group=reactor.group)

    async def look(self) -> None:
        """Look once; a sleeper that cannot be told to sleep or not is left until the next look."""
        name = self._sleeper()
        if name is None:
            return
        try:
            fault = await self._performer.restless(name)
        except DriverError as error:
            self._log.warning("cannot tell whether it sleeps", workload=name, error=str(error))
            return
        # The road may have led to the sleeper itself meanwhile: then it is awake by order.
        if fault and self._sleeper() == name:
            await self._end(name, fault)

    async def _end(self, name: str, fault: str) -> None:
        self._log.warning("sleeper ended", workload=name, reason=fault)
        try:
            await self._performer.end(name)
        except DriverError as error:
            self._reactor.post(Tripped(f"{name} shall sleep, but {fault}, and goes on: {error}"))
        else:
            self._reactor.post(Unparked(name, fault))

    def _sleeper(self) -> str | None:
        state = self._reactor.state
        watched = self._reactor.resumed and state.phase in WATCHED and not parking.wakes(state)
        return state.parked if watched else None
