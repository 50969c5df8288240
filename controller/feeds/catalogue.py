"""Providers as data: where each is asked, what for, and what its numbers mean.

The files under `providers` and an operator's own read alike; nothing here knows a provider by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from controller.feeds.settings import DocumentFormat, FieldSettings, Moment
from wire import configfile
from wire.configfile import ConfigError

SHIPPED = Path(__file__).parent / "providers"

PATTERN = r"[A-Za-z0-9][A-Za-z0-9 ._/:+-]{0,99}"
"""What a parameter may be made of, unless its provider says otherwise: no quote, no control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Something that a provider must be told, put in place of `${its name}`."""

    about: str
    """What it is, and where one finds it."""
    example: str = ""
    """A value that fits."""
    default: str | None = None
    """Value when it is left out; none: it must be given."""
    optional: bool = False
    """Whether headers and query items that name it are left out without it."""
    secret: bool = False
    """Whether it must come from a file or the environment."""
    choices: dict[str, str] = field(default_factory=dict)
    """By what one writes: what is sent; empty: as written."""
    pattern: str = PATTERN
    """What it must look like, a regular expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value(FieldSettings):
    """One number that a provider has; its texts may name parameters."""

    series: str = ""
    about: str
    """What the number is."""
    stale_after_s: float
    """How old it may become before nobody should act on it."""
    cautious: str = "low"
    """Which way it errs safely, as for `quotes`."""
    parameters: dict[str, str] = field(default_factory=dict)
    """Parameters that this value settles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginForm:
    """A token that is fetched first; its texts may name parameters."""

    url: str
    form: dict[str, str]
    token_path: str
    lifetime_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider; its texts may name parameters and moments as `${name}`."""

    about: str
    """Who it is and what it has."""
    documentation: str
    """Where its interface is described."""
    limit: str
    """How often it may be asked, in its own words."""
    interval_s: float
    """Pause between two questions that keeps within the limit."""
    interval_min_s: float | None = None
    """Shortest pause that an operator may choose, e.g. with a paid plan; none: `interval_s`."""
    url: str
    parameters: dict[str, Parameter] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    login: LoginForm | None = None
    moments: dict[str, Moment] = field(default_factory=dict)
    format: DocumentFormat = DocumentFormat.JSON
    delimiter: str = ","
    decimal_comma: bool = False
    expect: dict[str, str] = field(default_factory=dict)
    bytes_max: int = 1024 * 1024
    timeout_s: float = 10.0
    values: dict[str, Value]
    """What it has, by name; the first is meant when none is named."""


Catalogue = dict[str, Provider]
"""Providers by name."""


def load(further: Iterable[Path] = ()) -> Catalogue:
    """The shipped providers and those of further files.

    Raises:
        ConfigError: A file cannot be used, or names a provider that is there already.
    """
    known: Catalogue = {}
    for path in [*sorted(SHIPPED.glob("*.yaml")), *further]:
        for name, provider in configfile.load(path, dict[str, Provider]).items():
            if name in known:
                raise ConfigError(f"{path}: provider {name!r} is there already; rename it")
            if not provider.values:
                raise ConfigError(f"{path}: provider {name!r} has no values; name at least one")
            known[name] = provider
    return known
