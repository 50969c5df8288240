"""Instants in a request: texts that name `${today}` are filled at the moment of asking."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from string import Template

from controller.feeds import fields
from controller.feeds.settings import Moment
from wire.configfile import ConfigError


class Moments:
    """The declared instants of one source's requests."""

    def __init__(self, settings: Mapping[str, Moment], where: str) -> None:
        """Raises `ConfigError` for an unknown time zone; `where` begins its text."""
        self._moments = settings
        self._zones = {name: fields.zone(each.time_zone, where) for name, each in settings.items()}
        self._where = where

    def filled(self, text: str, now: float) -> str:
        """`text` with every instant in place. Raises `ConfigError` if it names another."""
        if not self._moments:
            return text
        values = {name: self._written(name, now) for name in self._moments}
        try:
            return Template(text).substitute(values)
        except KeyError as error:
            known = ", ".join(self._moments)
            raise ConfigError(f"{self._where}: no moment {error}; there are {known}") from None
        except ValueError as error:
            raise ConfigError(f"{self._where}: `$` must begin a moment, `$$` is a `$`") from error

    def _written(self, name: str, now: float) -> str:
        moment = self._moments[name]
        instant = datetime.fromtimestamp(now, UTC) + timedelta(hours=moment.shift_h)
        return instant.astimezone(self._zones[name]).strftime(moment.format)
