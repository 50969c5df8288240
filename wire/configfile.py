"""YAML files into frozen, validated settings; every fault is named by file, line and key.

Unknown keys are errors: a misspelt setting must never be silently ignored.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
import yaml

T = TypeVar("T")

FILE_BYTES_MAX = 4 * 1024 * 1024
"""A larger configuration file is a mistake."""

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
ANY_KEY = "*"
"""Stands for a key that msgspec does not tell."""

_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<key>[^`]+)`")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads the words off, on, yes and no as truth values; as keys they are words."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping with such keys as they are written."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:bool":
                key.tag = "tag:yaml.org,2002:str"
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


class ConfigError(Exception):
    """A configuration that cannot be used; the text names file, line, key and what to do."""


def load(path: Path, kind: type[T]) -> T:
    """Read and validate one file.

    Args:
        path: YAML file; relative paths in it are relative to its own folder.
        kind: Frozen dataclass or msgspec struct that describes it.

    Raises:
        ConfigError: The file is missing, unreadable, no YAML, or does not fit `kind`.
    """
    return parse(read_text(path), kind, name=str(path), base=path.absolute().parent)


def parse(text: str, kind: type[T], *, name: str, base: Path | None = None) -> T:
    """Validate YAML `text`.

    Args:
        text: The document.
        kind: As for `load`.
        name: What errors call it.
        base: Folder that relative paths are relative to; none: they stay as they are.

    Raises:
        ConfigError: It is no YAML, or does not fit `kind`.
    """
    try:
        root, data = _documented(text, name)
    except (yaml.YAMLError, ValueError) as error:
        # A date such as 2026-02-30 gives a plain `ValueError`.
        raise ConfigError(f"{name}: not valid YAML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{name}: nested too deeply, or an anchor holds itself") from error
    try:
        settings = msgspec.convert(data, kind, dec_hook=partial(_decode, base or Path()))
    except msgspec.ValidationError as error:
        choices = _choices(kind, str(error))
        raise ConfigError(_explain(str(error), root, name) + choices) from error
    if unknown := next(_unknown_keys(data, settings, "$"), None):
        raise ConfigError(_explain(unknown, root, name))
    return settings


def place(path: Path, where: Sequence[str | int]) -> str:
    """`file:line` of a key that was read, or of the nearest one above it that stands there."""
    return f"{path}:{line_of(read_text(path), where)}"


def line_of(text: str, where: Sequence[str | int]) -> int:
    """Line of a key or an entry of a list in YAML that has been parsed before; the nearest known.

    Args:
        text: The document.
        where: Keys and places in lists that lead there from the root.
    """
    root, _ = _documented(text, "")
    return 1 if root is None else _line(root, list(where))


def _unknown_keys(data: object, settings: object, path: str) -> Iterator[str]:
    """What msgspec overlooks: it forbids unknown keys for its own structs, not for dataclasses."""
    if isinstance(data, dict) and dataclasses.is_dataclass(settings):
        known = {field.name for field in dataclasses.fields(settings)}
        for key, value in data.items():
            if key not in known:
                yield f"Object contains unknown field `{key}` - at `{path}`"
            else:
                yield from _unknown_keys(value, getattr(settings, key), f"{path}.{key}")
    elif isinstance(data, dict) and isinstance(settings, dict):
        for key, value in data.items():
            yield from _unknown_keys(value, settings.get(key), f"{path}.{key}")
    elif isinstance(data, list) and isinstance(settings, list | tuple):
        for index, (value, setting) in enumerate(zip(data, settings, strict=True)):
            yield from _unknown_keys(value, setting, f"{path}[{index}]")


def _decode(base: Path, kind: type, value: object) -> object:
    """Types that YAML has no word for."""
    if kind is not Path:
        raise NotImplementedError(f"settings cannot hold {kind.__name__}")
    if not isinstance(value, str):
        raise TypeError(f"Expected a path, got `{value!r}`")
    return base / value


def _documented(text: str, name: str) -> tuple[yaml.Node | None, object]:
    """The document as nodes, which know their lines, and as values; parsed once, for it is slow."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, None
        _refuse_duplicates(root, name)
        return root, loader.construct_document(root)
    finally:
        loader.dispose()


def read_text(path: Path) -> str:
    """A file as it stands. Raises `ConfigError`."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX} bytes; is it the right file?")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; name the right one with --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _refuse_duplicates(node: yaml.Node, name: str) -> None:
    """YAML keeps the last of two equal keys without a word; an operator means both."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, name)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                line = key.start_mark.line + 1
                raise ConfigError(f"{name}:{line}: key `{key.value}` stands twice; keep one")
            seen.add(str(key.value))
            _refuse_duplicates(value, name)


def _explain(text: str, root: yaml.Node | None, name: str) -> str:
    match = _PATH.match(text)
    assert match is not None
    what, path = match["what"], match["path"] or "$"
    unknown = _UNKNOWN_FIELD.search(what)
    steps = _steps(path) + ([unknown["key"]] if unknown else [])
    where = f"{name}:{_line(root, steps)}" if root is not None else name
    key = ".".join(str(step) for step in steps) or "the file"
    hint = "; remove it or mend its spelling" if unknown else ""
    return f"{where}: {key}: {what[0].lower()}{what[1:]}{hint}"


def _choices(kind: Any, text: str) -> str:
    """For a word that is none of a closed set: the set."""
    match = _PATH.match(text)
    if match is None or not text.startswith("Invalid enum value"):
        return ""
    for step in _steps(match["path"] or "$"):
        if step == ANY_KEY:
            kind = get_args(kind)[-1]
        elif isinstance(step, str):
            kind = get_type_hints(kind)[step]
        else:
            kind = get_args(kind)[0]
        if type(None) in get_args(kind):
            kind = get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"; write one of {', '.join(str(member.value) for member in kind)}"
    return ""


def _steps(path: str) -> list[str | int]:
    """Split msgspec's `$.groups[0].name` into its steps; it does not tell keys of a mapping."""
    steps: list[str | int] = []
    for name, index in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", path):
        steps.append(int(index) if index.isdigit() else name or ANY_KEY)
    return steps


def _line(root: yaml.Node, steps: list[str | int]) -> int:
    node: Any = root
    line = int(root.start_mark.line) + 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line
