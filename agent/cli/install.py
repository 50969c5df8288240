"""`rigshift-agent install` and `uninstall`: shows every step, and does it unless told not to."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from agent import settings
from agent.install import look, plan, removal, workloads
from agent.install.carry_out import StepError, carry_out
from agent.install.facts import CONFIG, Facts
from agent.install.steps import Step, changes, line
from agent.settings import Settings
from wire.configfile import ConfigError

OK, FAILED = 0, 1

AFTER_FAILURE = (
    "what was done stays done; mend the cause, which `rigshift-agent doctor` may know, "
    "and run this again"
)


def install(options: Namespace) -> int:
    """Put the agent onto this machine. Raises `ConfigError`."""
    facts = _facts(options, options.enrolment)
    _require(plan.hindrance(facts))
    return _do(plan.plan(facts), facts, dry_run=options.dry_run)


def uninstall(options: Namespace) -> int:
    """Take the agent off this machine. Raises `ConfigError`."""
    facts = _facts(options, None)
    rig = None if facts.root else _rig()
    if rig is None:
        told = {"purge": options.purge, "stop_workloads": False}
        return _remove(facts, lambda _: None, dry_run=options.dry_run, **told)
    told = {"purge": options.purge, "stop_workloads": options.stop_workloads}
    facts = replace(facts, workloads=workloads.alive(rig))
    return _remove(facts, partial(workloads.stop, rig), dry_run=options.dry_run, **told)


def _remove(facts: Facts, stop: Callable[[str], None], *, dry_run: bool, **told: bool) -> int:
    _require(removal.hindrance(facts, **told))
    return _do(removal.plan(facts, **told), facts, dry_run=dry_run, stop=stop)


def _facts(options: Namespace, enrolment: Path | None) -> Facts:
    root = "" if options.root is None else str(options.root.absolute()).rstrip("/")
    _require(plan.refusal(root, is_root=os.geteuid() == 0, systemd=look.has_systemd()))
    return look.look(root, enrolment)


def _require(problem: str) -> None:
    if problem:
        raise ConfigError(problem)


def _rig() -> Settings | None:
    """What may run here; none where no file says so."""
    try:
        return settings.load(Path(CONFIG))
    except ConfigError:
        return None


def _do(
    steps: tuple[Step, ...],
    facts: Facts,
    *,
    dry_run: bool,
    stop: Callable[[str], None] = lambda _: None,
) -> int:
    for step in steps:
        print(line(step), flush=True)
        if not dry_run:
            try:
                carry_out(step, facts.root, stop)
            except StepError as error:
                print(f"rigshift-agent: {error}\n{AFTER_FAILURE}", file=sys.stderr)
                return FAILED
    count = changes(steps)
    done = "dry run, nothing was done" if dry_run else "done"
    print(f"{done}: {count} change{'s' if count > 1 else ''}" if count else "nothing to change")
    return OK
