"""One connection to the broker, kept up, with bounded queues in both directions."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import aiomqtt

from wire import logs
from wire.mqtt import broker
from wire.transport import FRAME_BYTES_MAX

T = TypeVar("T")

GOODBYE_MAX_S = 1.0
"""How long frames already sent may take to leave when a link is closed."""

RECONNECT_MIN_S = 0.5
RECONNECT_MAX_S = 30.0
"""Back-off between attempts to connect: doubling, with jitter, starting over on success."""

KEEP_MAX_S = 0xFFFF_FFFF
"""Longest Message Expiry Interval of MQTT."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A frame on its way to the broker; with `keep_s`, retained there for so many seconds."""

    topic: str
    frame: bytes
    keep_s: float = 0.0

    async def publish(self, client: aiomqtt.Client) -> None:
        """Hand the frame over. Raises `aiomqtt.MqttError` if the broker does not take it."""
        if self.keep_s <= 0.0:
            # TCP delivers within a connection, and no session outlives one: more would be waste.
            await client.publish(self.topic, self.frame, qos=0)
            return
        expiry = broker.publish_properties(expiry_s=min(math.ceil(self.keep_s), KEEP_MAX_S))
        await client.publish(self.topic, self.frame, qos=1, retain=True, properties=expiry)


class Session(Generic[T]):
    """Keeps one connection to the broker up, and the frames of both directions flowing.

    Args:
        connect: Makes a client that is not connected yet.
        subscriptions: Topics to listen to, each with its QoS.
        read: What the receiver gets of a message.
        queue_frames_max: Frames that wait in each direction; the oldest gives way.
        log: Where the connection's ups and downs are told.
    """

    def __init__(
        self,
        connect: Callable[[], aiomqtt.Client],
        *,
        subscriptions: Mapping[str, int],
        read: Callable[[aiomqtt.Message], T],
        queue_frames_max: int,
        log: logs.Logger,
    ) -> None:
        self._connect = connect
        self._subscriptions = subscriptions
        self._read = read
        self._inbox: asyncio.Queue[T] = asyncio.Queue(queue_frames_max)
        self._outbox: asyncio.Queue[Publication] = asyncio.Queue(queue_frames_max)
        self._connected = False
        self._closing = asyncio.Event()
        self._log = log
        self._complaint = ""
        self._task = asyncio.create_task(self._stay_connected(random.Random()))

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty: there is one."""
        return "" if self._connected else self._complaint or "no connection"

    def send(self, publication: Publication) -> None:
        """Queue a frame, or drop it: the broker is away, or it is too long."""
        if self._connected and len(publication.frame) <= FRAME_BYTES_MAX:
            if self._outbox.full():
                self._drop_oldest()
            self._outbox.put_nowait(publication)

    async def receive(self) -> T:
        """Wait for the next frame."""
        return await self._inbox.get()

    async def close(self) -> None:
        """Let frames leave for a moment, then say goodbye to the broker."""
        # Never cancelled: a connection that is being made lives in a thread that nothing stops.
        self._closing.set()
        await self._task

    async def _stay_connected(self, rng: random.Random) -> None:
        backoff_s = RECONNECT_MIN_S
        while not self._closing.is_set():
            try:
                async with broker.connected(self._connect()) as client:
                    await self._subscribe(client)
                    backoff_s = RECONNECT_MIN_S
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                self._complain(str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff_s * rng.uniform(0.5, 1.0)):
                    await self._closing.wait()
            backoff_s = min(2.0 * backoff_s, RECONNECT_MAX_S)

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        for topic, qos in self._subscriptions.items():
            for code in await client.subscribe(topic, qos=qos):
                if not isinstance(code, int) and code.is_failure:
                    raise aiomqtt.MqttError(f"{topic}: {code}; mend the broker's access list")

    async def _serve(self, client: aiomqtt.Client) -> None:
        self._log.info("broker connected")
        self._complaint = ""
        self._connected = True
        work = [asyncio.create_task(self._write(client)) for _ in range(broker.WRITERS)]
        work += [asyncio.create_task(self._take(client)), asyncio.create_task(self._leave())]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connected = False
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            while not self._outbox.empty():
                self._drop_oldest()
        for task in done:
            task.result()

    async def _write(self, client: aiomqtt.Client) -> None:
        while True:
            publication = await self._outbox.get()
            try:
                await publication.publish(client)
            finally:
                self._outbox.task_done()

    async def _take(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if len(message.payload) > FRAME_BYTES_MAX:
                continue
            if self._inbox.full():
                self._inbox.get_nowait()
            self._inbox.put_nowait(self._read(message))

    async def _leave(self) -> None:
        await self._closing.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_MAX_S):
                await self._outbox.join()

    def _drop_oldest(self) -> None:
        self._outbox.get_nowait()
        self._outbox.task_done()

    def _complain(self, error: str) -> None:
        if error != self._complaint:
            self._complaint = error
            self._log.warning("broker away or unwilling; trying again", error=error)
