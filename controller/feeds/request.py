"""What an HTTP feed sends, and which parts of it nobody may ever read in an error or a log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, quote, quote_plus, urlsplit

from controller.feeds.settings import HttpFeedSettings, Text
from wire.configfile import ConfigError

SHOWN_CHARS_MAX = 80
"""Characters of a foreign text that an error repeats."""

HIDDEN_CHARS_MIN = 8
"""Values in the URL's own query are hidden from this length; shorter ones are words like `usd`."""

SECRET_BYTES_MAX = 8192
"""A longer secret is the wrong file."""

MASK = "***"

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_PRINTABLE = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that is sent to the provider."""

    url: str
    shown_url: str
    """The URL for people: without its query."""
    query: dict[str, str]
    headers: dict[str, str]
    hidden: tuple[str, ...]
    """Secrets in every spelling, longest first."""

    def quote(self, text: str) -> str:
        """A foreign text in quotes: without secrets, on one line, shortened."""
        # Masked before it is shortened, or the cut could leave half a secret standing.
        for secret in self.hidden:
            text = text.replace(secret, MASK)
        return quoted(text)

    def hiding(self, secrets: Iterable[str]) -> Request:
        """The same, with more that nobody may read."""
        return replace(self, hidden=_spellings([*self.hidden, *secrets]))


def quoted(text: str) -> str:
    """A foreign text in quotes: on one line, shortened."""
    text = "".join(char if char.isprintable() else " " for char in text)
    text = " ".join(text.split())
    short = text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "…"
    return f"'{short}'"


def build(settings: HttpFeedSettings, environment: Mapping[str, str]) -> Request:
    """Resolve secrets and check what is to be sent. Raises `ConfigError`, without secrets."""
    where = f"feed {settings.name}"
    texts = (*settings.query.values(), *settings.headers.values())
    values = {text: resolve(text, environment, where) for text in texts}
    secrets = [value for text, value in values.items() if text.value is None]
    url = checked(settings.url, where, secret=bool(secrets))
    if bad := [name for name in settings.headers if not _HEADER_NAME.fullmatch(name)]:
        raise ConfigError(f"{where}: headers: {bad[0]!r} is no header name")
    return Request(
        url=settings.url,
        shown_url=shown(settings.url, queried=bool(settings.query)),
        query={name: text.prefix + values[text] for name, text in settings.query.items()},
        headers={name: text.prefix + values[text] for name, text in settings.headers.items()},
        hidden=_spellings([*secrets, *_long_values(url)]),
    )


def shown(url: str, *, queried: bool = False) -> str:
    """A URL without what may be secret in it: user, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    origin = f"{parts.scheme}://{host}" if host else ""
    return f"{origin}{parts.path}{'?…' if parts.query or queried else ''}"


def checked(url: str, where: str, *, secret: bool) -> SplitResult:
    """The parts of a URL that may be asked, with a secret or without. Raises `ConfigError`."""
    problem = ConfigError(f"{where}: url: write https://host/path")
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise problem
    except ValueError:
        raise problem from None
    if "@" in parts.netloc:
        raise ConfigError(f"{where}: url: put user and password into `headers`, from a file")
    if secret and parts.scheme == "http" and not _loopback(parts):
        raise ConfigError(f"{where}: url: a secret needs https://, or a server on loopback")
    return parts


def resolve(text: Text, environment: Mapping[str, str], where: str) -> str:
    """The value itself, without its prefix. Raises `ConfigError`."""
    sources = [source for source in (text.value, text.file, text.env) if source is not None]
    if len(sources) != 1:
        raise ConfigError(f"{where}: headers, query, form: write one of `value`, `file` and `env`")
    if text.value is not None:
        value, source = text.value, "value"
    elif text.env is not None:
        value, source = environment.get(text.env, ""), f"environment variable {text.env}"
    else:
        assert text.file is not None
        source = str(text.file)
        try:
            value = text.file.read_bytes()[: SECRET_BYTES_MAX + 1].decode("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{where}: {source} cannot be read as a secret") from error
    value = value.strip()
    if not _PRINTABLE.fullmatch(value) or len(value) > SECRET_BYTES_MAX:
        raise ConfigError(f"{where}: {source} is empty, too long, or no line of plain text")
    return value


def _loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _long_values(url: SplitResult) -> Iterable[str]:
    pairs = parse_qsl(url.query, keep_blank_values=True)
    return (value for _, value in pairs if len(value) >= HIDDEN_CHARS_MIN)


def _spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    spelt = {form for text in secrets for form in (text, quote(text, safe=""), quote_plus(text))}
    return tuple(sorted(spelt, key=lambda form: (-len(form), form)))
