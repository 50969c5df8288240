"""Where an answer comes from, how it is written, and which numbers are taken from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from controller.feeds.settings.measures import Measure, TimeFormat


class DocumentFormat(StrEnum):
    """How a source writes its answers."""

    JSON = "json"
    """A JSON document."""
    CSV = "csv"
    """A first line of names, then rows: a list of objects by these names."""
    XML = "xml"
    """Elements as objects: children are lists by local name, text stands under `text`."""
    IEC62325 = "iec62325"
    """An electricity market's XML: a list of `{at, until, price, currency, per, sequence}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A header or query value: given here, or a secret from a file or the environment."""

    value: str | None = None
    """Plain text. No secret: it may be shown."""
    file: Path | None = None
    """File that holds the secret and nothing else; white space around it is dropped."""
    env: str | None = None
    """Environment variable that holds the secret."""
    prefix: str = ""
    """Put before it, e.g. `"Bearer "`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSettings(Measure):
    """One number in an answer, or the one of a list that holds now."""

    path: str
    """JMESPath to a number or a numeric string."""
    rows: str = ""
    """JMESPath to a list, such as the prices of a day; the other paths then begin at its rows."""
    at_path: str = ""
    """JMESPath to the instant that the number holds from; empty: the moment of the answer."""
    at_format: TimeFormat = TimeFormat.ISO8601
    """How instants are written; `hours` is for recordings only."""
    at_pattern: str = ""
    """Instead of `at_format`: a pattern as of `strptime`, e.g. `%d.%m.%Y %H:%M:%S`."""
    at_zone: str = "UTC"
    """IANA time zone of instants written by `at_pattern`."""
    at_shift_s: float = 0.0
    """Added to the instant, e.g. -3600 where the source writes the end of each hour."""
    until_path: str = ""
    """JMESPath to the instant that the number holds until."""
    holds_s: float | None = None
    """How long each row's number holds, where `until_path` does not say; none: until the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettings:
    """How answers of one source are read."""

    name: str
    """Source that its observations name."""
    fields: tuple[FieldSettings, ...]
    format: DocumentFormat = DocumentFormat.JSON
    """How answers are written."""
    delimiter: str = ","
    """CSV: what stands between cells."""
    decimal_comma: bool = False
    """Numbers are written `1,5`."""
    expect: dict[str, str] = field(default_factory=dict)
    """What must stand in the answer, by JMESPath, e.g. its unit; else nothing in it counts."""
    bytes_max: int = 1024 * 1024
    """A longer answer is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant of the request, put in place of `${its name}`."""

    format: str
    """As of `strftime`, e.g. `%Y-%m-%d`."""
    shift_h: float = 0.0
    """Hours from the moment of asking."""
    time_zone: str = "UTC"
    """IANA time zone that it is written in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSettings:
    """A token that is fetched first, with a form, and sent as `Authorization: Bearer`."""

    url: str
    """Where the form is posted; `https://…`, or loopback."""
    form: dict[str, Text] = field(default_factory=dict)
    """Its entries: names and passwords, and whatever else the provider wants."""
    token_path: str = "access_token"  # noqa: S105 - a path, no token
    """JMESPath to the token in the JSON answer."""
    lifetime_s: float = 3000.0
    """After this a new one is fetched; a little less than it is good for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFeedSettings(AnswerSettings):
    """Prices from an answer over HTTP."""

    url: str
    """`https://…`; `http://` only without secrets, or on loopback."""
    headers: dict[str, Text] = field(default_factory=dict)
    """Sent with the request, by name."""
    query: dict[str, Text] = field(default_factory=dict)
    """Added to the URL; the place for keys that the provider wants there."""
    body: str = ""
    """Sent with POST, e.g. a GraphQL query; empty: GET. No place for secrets."""
    moments: dict[str, Moment] = field(default_factory=dict)
    """Instants that URL, query and body name as `${name}`."""
    login: LoginSettings | None = None
    """None: keys in headers or query are all that the provider wants."""
    interval_s: float = 60.0
    """It is not asked more often, failed answers included: many providers count those too."""
    timeout_s: float = 10.0
    """For the whole answer, from connecting to its last byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFeedSettings(AnswerSettings):
    """Prices from a file that somebody replaces, such as an exchange's daily download."""

    path: Path
    """The file; read anew at every look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttFeedSettings(AnswerSettings):
    """Prices that somebody publishes on an MQTT topic."""

    url: str
    """`mqtts://host:port`, or `mqtt://` on loopback only."""
    topic: str
    """Topic to listen to; without wildcards."""
    username: str = ""
    """As the broker knows us; empty: nobody."""
    password_file: Path | None = None
    """File with the password; none: no password is sent."""
    ca_file: Path | None = None
    """PEM certificates to trust; none: the system's."""
    wait_s: float = 5.0
    """How long the first look waits for a first message."""
