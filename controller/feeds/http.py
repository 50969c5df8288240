"""Prices from JSON over HTTP. What is no number is no price, and no error tells a secret.

The only importer of httpx and jmespath on this side. Redirects are not followed: a key sent to
one host never reaches another.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import MappingProxyType

import httpx
import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from controller.core.model import Observation
from controller.feeds import request, units
from controller.feeds.settings import FieldSettings, HttpFeedSettings, TimeFormat
from controller.ports import FeedError
from wire import logs
from wire.configfile import ConfigError

RETRY_AFTER_MAX_S = 24 * 3600.0
"""A server that asks for more is asked again anyway, once a day."""

AHEAD_MAX_S = 3600.0
"""An instant further in the future is a mistaken unit, not a price to come."""

REDIRECTS = range(300, 400)
SUCCESSES = range(200, 300)

HEADERS = MappingProxyType(
    {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "rigshift",
    }
)

_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")


class HttpFeed:
    """Asks one URL, at most once per interval; in between it repeats its last answer."""

    def __init__(
        self,
        settings: HttpFeedSettings,
        clock: Callable[[], float],
        *,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Check everything that can be checked without asking.

        Args:
            settings: Where to ask and what to take from the answer.
            clock: Now, seconds since 1970.
            environment: Where secrets named by `env` are found.

        Raises:
            ConfigError: The settings cannot work, or a secret is missing.
        """
        self.name = settings.name
        self._settings = settings
        self._clock = clock
        self._fields = [_field(settings.name, field) for field in settings.fields]
        self._request = request.build(settings, environment)
        try:
            self._url = httpx.URL(settings.url).copy_merge_params(self._request.query)
        except httpx.InvalidURL:
            raise ConfigError(f"feed {self.name}: url: write https://host/path") from None
        # httpx logs every URL at INFO, and a URL may hold a key.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(trust_env=False, timeout=None)  # noqa: S113 - see _fetch
        self._headers = {**HEADERS, **self._request.headers}
        self._turn = asyncio.Lock()
        self._asked_at = float("-inf")
        self._wait_s = 0.0
        self._said: list[Observation] | FeedError = []
        self._log = logs.get("feed", feed=self.name)

    async def observe(self) -> list[Observation]:
        """The newest answer, asked for when it is due. Raises `FeedError`."""
        async with self._turn:
            now = self._clock()
            # A clock that was set back must not silence the feed: then the difference is negative.
            if not 0.0 <= now - self._asked_at < self._wait_s:
                await self._ask(now)
            if isinstance(self._said, FeedError):
                left_s = self._asked_at + self._wait_s - now
                raise FeedError(f"{self._said}; asked again in {left_s:.0f} s")
            return list(self._said)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def _ask(self, now: float) -> None:
        self._asked_at, self._wait_s = now, self._settings.interval_s
        self._said = FeedError(f"{self._request.shown_url} was asked, but the wait was broken off")
        try:
            self._said = self._read(await self._fetch())
        except FeedError as error:
            self._said = error

    async def _fetch(self) -> _Answer:
        """The whole answer. One deadline over all: else a trickle of bytes never ends."""
        shown = self._request.shown_url
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                self._client.stream("GET", self._url, headers=self._headers) as response,
            ):
                body = await self._body(response)
        except TimeoutError:
            limit_s = self._settings.timeout_s
            raise FeedError(f"{shown} gave no whole answer within {limit_s:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            what = self._request.quote(str(error) or type(error).__name__)
            raise FeedError(f"{shown} could not be asked: {what}") from None
        return _Answer(response.status_code, response.reason_phrase, response.headers, body)

    async def _body(self, response: httpx.Response) -> bytes:
        """The body as sent: a few compressed bytes may stand for gigabytes."""
        shown, limit = self._request.shown_url, self._settings.bytes_max
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FeedError(f"{shown} answered compressed, although asked not to")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > limit:
                raise FeedError(f"{shown} answered more than {limit} bytes: {self._quote(body)}")
        return bytes(body)

    def _read(self, answer: _Answer) -> list[Observation]:
        """Observations of an answer. Raises `FeedError` when it holds none."""
        shown, body = self._request.shown_url, self._quote(answer.body)
        if answer.status in REDIRECTS:
            target = self._request.quote(request.shown(answer.headers.get("location", "")))
            raise FeedError(f"{shown} redirects to {target}, and redirects are not followed")
        if answer.status not in SUCCESSES:
            wait_s = _retry_after_s(answer.headers.get("retry-after", ""), self._clock())
            self._wait_s = max(self._wait_s, wait_s)
            raise FeedError(f"{shown} answered {answer.status} {answer.reason}: {body}")
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            kind = _media_type(answer.headers.get("content-type", ""))
            what = "broken JSON" if "json" in kind else f"{kind}, not JSON"
            raise FeedError(f"{shown} answered {what}: {body}") from None
        return self._pick(document)

    def _pick(self, document: object) -> list[Observation]:
        """Observations of the fields that hold one; one bad field does not take the others."""
        found, faults = [], []
        for field in self._fields:
            try:
                at = _instant(field, document, self._clock())
                value = _number(field, document)
                found.append(Observation(field.settings.series, self.name, value, at))
            except _UnusableError as error:
                found_text = f" {self._request.quote(error.text)}" if error.text else ""
                faults.append(f"`{error.path}` {error.what}{found_text}")
        fault = f"{self._request.shown_url}: {'; '.join(faults)}"
        if not found:
            raise FeedError(fault)
        if faults:
            self._log.warning("feed fields unusable", error=fault)
        return sorted(found, key=lambda observation: observation.at)

    def _quote(self, body: bytes | bytearray) -> str:
        return self._request.quote(body.decode("utf-8", errors="replace"))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back, whole."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Field:
    """One number in the answer, compiled."""

    settings: FieldSettings
    value: ParsedResult
    at: ParsedResult | None
    convert: Callable[[float], float]


class _UnusableError(Exception):
    """A place in the document does not hold what it should."""

    def __init__(self, path: str, what: str, text: str = "") -> None:
        super().__init__(path)
        self.path = path
        self.what = what
        self.text = text
        """Foreign text, to be quoted; may hold anything."""


def _field(feed: str, settings: FieldSettings) -> _Field:
    """Raises `ConfigError`."""
    where = f"feed {feed}: field {settings.series}"
    try:
        at = jmespath.compile(settings.at_path) if settings.at_path else None
        value = jmespath.compile(settings.path)
    except JMESPathError as error:
        raise ConfigError(f"{where}: no JMESPath: {error}") from error
    if settings.at_format is TimeFormat.HOURS:
        raise ConfigError(f"{where}: at_format: hours have no date; write another format")
    return _Field(settings, value, at, units.conversion(settings, where=where))


def _find(parsed: ParsedResult, path: str, document: object) -> str:
    """A number or a text, as text. Raises `_UnusableError`."""
    try:
        found = parsed.search(document)
    except (JMESPathError, RecursionError) as error:
        raise _UnusableError(path, "does not fit the answer:", str(error)) from None
    match found:
        case None:
            raise _UnusableError(path, "is null or missing")
        case bool():
            raise _UnusableError(path, f"is {found}, no number".lower())
        case list():
            raise _UnusableError(path, f"is a list of {len(found)}, no single number")
        case dict():
            raise _UnusableError(path, "is an object, no number")
    return str(found)


def _number(field: _Field, document: object) -> float:
    found = _find(field.value, field.settings.path, document)
    try:
        return field.convert(units.number(found))
    except ValueError:
        raise _UnusableError(field.settings.path, "is no finite number but", found) from None


def _instant(field: _Field, document: object, now: float) -> float:
    """Instant that the field's number holds from. Raises `_UnusableError`."""
    if field.at is None:
        return now
    path = field.settings.at_path
    found = _find(field.at, path, document)
    try:
        at = units.instant(found, field.settings.at_format)
    except (ValueError, OverflowError):
        raise _UnusableError(path, "is no instant with a zone but", found) from None
    if at > now + AHEAD_MAX_S:
        raise _UnusableError(path, "lies in the future:", found)
    return at


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
