"""Every setting is described in docs/configuration.md, as its dataclass has it, and nothing else.

The tables there are made from the dataclasses; `python -m tests.docs.test_configuration` writes
them anew.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from agent import settings as agent
from agent.core.model import Offline
from agent.settings import profiles
from controller import settings as controller
from controller.replay import farm
from controller.replay import settings as replay
from tests.docs.repository import ROOT

DOCUMENT = ROOT / "docs" / "configuration.md"
FILES = {
    "agent.yaml": agent.Settings,
    "profiles.yaml": profiles.Profiles,
    "controller.yaml": controller.Settings,
    "scenario.yaml": replay.Scenario,
    "farm.yaml": farm.Farm,
}
LOADERS: dict[str, Callable[[Path], object]] = {
    "agent.yaml": agent.load,
    "profiles.yaml": profiles.load,
    "controller.yaml": controller.load,
    "scenario.yaml": replay.load,
    "farm.yaml": farm.load,
}
EXAMPLES = ("operations.md", "gpu-profiles.md", "replay.md")

UNITS = {
    "_usd_per_kwh": "US dollars per kWh",
    "_usd_per_gpu_h": "US dollars per GPU-hour",
    "_usd_per_day": "US dollars per day",
    "_usd_per_h": "US dollars per hour",
    "_usd": "US dollars",
    "_per_eur": "US dollars per euro",
    "_hps": "hashes per second",
    "_bytes": "bytes",
    "bytes_max": "bytes",
    "_ratio": "ratio",
    "_mhz": "MHz",
    "_percent": "%",
    "_days": "days",
    "_days_min": "days",
    "_s": "seconds",
    "_w": "watts",
    "_c": "°C",
}
"""What the end of a name says, longer ends first."""

PLAIN = {
    str: "text",
    float: "number",
    int: "whole number",
    bool: "`true` or `false`",
    Path: "path",
    datetime: "date and time with its zone",
    date: "date",
}

EXAMPLE = re.compile(r"```yaml\n(# (\S+)\n.*?)```", re.DOTALL)


def test_the_tables_are_those_of_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == written(text), "run `python -m tests.docs.test_configuration`"


@pytest.mark.parametrize("name", FILES)
def test_every_setting_says_what_it_means(name: str) -> None:
    silent = [
        f"{kind.__name__}.{field.name}"
        for kind in kinds(FILES[name])
        for field in dataclasses.fields(kind)
        if not meaning(kind, field.name)
    ]
    assert silent == []


def test_the_examples_can_be_used(tmp_path: Path) -> None:
    texts = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in EXAMPLES]
    examples = EXAMPLE.findall("\n".join(texts))
    assert {name for _, name in examples} == set(FILES)
    for text, name in examples:
        (tmp_path / name).write_text(text, encoding="utf-8")
        LOADERS[name](tmp_path / name)


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (float | None, "number"),
        (tuple[str, ...], "list of text"),
        (dict[str, float | bool | str], "mapping to number, `true` or `false`, or text"),
        (Offline, "`keep`, `idle`, `safe`"),
        (agent.LinkSettings, "[LinkSettings](#agent-linksettings)"),
    ],
)
def test_types_in_words(hint: Any, said: str) -> None:
    assert words(hint, "agent") == said


def written(text: str) -> str:
    """The document with its tables made anew."""
    for name, root in FILES.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}{''.join(tables(root, Path(name).stem))}{end}{tail}"
    return text


def tables(root: type[Any], side: str) -> Iterator[str]:
    """A section for each dataclass of a file, the whole file first."""
    for kind, place in kinds(root).items():
        where = f" Stands under `{place}`." if place else ""
        yield f"\n### {side}: {kind.__name__}\n\n{_sentence(kind)}{where}\n\n"
        yield "| Key | Type | Unit | Default | Meaning |\n|---|---|---|---|---|\n"
        hints = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            said = words(hints[field.name], side), unit(field.name), default(field)
            yield f"| `{field.name}` | {' | '.join(said)} | {meaning(kind, field.name)} |\n"
    yield "\n"


def kinds(hint: Any, place: str = "") -> dict[type[Any], str]:
    """Dataclasses that a type holds, each with its first place, before those that it holds."""
    if not (dataclasses.is_dataclass(hint) and isinstance(hint, type)):
        mark = {tuple: "[]", dict: ".*"}.get(get_origin(hint), "")
        inner = [kinds(each, place + mark) for each in get_args(hint)]
    else:
        hints = get_type_hints(hint).items()
        inner = [kinds(each, f"{place}.{name}".lstrip(".")) for name, each in hints]
        inner.insert(0, {hint: place})
    found: dict[type[Any], str] = {}
    for each in inner:
        found |= {kind: where for kind, where in each.items() if kind not in found}
    return found


def words(hint: Any, side: str) -> str:
    """A type for people."""
    if hint in PLAIN:
        return PLAIN[hint]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return f"[{hint.__name__}](#{side}-{hint.__name__.lower()})"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{member.value}`" for member in hint)
    arguments = [each for each in get_args(hint) if each not in (..., type(None))]
    if get_origin(hint) is tuple:
        return f"list of {words(arguments[0], side)}"
    if get_origin(hint) is dict:
        return f"mapping to {words(arguments[1], side)}"
    *most, last = (words(each, side) for each in arguments)
    return f"{', '.join(most)}, or {last}" if most else last


def unit(name: str) -> str:
    """The unit that a name ends with."""
    return next((text for end, text in UNITS.items() if name.endswith(end)), "")


def default(field: dataclasses.Field[Any]) -> str:
    """What holds when the key is left out."""
    value = _usual(field)
    if value is dataclasses.MISSING:
        return "**required**"
    return {"None": "none", "": "empty"}.get(str(value)) or f"`{_yaml(value)}`"


def meaning(kind: type[Any], name: str) -> str:
    """The field's docstring; without one, that of the dataclass that it holds."""
    texts = [text for each in kind.__mro__ if (text := _docstrings(each).get(name))]
    inner = list(kinds(get_type_hints(kind)[name]))
    said = texts[0] if texts else _sentence(inner[0]) if inner else ""
    return " ".join(said.split()).replace("|", "\\|")


def _docstrings(kind: type[Any]) -> dict[str, str]:
    """By field: the text under it."""
    if not dataclasses.is_dataclass(kind):
        return {}
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        line.target.id: str(text.value.value)
        for line, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def _sentence(kind: type[Any]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split())


def _usual(field: dataclasses.Field[Any]) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def _yaml(value: Any) -> str:
    """A default as one would write it; of a section only what differs from its own defaults."""
    if dataclasses.is_dataclass(value):
        pairs = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        told = [f"{field.name}: {_yaml(v)}" for field, v in pairs if v != _usual(field)]
        return f"{{{', '.join(told)}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
