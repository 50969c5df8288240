"""A TCP API with one canned answer, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class LineApi:
    """Answers whatever line it is sent; may then keep the connection open, or never answer."""

    answer: bytes
    stays_open: bool = False
    silent: bool = False
    asked: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """The port that it listens on."""
        over = asyncio.Event()
        conversations = set[asyncio.Task[None]]()

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.asked.append(await reader.readline())
            if not self.silent:
                writer.write(self.answer)
                await writer.drain()
            if self.silent or self.stays_open:
                await over.wait()
            writer.close()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            conversations.add(asyncio.create_task(converse(reader, writer)))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            over.set()
            server.close()
            if conversations:
                await asyncio.wait(conversations)
