"""Prices from an answer over HTTP. No error tells a secret.

The only importer of httpx on this side. Redirects are not followed: a key sent to one host never
reaches another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import MappingProxyType

import httpx

from controller.core.model import Observation
from controller.feeds import answering, login, request
from controller.feeds.answering import Answers
from controller.feeds.documents import DocumentError
from controller.feeds.moments import Moments
from controller.feeds.settings import HttpFeedSettings
from controller.feeds.units import Rates
from controller.ports import FeedError
from wire.configfile import ConfigError

RETRY_AFTER_MAX_S = 24 * 3600.0
"""A server that asks for more is asked again anyway, once a day."""

RECONNECT_MIN_S = 60.0
"""Pause after a question that reached nobody, doubling up to the interval: nobody counted it."""

REDIRECTS = range(300, 400)
SUCCESSES = range(200, 300)
UNAUTHORIZED = (401, 403)

HEADERS = MappingProxyType(
    {
        "Accept": "application/json, application/xml;q=0.9, text/csv;q=0.9, */*;q=0.1",
        "Accept-Encoding": "identity",
        "User-Agent": "rigshift",
    }
)

JSON_BODY = MappingProxyType({"Content-Type": "application/json"})
"""Sent with a body, unless the settings say otherwise."""

FORM = MappingProxyType({"Content-Type": "application/x-www-form-urlencoded"})

_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")


class HttpFeed:
    """Asks one URL, at most once per interval; in between it repeats its last answer."""

    def __init__(
        self,
        settings: HttpFeedSettings,
        clock: Callable[[], float],
        *,
        environment: Mapping[str, str] = os.environ,
        rates: Rates | None = None,
    ) -> None:
        """Check everything that can be checked without asking.

        Args:
            settings: Where to ask and what to take from the answer.
            clock: Now, seconds since 1970.
            environment: Where secrets named by `env` are found.
            rates: What currencies are worth; none: only fixed rates can be used.

        Raises:
            ConfigError: The settings cannot work, or a secret is missing.
        """
        self.name = settings.name
        self._settings = settings
        self._clock = clock
        self._request = request.build(settings, environment)
        self._login = login.login(settings, environment)
        self._request = self._request.hiding(self._login.secrets)
        self._answers = Answers(settings, rates, quote=self._masked)
        self._moments = Moments(settings.moments, f"feed {self.name}")
        self._url(clock())
        # httpx logs every URL at INFO, and a URL may hold a key.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(trust_env=False, timeout=None)  # noqa: S113 - see _fetch
        self._headers = {**HEADERS, **(JSON_BODY if settings.body else {}), **self._request.headers}
        self._turn = asyncio.Lock()
        self._asked_at = float("-inf")
        self._wait_s = 0.0
        self._unheard = 0

    async def observe(self) -> list[Observation]:
        """What the newest answer says for now, asked for when it is due. Raises `FeedError`."""
        async with self._turn:
            now = self._clock()
            # A clock that was set back must not silence the feed: then the difference is negative.
            if not 0.0 <= now - self._asked_at < self._wait_s:
                await self._ask(now)
            try:
                return self._answers.said(now, self._request.shown_url)
            except FeedError as error:
                left_s = self._asked_at + self._wait_s - now
                raise FeedError(f"{error}; asked again in {left_s:.0f} s") from None

    def announced(self) -> dict[str, list[tuple[float, float]]]:
        """By series: instants to come and their prices, as far as the last answer told."""
        return self._answers.announced(self._clock())

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def _ask(self, now: float) -> None:
        self._asked_at, self._wait_s = now, self._settings.interval_s
        self._answers.fail(f"{self._request.shown_url} was asked, but the wait was broken off")
        try:
            await self._log_in(now)
            self._answers.take(self._document(await self._fetch(now)), now)
        except _UnheardError as error:
            self._wait_s = min(self._wait_s, RECONNECT_MIN_S * 2 ** min(self._unheard, 10))
            self._unheard += 1
            self._answers.fail(str(error))
        except FeedError as error:
            self._unheard = 0
            self._answers.fail(str(error))
        else:
            self._unheard = 0

    def _url(self, now: float) -> httpx.URL:
        """Raises `ConfigError`."""
        filled, plain = self._moments.filled, self._settings.query
        query = {
            name: value if plain[name].value is None else filled(value, now)
            for name, value in self._request.query.items()
        }
        try:
            return httpx.URL(filled(self._settings.url, now)).copy_merge_params(query)
        except httpx.InvalidURL:
            raise ConfigError(f"feed {self.name}: url: write https://host/path") from None

    async def _log_in(self, now: float) -> None:
        """Fetch a token, if one is wanted and none holds. Raises `FeedError`."""
        if self._login.holds(now):
            return
        form, shown = self._login.form, request.shown(self._login.url)
        headers = {**HEADERS, **FORM}
        answer = await self._exchange("POST", httpx.URL(self._login.url), headers, form, shown)
        self._login.take(self._checked(answer, shown), now, self._request.quote)
        self._request = self._request.hiding(self._login.secrets)

    async def _fetch(self, now: float) -> _Answer:
        body = self._moments.filled(self._settings.body, now).encode()
        headers = {**self._headers, **self._login.headers}
        method, shown = "POST" if body else "GET", self._request.shown_url
        answer = await self._exchange(method, self._url(now), headers, body, shown)
        if answer.status in UNAUTHORIZED:
            self._login.forget()
        return answer

    async def _exchange(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes, shown: str
    ) -> _Answer:
        """The whole answer. One deadline over all: else a trickle of bytes never ends."""
        asking = self._client.stream(method, url, headers=dict(headers), content=body or None)
        try:
            async with asyncio.timeout(self._settings.timeout_s), asking as response:
                answer = await self._body(response, shown)
        except TimeoutError:
            limit_s = self._settings.timeout_s
            raise FeedError(f"{shown} gave no whole answer within {limit_s:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            what = self._request.quote(str(error) or type(error).__name__)
            kind = _UnheardError if isinstance(error, httpx.ConnectError) else FeedError
            raise kind(f"{shown} could not be asked: {what}") from None
        return _Answer(response.status_code, response.reason_phrase, response.headers, answer)

    async def _body(self, response: httpx.Response, shown: str) -> bytes:
        """The body as sent: a few compressed bytes may stand for gigabytes."""
        limit = self._settings.bytes_max
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FeedError(f"{shown} answered compressed, although asked not to")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                raise FeedError(f"{shown} answered more than {limit} bytes: {self._quote(body)}")
        return bytes(body)

    def _checked(self, answer: _Answer, shown: str) -> bytes:
        """The body of an answer that is one. Raises `FeedError`."""
        if answer.status in REDIRECTS:
            target = self._request.quote(request.shown(answer.headers.get("location", "")))
            raise FeedError(f"{shown} redirects to {target}, and redirects are not followed")
        if answer.status not in SUCCESSES:
            wait_s = _retry_after_s(answer.headers.get("retry-after", ""), self._clock())
            self._wait_s = max(self._wait_s, wait_s)
            body = self._quote(answer.body)
            raise FeedError(f"{shown} answered {answer.status} {answer.reason}: {body}")
        return answer.body

    def _document(self, answer: _Answer) -> object:
        """What an answer holds. Raises `FeedError`."""
        shown = self._request.shown_url
        body = self._checked(answer, shown)
        kind = _media_type(answer.headers.get("content-type", ""))
        try:
            return answering.parse(self._settings, body, kind)
        except DocumentError as error:
            text = self._request.quote(error.text) if error.text else self._quote(body)
            raise FeedError(f"{shown} answered {error.what}: {text}") from None

    def _masked(self, text: str) -> str:
        """A foreign text in quotes; tokens that were fetched since are hidden too."""
        return self._request.quote(text)

    def _quote(self, body: bytes | bytearray) -> str:
        return self._request.quote(body.decode("utf-8", errors="replace"))


class _UnheardError(FeedError):
    """The question reached nobody."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back, whole."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


def _media_type(header: str) -> str:
    kind = header.partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else "something"


def _retry_after_s(header: str, now: float) -> float:
    """Seconds of silence that a server asks for; 0 when it asks for none we understand."""
    try:
        if header.isascii() and header.isdigit():
            wait_s = float(header)
        else:
            moment = parsedate_to_datetime(header)
            wait_s = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return min(max(wait_s, 0.0), RETRY_AFTER_MAX_S)
