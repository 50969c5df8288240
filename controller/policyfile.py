"""A policy as text: read, checked against the farm that it is for, every fault with its line.

What comes out can be acted on; what cannot is refused whole, so that a broken text never takes the
place of a good one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from controller.conditions import FLEET, Condition, ConditionError
from controller.core.farm import FarmSettings
from controller.core.fault import Fault
from controller.core.policy import diff as policy_diff
from controller.core.policy import faults as policy_faults
from controller.core.policy.settings import PolicySettings
from wire import configfile
from wire.configfile import ConfigError

CHARS_MAX = 48 * 1024
"""A longer policy would not pass the API; it is the text of hundreds of contracts."""

FAULTS_MAX = 10
"""Faults that are told at once."""


Where: TypeAlias = tuple[str | int, ...]
"""Keys and places in lists from the root of a policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy that can be acted on."""

    text: str
    digest: str
    """SHA-256 of the text, hexadecimal."""
    settings: PolicySettings
    conditions: Mapping[str, Condition]
    """By rule."""


def read(text: str, name: str, farm: FarmSettings, series: Collection[str]) -> Policy:
    """A policy out of a file's text; errors call it `name`.

    Raises:
        ConfigError: It cannot be used; names lines and keys, up to `FAULTS_MAX` faults.
    """
    if len(text) > CHARS_MAX:
        raise ConfigError(f"{name}: longer than {CHARS_MAX} characters; is it the right file?")
    settings = configfile.parse(text, PolicySettings, name=name)
    return checked(text, settings, farm, series, lambda where: _place(text, name, where))


def inline(
    settings: PolicySettings,
    farm: FarmSettings,
    series: Collection[str],
    document: str = "",
    name: str = "",
) -> Policy:
    """A policy that stands under `policy` in the controller's own file.

    Raises:
        ConfigError: It cannot be used; names keys, and lines where `document` is given.
    """

    def place(where: Where) -> str:
        whole = ("policy", *where)
        return _place(document, name, whole) if document else _dotted(whole)

    return checked(written(settings), settings, farm, series, place)


def checked(
    text: str,
    settings: PolicySettings,
    farm: FarmSettings,
    series: Collection[str],
    place: Callable[[Where], str],
) -> Policy:
    """These settings with their conditions compiled. Raises `ConfigError`."""
    conditions: dict[str, Condition] = {}
    found = [*policy_faults.faults(settings), *_places(settings, farm)]
    for index, rule in enumerate(settings.rules):
        try:
            conditions[rule.name] = Condition(rule.when)
        except ConditionError as error:
            found.append(Fault(("rules", index, "when"), f"the condition {error}"))
        else:
            found += _unknown(index, conditions[rule.name], farm, series)
    if found:
        told = [f"{place(fault.where)}: {fault.text}" for fault in found[:FAULTS_MAX]]
        raise ConfigError("\n".join(told))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Policy(text=text, digest=digest, settings=settings, conditions=conditions)


def written(settings: PolicySettings) -> str:
    """The text of a policy that has none: what is no default, as JSON, which is YAML."""
    return json.dumps(_plain(settings), indent=2) + "\n"


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: _plain(getattr(value, one.name))
            for one in dataclasses.fields(value)
            if getattr(value, one.name) != policy_diff.default(one)
        }
    match value:
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case tuple():
            return [_plain(each) for each in value]
        case datetime():
            return value.isoformat()
    return value


def _places(settings: PolicySettings, farm: FarmSettings) -> Iterator[Fault]:
    sites = {site.name for site in farm.sites}
    for key in ("contracts", "maintenance"):
        for index, one in enumerate(getattr(settings, key)):
            for name in one.sites:
                if name not in sites:
                    known = ", ".join(sorted(sites))
                    yield Fault((key, index, "sites"), f"no site {name!r}; there are {known}")


def _unknown(
    index: int, condition: Condition, farm: FarmSettings, series: Collection[str]
) -> Iterator[Fault]:
    sites = [site.name for site in farm.sites]
    for variable, known in (
        ("quote", series),
        ("hour", sites),
        ("weekday", sites),
        ("fleet", FLEET),
    ):
        for name in sorted(condition.names.get(variable, set()) - set(known)):
            text = f"the condition asks for {variable}.{name}; there are {', '.join(sorted(known))}"
            yield Fault(("rules", index, "when"), text)


def _place(text: str, name: str, where: Where) -> str:
    return f"{name}:{configfile.line_of(text, where)}: {_dotted(where)}"


def _dotted(where: Where) -> str:
    return ".".join(str(step) for step in where)
