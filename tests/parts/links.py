"""The transports as tests see them: open any end, and talk over links that may lose frames."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Self

from tests.parts.mosquitto import Mosquitto
from wire import mqtt, zeromq
from wire.memory import MemoryNetwork
from wire.transport import AgentLink, FleetLink, Received

REPEAT_S = 0.02
SCENARIO_MAX_S = 40.0
WILL = b"will"


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario on a loop of its own; one that hangs fails."""

    async def limited() -> None:
        async with asyncio.timeout(SCENARIO_MAX_S):
            await scenario

    asyncio.run(limited())


class Ground(ABC):
    """One transport, where links can be opened by name; closes them all when left."""

    keeps = False
    """Whether the transport holds frames for rigs that are away."""

    def __init__(self) -> None:
        self._links: list[AgentLink | FleetLink] = []

    @abstractmethod
    async def _open_agent(self, rig: str) -> AgentLink: ...

    @abstractmethod
    async def _open_fleet(self) -> FleetLink: ...

    async def agent(self, rig: str) -> AgentLink:
        link = await self._open_agent(rig)
        self._links.append(link)
        return link

    async def fleet(self) -> FleetLink:
        link = await self._open_fleet()
        self._links.append(link)
        return link

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await asyncio.gather(*(link.close() for link in self._links))


class MemoryGround(Ground):
    keeps = True

    def __init__(self) -> None:
        super().__init__()
        self._network = MemoryNetwork()

    async def _open_agent(self, rig: str) -> AgentLink:
        return self._network.agent_link(rig)

    async def _open_fleet(self) -> FleetLink:
        return self._network.fleet_link()


class ZeroMqGround(Ground):
    """Every rig is enrolled when its link is first opened."""

    def __init__(self) -> None:
        super().__init__()
        self.server = zeromq.generate_keys()
        self.rigs: dict[str, str] = {}
        self.endpoint = "tcp://127.0.0.1:*"
        self._pairs: dict[str, zeromq.KeyPair] = {}
        self._asked: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def asked(self, public_key: str) -> None:
        """Wait until the controller has been asked about a key."""
        await self._asked[public_key].wait()

    def rig_of(self, public_key: str) -> str | None:
        self._asked[public_key].set()
        return self.rigs.get(public_key)

    def keys(self, rig: str) -> zeromq.KeyPair:
        """The rig's keys, which the controller knows from now on."""
        if rig not in self._pairs:
            self._pairs[rig] = zeromq.generate_keys()
            self.rigs[self._pairs[rig].public] = rig
        return self._pairs[rig]

    async def agent_with(self, pair: zeromq.KeyPair) -> AgentLink:
        """An agent with these keys, enrolled or not."""
        link = await zeromq.open_agent(
            endpoint=self.endpoint, server_key=self.server.public, secret_key=pair.secret
        )
        self._links.append(link)
        return link

    async def _open_agent(self, rig: str) -> AgentLink:
        return await zeromq.open_agent(
            endpoint=self.endpoint,
            server_key=self.server.public,
            secret_key=self.keys(rig).secret,
        )

    async def _open_fleet(self) -> zeromq.ZeroMqFleetLink:
        fleet = await zeromq.open_fleet(
            listen=self.endpoint, secret_key=self.server.secret, rig_of=self.rig_of
        )
        self.endpoint = fleet.endpoint
        return fleet


class MqttGround(Ground):
    keeps = True

    def __init__(self, broker: Mosquitto) -> None:
        super().__init__()
        self._broker = broker

    async def agent_as(self, rig: str, *, username: str, password: str) -> AgentLink:
        """An agent on the rig's topics with these credentials, whoever they belong to."""
        link = await mqtt.open_agent(
            url=self._broker.url,
            rig=rig,
            username=username,
            password=password,
            ca_file=self._broker.ca_file,
            will=WILL,
        )
        self._links.append(link)
        return link

    async def _open_agent(self, rig: str) -> AgentLink:
        return await mqtt.open_agent(
            url=self._broker.url,
            rig=rig,
            username=rig,
            password=self._broker.passwords[rig],
            ca_file=self._broker.ca_file,
            will=WILL,
        )

    async def _open_fleet(self) -> FleetLink:
        return await mqtt.open_fleet(
            url=self._broker.url,
            username="controller",
            password=self._broker.passwords["controller"],
            ca_file=self._broker.ca_file,
        )


@asynccontextmanager
async def repeating(send: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Send again and again meanwhile, as the layer above a link does."""

    async def repeat() -> None:
        while True:
            await send()
            await asyncio.sleep(REPEAT_S)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def up(agent: AgentLink, fleet: FleetLink, rig: str, frame: bytes) -> list[Received]:
    """Send a frame up until it has arrived as `rig`'s; returns what else arrived before."""
    before = []
    async with repeating(lambda: agent.send(frame)):
        while (received := await fleet.receive()) != Received(rig, frame):
            before.append(received)
    return before


async def down(fleet: FleetLink, agent: AgentLink, rig: str, frame: bytes) -> list[bytes]:
    """Send a frame down until it has arrived; returns what else arrived before."""
    before = []
    async with repeating(lambda: fleet.send(rig, frame)):
        while (received := await agent.receive()) != frame:
            before.append(received)
    return before


async def meet(fleet: FleetLink, agent: AgentLink, rig: str) -> None:
    """Talk both ways once, so that both ends are connected and know each other."""
    await up(agent, fleet, rig, b"meet up")
    await down(fleet, agent, rig, b"meet down")
