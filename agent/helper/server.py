"""Answers requests on the helper's socket: one for each connection, from the right group only."""

from __future__ import annotations

import asyncio
import socket

from agent.gpu.tuning import pipe
from agent.gpu.tuning.workers import Workers
from agent.helper.peer import Peer, peer
from agent.ports import TuneError
from wire import logs

CONNECTIONS_MAX = 16
"""At once; more than a rig has GPU groups are a mistake or an attack."""

REQUEST_S = 5.0
"""Longest wait for a request on a new connection."""


LEAVE_S = 0.2
"""From closing the door to leaving."""


class Server:
    """Serves until nobody has asked for a while."""

    def __init__(self, workers: Workers, group: int, idle_s: float) -> None:
        """Prepare.

        Args:
            workers: Carry requests out.
            group: Id of the group that may ask; root may too.
            idle_s: Serve for so long without a connection, then end; systemd starts it anew.
        """
        self._workers = workers
        self._group = group
        self._idle_s = idle_s
        self._serving = 0
        self._served = asyncio.Event()
        self._log = logs.get("helper")

    async def serve(self, listening: socket.socket) -> None:
        """Serve on this socket until idle."""
        server = await asyncio.start_unix_server(
            self._connected, sock=listening, limit=pipe.LINE_BYTES_MAX
        )
        async with server:
            # While a worker cannot be killed, this process is the only one that knows.
            while await self._in_use(self._idle_s) or self._workers.stuck:
                pass
            server.close()
            # Whoever was let in at the last moment is served; systemd keeps the next one waiting.
            while await self._in_use(LEAVE_S):
                pass

    async def _in_use(self, within_s: float) -> bool:
        self._served.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._served.wait()
        except TimeoutError:
            return self._serving > 0
        return True

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving += 1
        self._served.set()
        try:
            await self._converse(reader, writer)
        except (OSError, TimeoutError, ValueError) as error:
            self._log.warning("request refused", error=str(error) or type(error).__name__)
        finally:
            self._serving -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = peer(writer.get_extra_info("socket"))
        if not self._may_ask(who):
            raise PermissionError(f"process {who.pid} of user {who.uid} is not in the group")
        if self._serving > CONNECTIONS_MAX:
            raise OSError(f"more than {CONNECTIONS_MAX} connections")
        async with asyncio.timeout(REQUEST_S):
            request = pipe.decode_request(await reader.readline())
        answer = await self._answer(request, reader)
        if answer is not None:
            self._log.info("answered", peer_pid=who.pid, request=repr(request), answer=repr(answer))
            writer.write(pipe.encode(answer))
            await writer.drain()

    def _may_ask(self, who: Peer) -> bool:
        return who.uid == 0 or self._group in who.groups

    async def _answer(
        self, request: pipe.Request, reader: asyncio.StreamReader
    ) -> pipe.Answer | None:
        """The answer; ``None``, and nothing more is set, when the asker goes away meanwhile."""
        work = asyncio.ensure_future(self._workers.perform(request))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else None
        except TuneError as error:
            return pipe.Refused(str(error))
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.wait((work, gone))
