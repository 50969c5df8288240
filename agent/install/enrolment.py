"""Reads what `rigshift-controller enroll` wrote, and compares it with what is installed."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from agent import service, settings
from agent.install.facts import CONFIG, CONFIG_DIR, PROFILES, Rig
from agent.settings import Settings, Tuning
from wire import configfile
from wire.configfile import ConfigError
from wire.signing import KeyFormatError

NAME = "agent.yaml"


def folder(path: Path) -> Path:
    """The enrolment's folder, whether it or the rig's file in it was named."""
    return path if path.is_dir() else path.parent


def read(path: Path) -> dict[str, bytes]:
    """The rig's file and the files that its link needs, by name.

    Raises:
        ConfigError: It is no enrolment, or a file of it cannot be read.
    """
    if not path.exists():
        raise ConfigError(
            f"{path}: no such file or folder; name what `rigshift-controller enroll` wrote"
        )
    home = folder(path).absolute()
    described = configfile.load(home / NAME if path.is_dir() else path, Settings)
    link = described.link.zeromq or described.link.mqtt
    values = [getattr(link, field.name) for field in fields(link)] if link else []
    # What the farm keeps elsewhere on the rig is not the enrolment's to install.
    beside = [value for value in values if isinstance(value, Path) and value.parent == home]
    beside += [home / PROFILES] if (home / PROFILES).exists() else []
    try:
        rig_file = {NAME: (home / NAME if path.is_dir() else path).read_bytes()}
        return rig_file | {file.name: file.read_bytes() for file in beside}
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be read: {error.strerror}") from error


def rig(root: str, enrolment: dict[str, bytes], home: Path | None) -> Rig:
    """What the installed rig's file says, or the enrolment's where none is installed yet.

    Args:
        root: Folder that holds another machine's tree; empty: this machine.
        enrolment: The enrolment's files, by name.
        home: The enrolment's folder.
    """
    folders = (Path(f"{root}{CONFIG_DIR}"), *([home] if home else []))
    known = next((f / PROFILES for f in folders if (f / PROFILES).exists()), None)
    installed = Path(f"{root}{CONFIG}")
    enrolled = enrolment.get(NAME, b"").decode(errors="replace")
    if not installed.exists():
        return _rig(enrolled, NAME, known)
    text = installed.read_text(encoding="utf-8", errors="replace")
    return replace(_rig(text, CONFIG, known), edited=_edited(text, enrolled))


def _rig(text: str, name: str, profiles: Path | None) -> Rig:
    try:
        described = configfile.parse(text, Settings, name=name)
    except ConfigError as error:
        return Rig(units=None, unusable=str(error))
    units = tuple(w.unit for group in described.groups for w in group.workloads if w.unit)
    if profiles is not None:
        # It may not stand yet where the agent will find it.
        described = replace(described, gpu=replace(described.gpu, profiles_file=profiles))
    helped = described.gpu.tuner is Tuning.HELPER
    return Rig(units=units, helped=helped, unusable=_unusable(described))


def _unusable(described: Settings) -> str:
    try:
        settings.require(described)
        service.check(described)
    except (ConfigError, KeyFormatError) as error:
        return str(error)
    return ""


def _edited(installed: str, enrolled: str) -> tuple[str, ...]:
    """Settings in which two rig's files differ; none if one of them cannot be read."""
    try:
        one = configfile.parse(installed, Settings, name=CONFIG)
        other = configfile.parse(enrolled, Settings, name=NAME)
    except ConfigError:
        return ()
    names = [field.name for field in fields(Settings)]
    return tuple(name for name in names if getattr(one, name) != getattr(other, name))
