"""What a miner's command line must say so that it can be left to the agent.

Its API must be reached from this machine only, and whatever restarts or reboots must be off: the
agent alone decides what runs. Options in a file of the miner's own are not seen here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Form(Enum):
    """What stands after an option."""

    ADDRESS = auto()
    """Loopback and the port of `api_url`."""
    HOST = auto()
    """Loopback."""
    PORT = auto()
    """The port of `api_url`, with or without an address of loopback before it."""
    VALUE = auto()
    """One of some values."""
    NOTHING = auto()
    NEVER = auto()
    """The option must not be there."""


_WRITTEN = {Form.ADDRESS: "127.0.0.1:PORT", Form.HOST: "127.0.0.1", Form.PORT: "PORT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """An option that must stand on the command line, or must not."""

    names: tuple[str, ...]
    """The first is the one that people are told."""
    form: Form
    why: str
    """Completes "…: ", for the person who reads the error."""
    values: tuple[str, ...] = ()
    required: bool = True
    """If not, it may be missing: then the miner does the right thing by itself."""

    @property
    def shown(self) -> str:
        """As it must be written."""
        value = self.values[0] if self.values else _WRITTEN.get(self.form, "")
        return f"{self.names[0]} {value}".strip()


_REACHABLE = "anyone who reaches its API could steer the miner"
_PORT = "the agent asks its API at the port of `api_url`"
_RESTARTS = "the agent alone restarts it"


def address(name: str) -> Flag:
    """Host and port of the API in one option."""
    return Flag(names=(name,), form=Form.ADDRESS, why=_REACHABLE)


def host(name: str, *, required: bool = True) -> Flag:
    """The host that the API is bound to."""
    return Flag(names=(name,), form=Form.HOST, why=_REACHABLE, required=required)


def port(name: str, *, required: bool = True) -> Flag:
    """The port of the API, where the host has an option of its own or none."""
    return Flag(names=(name,), form=Form.PORT, why=_PORT, required=required)


def switch(name: str, why: str) -> Flag:
    """An option without a value that must be given."""
    return Flag(names=(name,), form=Form.NOTHING, why=why)


def no_watchdog(name: str) -> Flag:
    """The option that switches the miner's own watchdog off."""
    return switch(name, _RESTARTS)


def watchdog(*names: str, values: tuple[str, ...]) -> Flag:
    """The option that says what the miner's own watchdog does."""
    return Flag(names=names, form=Form.VALUE, values=values, why=_RESTARTS)


def value(name: str, *values: str, why: str) -> Flag:
    """An option that may be missing, but says nothing else."""
    return Flag(names=(name,), form=Form.VALUE, values=values, why=why, required=False)


def never(*names: str, why: str) -> Flag:
    """An option that must not be given."""
    return Flag(names=names, form=Form.NEVER, why=why)


def problems(command: Sequence[str], flags: Sequence[Flag], api_port: int) -> Iterator[str]:
    """What is wrong with a command line, each in one clause that names the option."""
    for flag in flags:
        problem = _problem(list(_given(command, flag)), flag, api_port)
        if problem:
            yield f"{problem}: {flag.why}"


def _problem(given: list[str], flag: Flag, api_port: int) -> str:
    shown = flag.shown.replace("PORT", str(api_port))
    if flag.form is Form.NEVER:
        return f"take `{shown}` off `command`" if given else ""
    if not given:
        return f"`command` lacks `{shown}`" if flag.required else ""
    wrong = next((value for value in given if not _fits(value, flag, api_port)), None)
    if wrong is None:
        return ""
    written = f"{flag.names[0]} {wrong}".strip()
    return f"`command` has `{written}`, write `{shown}`"


def _given(command: Sequence[str], flag: Flag) -> Iterator[str]:
    """The values of an option, each time that it is given; empty without one."""
    for index, argument in enumerate(command):
        name, equals, value = argument.partition("=")
        if name in flag.names:
            following = command[index + 1] if index + 1 < len(command) else ""
            yield value if equals else following


def _fits(value: str, flag: Flag, api_port: int) -> bool:
    match flag.form:
        case Form.ADDRESS:
            bound, _, number = value.rpartition(":")
            return number == str(api_port) and _is_loopback(bound)
        case Form.HOST:
            return _is_loopback(value)
        case Form.PORT:
            bound, colon, number = value.rpartition(":")
            return number == str(api_port) and (not colon or _is_loopback(bound))
        case Form.VALUE:
            return value in flag.values
    return True


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
