"""Collects what may name a wallet or a pool: command lines, environments, and files they name.

It only reads. What it may not read (another user's environment) it leaves out, so a finding is a
fact and its absence is none. Called in a thread, for files may lie on slow disks.
"""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agent.core import options
from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers import proc

FILE_BYTES_MAX = 1024 * 1024
"""A longer file is no miner's configuration."""

_PATHS_MAX = 128
"""Tried of one command line."""

_SETTING = re.compile(
    r"^\s*(?:export\s+)?-{0,2}([A-Za-z][\w-]*)\s*[=:]\s*(\S.*?)\s*,?\s*$", re.MULTILINE
)
_COMMANDS = ("ExecStartPre", "ExecStart", "ExecStartPost")


def of_launched(
    workload: Workload, pids: Iterable[int], known: Options | None
) -> tuple[Evidence, ...]:
    """Of a command of the rig's own file and the processes it has become."""
    planned = of_command(
        workload.command, tuple(workload.environment.items()), known, where="`command`"
    )
    return (*planned, *(found for pid in pids for found in of_process(pid, known)))


def of_unit(
    unit: str, facts: Mapping[str, Any], commands: Mapping[int, str], known: Options | None
) -> tuple[Evidence, ...]:
    """Of a unit by systemd's properties of it, drop-ins included, and its processes.

    `commands` are their command lines by pid, as systemd tells them: the agent itself may not be
    allowed to see the processes of other users.
    """
    planned = _of_unit(unit, facts, known)
    told = (of_line(line, f"process {pid} of {unit}") for pid, line in commands.items())
    seen = (found for pid in commands for found in of_process(pid, known))
    return (*planned, *told, *seen)


def of_line(line: str, where: str) -> Evidence:
    """Of a command line in one text, quoted as for a shell or not at all."""
    try:
        arguments = shlex.split(line)
    except ValueError:
        arguments = line.split()
    return Evidence(where=f"the arguments of {where}", arguments=tuple(arguments))


def of_process(pid: int, known: Options | None) -> Iterator[Evidence]:
    """Of one process: what it was started with, and the files that this names."""
    arguments = proc.arguments(pid)
    variables = tuple(_variables(proc.environment(pid) or ()))
    program = Path(arguments[0]).name[:32] if arguments else "?"
    root = Path(f"/proc/{pid}/root")
    yield from of_command(
        arguments, variables, known, where=f"process {pid} ({program})", root=root, folders=_at(pid)
    )


def of_command(
    arguments: Sequence[str],
    variables: tuple[tuple[str, str], ...],
    known: Options | None,
    *,
    where: str,
    root: Path = Path("/"),
    folders: Sequence[Path] = (),
    unexpanded: bool = False,
) -> Iterator[Evidence]:
    """Of a command line and its environment.

    Args:
        arguments: Program and arguments.
        variables: Names and values.
        known: Options of a miner.
        where: What both are called in a finding.
        root: Where `/` is for it.
        folders: Where its relative paths may lead from.
        unexpanded: Whether `$NAME` in it stands for something else.
    """
    yield Evidence(
        where=f"the arguments of {where}", arguments=tuple(arguments), unexpanded=unexpanded
    )
    yield Evidence(where=f"the environment of {where}", variables=variables, unexpanded=unexpanded)
    for path in dict.fromkeys(_named(arguments, known, folders)):
        text = _text(root / path.relative_to("/"))
        if text is not None:
            yield of_text(text, known, where=f"{path}, which {where} names")


def of_text(text: str, known: Options | None, *, where: str) -> Evidence:
    """Of a file: JSON, settings line by line, or a script."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        document = None
    if isinstance(document, dict | list):
        return Evidence(where=where, fields=tuple(fields(document)))
    return Evidence(
        where=where,
        arguments=tuple(_words(text)) if known is not None else (),
        fields=tuple(_SETTING.findall(text)) if known is not None else (),
        texts=(text,),
        unexpanded=True,
    )


def fields(document: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON document under its nearest key."""
    if isinstance(document, str):
        yield key, document
    elif isinstance(document, dict):
        for name, value in document.items():
            yield from fields(value, str(name))
    elif isinstance(document, list):
        for value in document:
            yield from fields(value, key)


def _of_unit(unit: str, facts: Mapping[str, Any], known: Options | None) -> Iterator[Evidence]:
    variables = tuple(_variables(text.encode() for text in facts.get("Environment", ())))
    for name in _COMMANDS:
        for _, arguments, *_rest in facts.get(name, ()):
            where = f"{name}= of {unit}"
            yield from of_command(arguments, variables, known, where=where, unexpanded=True)
    for path, _optional in facts.get("EnvironmentFiles", ()):
        text = _text(Path(path))
        if text is not None:
            where = f"{path}, an EnvironmentFile= of {unit}"
            yield Evidence(where=where, variables=tuple(_SETTING.findall(text)), texts=(text,))


def _variables(strings: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for string in strings:
        name, _, value = string.decode(errors="replace").partition("=")
        yield name, value


def _at(pid: int) -> list[Path]:
    """Where a process works and where its program lies."""
    found = []
    for link in ("cwd", "exe"):
        try:
            path = Path(f"/proc/{pid}/{link}").readlink()
        except OSError:
            continue
        found.append(path if link == "cwd" else path.parent)
    return found


def _named(
    arguments: Sequence[str], known: Options | None, folders: Sequence[Path]
) -> Iterator[Path]:
    """Absolute paths that a command line may mean, most of them of no file."""
    words = [word for each in arguments for word in (each, each.partition("=")[2]) if word]
    if known is not None and not any(options.pools(arguments, known)):
        words += known.files
    candidates = (Path(word) for word in words if len(word) < 4096 and not word.startswith("-"))
    found = (
        path
        for each in candidates
        for path in ([each] if each.is_absolute() else [folder / each for folder in folders])
    )
    for path, _ in zip(found, range(_PATHS_MAX), strict=False):
        yield path


def _text(path: Path) -> str | None:
    """What stands in a file; ``None`` for anything but a readable text of reasonable size."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES_MAX:
            return None
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX)
    except (OSError, ValueError):
        return None
    return None if b"\0" in content else content.decode(errors="replace")


def _words(text: str) -> Iterator[str]:
    """As a shell would part them, without short options: `-p` in a script is any program's."""
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            words = line.split()
        yield from (word for word in words if word.startswith("--") or not word.startswith("-"))
