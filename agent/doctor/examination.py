"""The whole examination of a rig: every look, causes before what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent import service, settings
from agent.doctor import clock, disk, driver, link, ports, rights, units, workloads
from agent.doctor.finding import Finding, Machine, Result, Unseen
from agent.settings import Settings
from wire.configfile import ConfigError
from wire.signing import KeyFormatError


@dataclass(frozen=True, slots=True)
class Examination:
    """What came of it."""

    usable: bool
    """Whether the rig's file could be used; without it only the machine was looked at."""
    findings: tuple[Finding, ...]
    unseen: tuple[Unseen, ...]


async def examine(config: Path, machine: Machine, now: clock.Reading) -> Examination:
    """Look at everything once; may take minutes when things hang."""
    results: list[Result] = []
    rig = _load(config, results)
    results += driver.check(rig, machine)
    results += clock.check(now, (config, clock.program()))
    results += [result async for result in units.service(rig)]
    if rig is not None:
        results += rights.check(rig, config, machine)
        results += disk.check(rig.state_dir)
        results += ports.metrics(rig, machine)
        results += units.rights(rig, machine)
        running = bool(ports.agents(rig, machine))
        results += [result async for result in workloads.check(rig)]
        results += [result async for result in link.check(rig, running=running)]
    return Examination(
        rig is not None,
        tuple(result for result in results if isinstance(result, Finding)),
        tuple(result for result in results if isinstance(result, Unseen)),
    )


def _load(config: Path, results: list[Result]) -> Settings | None:
    try:
        rig = settings.load(config)
        service.check(rig)
    except (ConfigError, KeyFormatError) as error:
        wrong = str(error).removeprefix(f"{config}: ")
        mend = "mend it, then `rigshift-agent check-config`"
        results.append(Finding("config-unusable", str(config), wrong, mend))
        return None
    return rig
