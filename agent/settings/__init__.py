"""The rig's own configuration file, read once, validated once, frozen. Unknown keys are errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent.settings.checks import problems
from agent.settings.gpu import (
    CheckerSettings,
    GpuSettings,
    LadderSettings,
    SafetySettings,
    Tuning,
)
from agent.settings.link import LinkSettings, MqttSettings, ZeroMqSettings
from agent.settings.profile_checks import profile_problems
from agent.settings.rig import EngineSettings, GroupSettings, MetricsSettings, Settings
from wire import configfile
from wire.configfile import ConfigError

__all__ = [
    "CheckerSettings",
    "ConfigError",
    "EngineSettings",
    "GpuSettings",
    "GroupSettings",
    "LadderSettings",
    "LinkSettings",
    "MetricsSettings",
    "MqttSettings",
    "SafetySettings",
    "Settings",
    "Tuning",
    "ZeroMqSettings",
    "load",
    "require",
]


def load(path: Path) -> Settings:
    """Read, validate and cross-check a rig's file. Raises `ConfigError`."""
    settings = _with_groups(configfile.load(path, Settings))
    try:
        require(settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return settings


def require(settings: Settings) -> None:
    """Cross-check what was read. Raises `ConfigError`."""
    problem = next(problems(settings), None) or next(profile_problems(settings), None)
    if problem is not None:
        raise ConfigError(problem)


def _with_groups(settings: Settings) -> Settings:
    """Tell each workload the group and GPUs it stands under, and what the rig pins."""
    groups = tuple(
        replace(
            group,
            workloads=tuple(
                replace(w, group=group.name, gpus=group.gpus, pins=w.pins.over(settings.pins))
                for w in group.workloads
            ),
        )
        for group in settings.groups
    )
    return replace(settings, groups=groups)
