"""A token that a provider wants to be fetched first: the form for it, and how long it holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlencode

from controller.feeds import fields, request
from controller.feeds.settings import HttpFeedSettings, LoginSettings
from controller.ports import FeedError
from wire.configfile import ConfigError

TOKEN_CHARS_MAX = 16_384
"""A longer one is no token."""


class Login:
    """The token of one feed."""

    def __init__(
        self,
        url: str,
        form: Mapping[str, str],
        token: fields.Path,
        lifetime_s: float,
        secrets: Iterable[str],
    ) -> None:
        """`form` is posted to `url`, `token` is where the answer holds the token."""
        self.url = url
        self.form = urlencode(form).encode()
        self._path = token
        self._lifetime_s = lifetime_s
        self._kept = list(secrets)
        self._token = ""
        self._until = 0.0

    @property
    def headers(self) -> dict[str, str]:
        """What is sent with every question."""
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    @property
    def secrets(self) -> list[str]:
        """What nobody may read."""
        return [*self._kept, *([self._token] if self._token else [])]

    def holds(self, now: float) -> bool:
        """Whether nothing need be fetched."""
        # A clock that was set back says nothing about how old a token is.
        left_s = self._until - now
        return not self.url or (bool(self._token) and 0 < left_s <= self._lifetime_s)

    def take(self, body: bytes, now: float, quote: Callable[[str], str]) -> None:
        """Keep the token of an answer; `quote` makes foreign texts fit to be shown.

        Raises:
            FeedError: There is none in it.
        """
        self.forget()
        shown = request.shown(self.url)
        try:
            token = fields.find(self._path, json.loads(body))
        except (ValueError, RecursionError):
            raise FeedError(f"{shown} answered no JSON to the login") from None
        except fields.UnusableError as error:
            raise FeedError(f"{shown} gave no token: {error.told(quote)}") from None
        if not (token.isascii() and token.isprintable() and len(token) <= TOKEN_CHARS_MAX):
            raise FeedError(f"{shown} gave no token, but something else in its place")
        self._token, self._until = token, now + self._lifetime_s

    def forget(self) -> None:
        """It was refused; fetch another before the next question."""
        self._token = ""


def login(settings: HttpFeedSettings, environment: Mapping[str, str]) -> Login:
    """The login that a feed wants; without one, a login that always holds. Raises `ConfigError`."""
    where = f"feed {settings.name}: login"
    wanted = settings.login or LoginSettings(url="")
    if settings.login is not None:
        request.checked(wanted.url, where, secret=True)
        if any(name.lower() == "authorization" for name in settings.headers):
            raise ConfigError(f"{where}: it sends `Authorization`; leave that header out")
    values = {name: request.resolve(text, environment, where) for name, text in wanted.form.items()}
    form = {name: wanted.form[name].prefix + value for name, value in values.items()}
    secrets = [value for name, value in values.items() if wanted.form[name].value is None]
    return Login(
        wanted.url, form, fields.compiled(wanted.token_path, where), wanted.lifetime_s, secrets
    )
