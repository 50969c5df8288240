"""What differs between two policies, in words: by name, so that moving lines changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from controller.core import reasons
from controller.core.policy.settings import PolicySettings

_UNITS = (
    ("_usd_per_gpu_h", "${:.4g}/GPU-h"),
    ("_usd_per_h", "${:.4g}/h"),
    ("_usd_per_day", "${:.4g}/day"),
    ("_usd", "${:.4g}"),
    ("_ratio", "{:.4g}"),
    ("_days", "{:.4g} days"),
    ("_days_min", "{:.4g} days"),
)
"""How numbers are written, by what their names end with."""

_TITLES = {
    "contracts": "contract",
    "desks": "desk",
    "rules": "rule",
    "maintenance": "maintenance",
}


def changes(old: PolicySettings, new: PolicySettings) -> tuple[str, ...]:
    """One line for each difference, in the order of the settings; empty: they mean the same."""
    return tuple(_of_fields("", old, new))


def _of_fields(place: str, old: object, new: object) -> Iterator[str]:
    assert is_dataclass(old)
    for one in fields(old):
        before, after = getattr(old, one.name), getattr(new, one.name)
        if before != after:
            yield from _of_values(place, one.name, before, after)


def _of_values(place: str, name: str, before: object, after: object) -> Iterator[str]:
    if name in _TITLES and isinstance(before, tuple) and isinstance(after, tuple):
        yield from _of_lists(_TITLES[name], before, after)
    elif is_dataclass(before) and is_dataclass(after):
        yield from _of_fields(f"{place}{_label(name)}: ", before, after)
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in (*before, *(key for key in after if key not in before)):
            if before.get(key) != after.get(key):
                was, now = said(name, before.get(key)), said(name, after.get(key))
                yield f"{place}{_label(name)} of {key}: {was} → {now}"
    else:
        yield f"{place}{_label(name)}: {said(name, before)} → {said(name, after)}"


def _of_lists(title: str, before: tuple[object, ...], after: tuple[object, ...]) -> Iterator[str]:
    was, now = ({_name(one): one for one in each} for each in (before, after))
    for name, one in was.items():
        if name not in now:
            yield f"{title} {name} is gone (was {_summary(one)})"
        elif one != now[name]:
            yield from _of_fields(f"{title} {name}: ", one, now[name])
    for name, one in now.items():
        if name not in was:
            yield f"{title} {name} is new: {_summary(one)}"
    if title == "rule" and list(was) != list(now) and set(was) == set(now):
        yield f"rules stand in another order: {', '.join(now)}; the later has the last word"


def _name(one: object) -> str:
    return str(getattr(one, "name", one))


def _summary(one: object) -> str:
    """What is set in it and no default, without its name."""
    assert is_dataclass(one)
    return ", ".join(
        f"{_label(each.name)} {said(each.name, value)}"
        for each in fields(one)
        if each.name != "name" and (value := getattr(one, each.name)) != default(each)
    )


def default(one: Field[Any]) -> object:
    """What a field is when nobody sets it; `MISSING` where somebody must."""
    return one.default if one.default_factory is MISSING else one.default_factory()


def _label(name: str) -> str:
    """A setting's name for people: its unit stands with its value."""
    for ending in ("_s", *(ending for ending, _ in _UNITS)):
        name = name.removesuffix(ending)
    return name.replace("_", " ")


def said(name: str, value: object) -> str:
    """A value as people write it."""
    match value:
        case None | "" | ():
            return "none"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        case tuple():
            return ", ".join(str(each) for each in value)
        case bool() | str():
            return str(value)
        case int() | float():
            return _number(name, value)
        case _ if is_dataclass(value):
            return f"({_summary(value)})"
        case Mapping():
            return ", ".join(f"{key} {said(name, each)}" for key, each in value.items())
    return str(value)


def _number(name: str, value: float) -> str:
    if name.endswith("_s"):
        return reasons.span(value)
    for ending, form in _UNITS:
        if name.endswith(ending):
            return form.format(value)
    return f"{value:g}"
