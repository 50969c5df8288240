"""The `demo` verb of the operator's command line; nothing of the demo is loaded until it runs."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

RIGS_MAX = 64
"""More agents than this want more than one machine."""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `rigshift demo`."""
    parser = verbs.add_parser(
        "demo",
        help="a whole simulated fleet on this machine",
        description="Starts a real controller and real agents on simulated GPUs, with demo "
        "workloads that mine and infer nothing, and lets recorded prices pass.",
    )
    parser.add_argument("--rigs", type=_rigs, default=6, help="agents to start (6)")
    parser.add_argument("--speed", type=float, help="price seconds per second (900)")
    parser.add_argument("--for", dest="for_s", type=float, help="seconds to run (until Ctrl-C)")
    parser.add_argument("--headless", action="store_true", help="no live screen, a line at times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary there")
    parser.add_argument("--chaos", action="store_true", help="kill agents and controller meanwhile")
    parser.add_argument("--seed", type=int, default=0, help="of the chaos (0)")
    parser.add_argument("--broker", metavar="URL", help="meet at this MQTT broker, mqtts://…")
    parser.add_argument("--broker-ca", type=Path, help="certificates to trust it by, PEM")
    parser.add_argument(
        "--broker-passwords",
        type=Path,
        help="`user password` lines for `controller` and `rig-01` …; without it none is sent",
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the last screen there")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there and leave it behind")
    parser.set_defaults(run=_run, local=True)


def _rigs(text: str) -> int:
    count = int(text)
    if not 2 <= count <= RIGS_MAX:
        raise argparse.ArgumentTypeError(f"2 to {RIGS_MAX}: the demo has two sites")
    return count


def _run(args: argparse.Namespace) -> int:
    demo = importlib.import_module("controller.demo.__main__")
    return int(demo.run(args))
