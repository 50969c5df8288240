"""A limit on what clients may send, kept before anything reads it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.problems import problem

BODY_BYTES_MAX = 64 * 1024
"""No request of this API comes near it."""


class LimitedBodies:
    """Passes on requests whose body is whole and short enough; refuses others with 413."""

    def __init__(self, app: ASGIApp, bytes_max: int = BODY_BYTES_MAX) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._body(receive)
        if body is None:
            refusal = problem(
                413, f"the request is longer than {self._bytes_max} bytes", "send less"
            )
            await refusal(scope, receive, send)
            return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, replay, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; none if it is too long or its sender went away."""
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._bytes_max or message["type"] != "http.request":
                return None
            if not message.get("more_body", False):
                return bytes(body)
