"""`rigshift-agent`: run, check-config, status, telemetry, logs, doctor, install, uninstall.

Exit codes: 0 ok, 1 failed, 2 bad input.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agent import service, settings
from agent.journal import FileJournal
from agent.metrics import MetricsError
from agent.telemetry import sample_once
from wire import logs
from wire.configfile import ConfigError
from wire.model import OFF, GpuReading, Sample
from wire.signing import KeyFormatError
from wire.transport import LinkError

CONFIG = Path("/etc/rigshift/agent.yaml")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script."""
    options = _parser().parse_args(argv)
    logs.configure(json=options.log_json, level=options.log_level)
    try:
        return int(options.verb(options))
    except (ConfigError, KeyFormatError) as error:
        print(f"rigshift-agent: {error}", file=sys.stderr)
        return 2
    except (LinkError, MetricsError) as error:
        print(f"rigshift-agent: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rigshift-agent", description=__doc__)
    version = importlib.metadata.version("rigshift")
    parser.add_argument("--version", action="version", version=f"rigshift {version}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--log-json", action="store_true", help="log lines as JSON")
    common.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"]
    )
    config = argparse.ArgumentParser(add_help=False)
    config.add_argument("--config", type=Path, default=CONFIG, help=f"the rig's file ({CONFIG})")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    run = verbs.add_parser("run", parents=[common, config], help="run the agent")
    run.set_defaults(verb=_run)
    check = verbs.add_parser("check-config", parents=[common, config], help="check the file")
    check.set_defaults(verb=_check)
    status = verbs.add_parser("status", parents=[common, config], help="what the journals say")
    status.add_argument("--json", action="store_true")
    status.set_defaults(verb=_status)
    look = verbs.add_parser("telemetry", parents=[common], help="what the rig would report")
    look.add_argument("--config", type=Path, help="the rig's file; none: every GPU of the machine")
    look.add_argument("--once", action="store_true", required=True, help="look once")
    look.add_argument("--json", action="store_true")
    look.set_defaults(verb=_telemetry)
    log = verbs.add_parser("logs", parents=[common, config], help="what a workload wrote")
    log.add_argument("workload", nargs="?", metavar="GROUP/WORKLOAD", help="none: the agent itself")
    log.add_argument("--lines", type=int, default=50, help="the newest so many (50)")
    log.add_argument("--follow", action="store_true", help="go on with what is written next")
    log.set_defaults(verb=_logs)
    examine = verbs.add_parser("doctor", parents=[common, config], help="what is wrong here")
    examine.add_argument("--json", action="store_true")
    examine.set_defaults(verb=_doctor)
    _add_installation(verbs, common)
    return parser


def _add_installation(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--dry-run", action="store_true", help="show the steps, do nothing")
    place.add_argument("--root", type=Path, help="tree of another machine; this one: none")
    put = verbs.add_parser("install", parents=[common, place], help="make it a service here")
    put.add_argument(
        "--enrolment", type=Path, help="what `rigshift-controller enroll` wrote for this rig"
    )
    put.set_defaults(verb=_install)
    take = verbs.add_parser("uninstall", parents=[common, place], help="take the service off")
    take.add_argument("--purge", action="store_true", help="configuration and state, too")
    take.add_argument("--stop-workloads", action="store_true", help="end what runs, too")
    take.set_defaults(verb=_uninstall)


def _run(options: argparse.Namespace) -> int:
    asyncio.run(service.run(settings.load(options.config)))
    return 0


def _check(options: argparse.Namespace) -> int:
    config = settings.load(options.config)
    service.check(config)
    print(f"{options.config}: good. rig {config.rig}, state in {config.state_dir}")
    for group in config.groups:
        names = ", ".join(workload.name for workload in group.workloads) or "nothing"
        print(f"  {group.name}: {len(group.gpus)} GPUs; may run {names}; offline: {group.offline}")
    return 0


def _status(options: argparse.Namespace) -> int:
    """From the journals, so that it answers even when the agent does not."""
    config = settings.load(options.config)
    found = {}
    for group in config.groups:
        found[group.name] = FileJournal(service.journal_path(config, group.name)).load()
    if options.json:
        print(msgspec.json.encode(found).decode())
        return 0
    for name, state in found.items():
        if state is None:
            print(f"{name}: nothing has ever been assigned")
            continue
        running = state.active or OFF
        print(f"{name}: {state.phase}, {running}, generation {state.desired.generation}")
        print(f"  {state.reason}")
        if state.parked not in (None, state.active):
            print(f"  asleep on the same GPUs, to be woken: {state.parked}")
        if state.lock is not None:
            print(f"  locked, {state.lock.workload}: {state.lock.reason}")
        for rejection in state.rejected:
            print(f"  not again before a new assignment: {rejection.workload}: {rejection.reason}")
    return 0


def _logs(options: argparse.Namespace) -> int:
    """Becomes the program that shows it."""
    command = service.log_command(settings.load(options.config), options.workload)
    command += [f"--lines={options.lines}", *(["--follow"] if options.follow else [])]
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        raise ConfigError(f"{command[0]}: {error.strerror}") from error


# What a person asks for now and then is loaded then: the service's start must not wait for it.


def _doctor(options: argparse.Namespace) -> int:
    from agent.cli import doctor  # noqa: PLC0415

    return doctor.doctor(options)


def _install(options: argparse.Namespace) -> int:
    from agent.cli import install  # noqa: PLC0415

    return install.install(options)


def _uninstall(options: argparse.Namespace) -> int:
    from agent.cli import install  # noqa: PLC0415

    return install.uninstall(options)


def _telemetry(options: argparse.Namespace) -> int:
    config = settings.load(options.config) if options.config else None
    gpus = tuple(gpu for group in config.groups for gpu in group.gpus) if config else ()
    sample = asyncio.run(sample_once(config.gpu if config else None, gpus))
    if options.json:
        print(msgspec.json.encode(sample).decode())
    else:
        _show(sample)
    return 0 if sample.ok else 1


def _show(sample: Sample) -> None:
    if not sample.ok:
        print(f"no GPU was seen: {sample.reason}")
    for gpu in sample.gpus:
        print(f"{gpu.uuid}  {gpu.name or ''}  {gpu.pci_bus_id or ''}")
        print(f"  {_figures(gpu)}")
        if gpu.error:
            print(f"  {gpu.error}")


def _figures(gpu: GpuReading) -> str:
    """The figures that the driver gave; nothing for those that it did not."""
    gib = 2.0**30
    shown = (
        ("{:.0f} °C", gpu.temperature_c, 1.0),
        ("{:.0f} W", gpu.power_w, 1.0),
        ("limit {:.0f} W", gpu.power_limit_w, 1.0),
        ("{:.0f} % busy", gpu.utilization_ratio, 100.0),
        ("{:.1f} GiB used", gpu.memory_used_bytes, 1 / gib),
        ("of {:.1f} GiB", gpu.memory_total_bytes, 1 / gib),
    )
    return ", ".join(form.format(value * unit) for form, value, unit in shown if value is not None)


if __name__ == "__main__":
    sys.exit(main())
