"""Connection to systemd over the system's D-Bus. The only importer of `dbus_fast`.

It asks and listens; it never reloads systemd's configuration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dbus_fast import BusType, DBusError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

SYSTEMD = "org.freedesktop.systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"
UNIT = "org.freedesktop.systemd1.Unit"
SERVICE = "org.freedesktop.systemd1.Service"

_PATH = "/org/freedesktop/systemd1"
_PROPERTIES = "org.freedesktop.DBus.Properties"

CALL_TIMEOUT_S = 10.0
"""systemd answers at once, even when the job that it was asked for takes long."""


class BusError(Exception):
    """systemd refused or could not be asked; `name` is D-Bus's name of the error, if any."""

    def __init__(self, text: str, name: str = "") -> None:
        super().__init__(text)
        self.name = name


class Changes:
    """What systemd announces from the moment this exists until it is closed."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()

    def put(self, message: Message | None) -> None:
        """Take one in; ``None``: the connection is lost."""
        self._queue.put_nowait(message)

    async def of(self, path: str) -> dict[str, Any]:
        """Wait until properties of the unit at this path change. Raises `BusError`."""
        while True:
            message = await self._next()
            if message.member == "PropertiesChanged" and message.path == path:
                return _plain(message.body[1])

    async def job(self, path: str) -> str:
        """Wait until this job ends, and give systemd's word for how. Raises `BusError`."""
        while True:
            message = await self._next()
            if message.member == "JobRemoved" and message.body[1] == path:
                return str(message.body[3])

    async def _next(self) -> Message:
        message = await self._queue.get()
        if message is None:
            self._queue.put_nowait(None)
            raise BusError("the connection to systemd was lost")
        return message


class SystemdBus:
    """Calls to systemd and its announcements; connects itself when it is needed."""

    def __init__(self, address: str | None = None) -> None:
        """`address`: another bus than the system's, as D-Bus writes it."""
        self._address = address
        self._bus: MessageBus | None = None
        self._connecting = asyncio.Lock()
        self._listeners: set[Changes] = set()
        self._farewell: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Hang up; the next call connects again."""
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.disconnect()

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Listen; whoever wants to miss nothing begins before asking."""
        listener = Changes()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def manager(self, member: str, *arguments: str) -> Any:
        """Call a method of the manager that takes strings; its first result. Raises `BusError`."""
        return await self._call(_PATH, MANAGER, member, *arguments)

    async def properties(self, path: str, interface: str) -> dict[str, Any]:
        """Every property of the unit at `path`. Raises `BusError`."""
        found = await self._call(path, _PROPERTIES, "GetAll", interface)
        return _plain(found)

    async def _call(self, path: str, interface: str, member: str, *arguments: str) -> Any:
        bus = await self._connected()
        return await _ask(bus, SYSTEMD, path, interface, member, *arguments)

    async def _connected(self) -> MessageBus:
        async with self._connecting:
            if self._bus is None or not self._bus.connected:
                self._bus = await self._connect()
            return self._bus

    async def _connect(self) -> MessageBus:
        bus = MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await bus.connect()
        except (OSError, TimeoutError, EOFError, DBusError) as error:
            bus.disconnect()
            raise BusError(f"no connection to the system's D-Bus: {error}") from error
        bus.add_message_handler(self._hear)
        for rule in (
            f"type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='JobRemoved'",
            f"type='signal',sender='{SYSTEMD}',interface='{_PROPERTIES}'",
        ):
            await _ask(
                bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                "org.freedesktop.DBus", "AddMatch", rule,
            )  # fmt: skip
        # Without it systemd announces nothing.
        await _ask(bus, SYSTEMD, _PATH, MANAGER, "Subscribe")
        self._farewell = asyncio.create_task(self._until_lost(bus), name="systemd bus")
        return bus

    async def _until_lost(self, bus: MessageBus) -> None:
        try:
            # Why it was lost changes nothing; the next call says what is wrong.
            with suppress(OSError, EOFError, DBusError):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        finally:
            for listener in self._listeners:
                listener.put(None)
            # The event loop may be about to end, and only its next turn closes the socket.
            bus.disconnect()
            await asyncio.sleep(0)

    def _hear(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            for listener in self._listeners:
                listener.put(message)


def _plain(properties: dict[str, Variant]) -> dict[str, Any]:
    return {name: variant.value for name, variant in properties.items()}


async def _ask(
    bus: MessageBus, to: str, path: str, interface: str, member: str, *arguments: str
) -> Any:
    message = Message(
        destination=to,
        path=path,
        interface=interface,
        member=member,
        signature="s" * len(arguments),
        body=list(arguments),
    )
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            reply = await bus.call(message)
    except (OSError, TimeoutError, EOFError, DBusError) as error:
        raise BusError(f"{member}: no answer: {error!r}") from error
    if reply is None:
        raise BusError(f"{member}: no answer")
    if reply.message_type is MessageType.ERROR:
        text = str(reply.body[0]) if reply.body else str(reply.error_name)
        raise BusError(text, str(reply.error_name))
    return reply.body[0] if reply.body else None
