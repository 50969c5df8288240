"""The way to the root helper: a request over its socket, one connection each.

Closing the connection ends the request: a caller who has given up must not be surprised later.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.gpu.tuning import pipe
from agent.ports import TuneError

ANSWER_S = pipe.WORK_S + 8.0
"""The helper's own limits are shorter, and say more."""


class HelperLink:
    """Reaches the helper at its socket."""

    def __init__(self, socket: Path, answer_s: float = ANSWER_S) -> None:
        self._socket = socket
        self._answer_s = answer_s

    async def perform(self, request: pipe.Request) -> pipe.Done:
        """Have it carried out. Raises `TuneError`."""
        try:
            async with asyncio.timeout(self._answer_s):
                line = await self._exchange(pipe.encode(request))
        except TimeoutError as error:
            raise TuneError(f"the GPU helper gave no answer within {self._answer_s:g} s") from error
        except (ConnectionResetError, BrokenPipeError):
            line = b""
        except (OSError, ValueError) as error:
            raise TuneError(f"the GPU helper cannot be reached: {self._advice(error)}") from error
        if not line:
            raise TuneError("the GPU helper hung up; read `journalctl --unit=rigshift-gpu-helper`")
        try:
            answer = pipe.decode_answer(line)
        except ValueError as error:
            raise TuneError(f"the GPU helper gave no answer but {line[:80]!r}") from error
        if isinstance(answer, pipe.Refused):
            raise TuneError(answer.reason)
        return answer

    async def _exchange(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=pipe.LINE_BYTES_MAX)
        try:
            writer.write(request)
            return await reader.readline()
        finally:
            writer.close()

    def _advice(self, error: OSError | ValueError) -> str:
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return (
                f"nobody listens at {self._socket}; run "
                "`systemctl enable --now rigshift-gpu-helper.socket`"
            )
        if isinstance(error, PermissionError):
            return f"{self._socket} is for group rigshift; add the agent's user to it"
        return str(error)
