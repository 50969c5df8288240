"""Stands for a controller with one rig: gives orders, and remembers what the rig says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.systemd.machine import WAIT_S
from wire import codec, messages, model, zeromq
from wire.messages import Down, Up
from wire.signing import Signer
from wire.transport import FleetLink

TTL_S = 30.0
LEASE_S = 600.0


class Headquarters:
    """The other end of the rig's link."""

    def __init__(self, rig: str, link: FleetLink, signer: Signer) -> None:
        self.groups: dict[str, model.GroupStatus] = {}
        self._rig = rig
        self._link = link
        self._signer = signer
        self._assigned: dict[str, model.Assignment] = {}
        self._heard: Up | None = None
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Listen, and repeat the orders to whatever the rig says. Until cancelled."""
        while True:
            up = codec.decode_up((await self._link.receive()).frame)
            self._heard = up
            match up.body:
                case messages.StateReport(groups=groups):
                    self.groups = {status.group: status for status in groups}
                    await self._order()
                case messages.Outcomes(outcomes=outcomes):
                    through = {outcome.group: outcome.generation for outcome in outcomes}
                    await self._send(messages.OutcomesAck(through))
            async with self._news:
                self._news.notify_all()

    async def assign(self, group: str, workload: str | None) -> None:
        """Order it now, and with every further word."""
        await self.until(lambda: group in self.groups, f"a report of {group}")
        known = self.groups[group].generation
        last = self._assigned[group].generation if group in self._assigned else 0
        generation = max(known, last) + 1
        self._assigned[group] = model.Assignment(f"order-{generation}", group, generation, workload)
        await self._order()

    async def reached(self, group: str, phase: model.Phase) -> model.GroupStatus:
        """Wait until the group reports this phase for the newest assignment."""

        await self.until(lambda: self._newest(group).phase is phase, f"{group} to be {phase}")
        return self.groups[group]

    async def rejection(self, group: str) -> str:
        """Wait until the group rejects the newest assignment, and give its reason."""
        await self.until(lambda: bool(self._newest(group).rejected), f"{group} to reject")
        return self.groups[group].rejected[0].reason

    async def running(self, group: str, workload: str) -> None:
        """Wait until the group reports that it runs this."""

        status = await self.reached(group, model.Phase.RUNNING)
        assert status.active == workload, f"{group} runs {status.active}: {status.reason}"

    async def until(self, met: Callable[[], bool], what: str) -> None:
        """Wait for a report that makes this true."""
        try:
            async with asyncio.timeout(WAIT_S), self._news:
                await self._news.wait_for(met)
        except TimeoutError:
            raise AssertionError(f"waited for {what}; the rig says {self.groups}") from None

    def forget(self) -> None:
        """What was reported so far counts no longer: the machine is about to die."""
        self.groups = {}

    def _newest(self, group: str) -> model.GroupStatus:
        """The group's status, once it knows of the newest assignment; an empty one before."""
        status = self.groups.get(group)
        if status is None or status.generation != self._assigned[group].generation:
            return model.GroupStatus(
                group, model.Phase.PREPARING, model.Leg.FORWARD, None, None, 0, 0.0, (), False, ""
            )
        return status

    async def _order(self) -> None:
        if self._assigned:
            await self._send(messages.Order(tuple(self._assigned.values()), LEASE_S))

    async def _send(self, body: messages.DownBody) -> None:
        heard = self._heard
        if heard is not None:
            down = Down(self._rig, heard.boot_id, heard.rig_time_s, TTL_S, body)
            await self._link.send(self._rig, codec.encode_down(down, self._signer))


@asynccontextmanager
async def headquarters(
    rig: str, port: int, *, secret_key: str, rig_key: str, signer: Signer
) -> AsyncIterator[Headquarters]:
    """Listen on this port of loopback."""
    link = await zeromq.open_fleet(
        listen=f"tcp://127.0.0.1:{port}",
        secret_key=secret_key,
        rig_of=lambda key: rig if key == rig_key else None,
    )
    here = Headquarters(rig, link, signer)
    work = asyncio.create_task(here.run())
    try:
        yield here
    finally:
        work.cancel()
        await asyncio.wait([work])
        await link.close()
