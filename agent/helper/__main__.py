"""`rigshift-gpu-helper`: sets GPU profiles for the agent. systemd hands it its socket.

Exit codes: 0 ok, 2 bad input.
"""

from __future__ import annotations

import argparse
import asyncio
import grp
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.gpu.tuning.pipe import Options
from agent.gpu.tuning.workers import Workers, spawn_of
from agent.helper.server import Server
from wire import logs
from wire.configfile import ConfigError

PROFILES = Path("/etc/rigshift/profiles.yaml")
GROUP = "rigshift"
IDLE_S = 60.0
FIRST_DESCRIPTOR = 3
"""Of those that systemd hands over."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script."""
    options = _parser().parse_args(argv)
    logs.configure(json=options.log_json, level="info")
    try:
        listening, group = handed_over(os.environ), _group(options.group)
    except ConfigError as error:
        print(f"rigshift-gpu-helper: {error}", file=sys.stderr)
        return 2
    simulated = None if options.simulated_dir is None else str(options.simulated_dir.absolute())
    spawn = spawn_of(Options(str(options.profiles.absolute()), simulated))
    asyncio.run(_serve(Server(Workers(spawn), group, options.idle_s), listening))
    return 0


def handed_over(environment: Mapping[str, str]) -> socket.socket:
    """The socket that systemd hands over. Raises `ConfigError`."""
    if environment.get("LISTEN_PID") != str(os.getpid()) or environment.get("LISTEN_FDS") != "1":
        raise ConfigError("has no socket; run `systemctl enable --now rigshift-gpu-helper.socket`")
    listening = socket.socket(fileno=FIRST_DESCRIPTOR)
    listening.set_inheritable(False)
    if listening.family is not socket.AF_UNIX:
        raise ConfigError("its socket is none of this machine alone; write ListenStream=/run/…")
    return listening


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rigshift-gpu-helper", description=__doc__)
    add = parser.add_argument
    add("--profiles", type=Path, default=PROFILES, help=f"file of profiles ({PROFILES})")
    add("--group", default=GROUP, help=f"group that may ask ({GROUP})")
    add("--idle-s", type=float, default=IDLE_S, help="end after so long without a request")
    add("--simulated-dir", type=Path, help="simulated GPUs there, for tests")
    add("--log-json", action="store_true", help="log lines as JSON")
    return parser


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ConfigError(f"there is no group {name}; run systemd-sysusers") from error


async def _serve(server: Server, listening: socket.socket) -> None:
    """Until idle or told to end; what is under way is ended too."""
    work = asyncio.create_task(server.serve(listening))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    await asyncio.wait([work])
    if not work.cancelled():
        work.result()


if __name__ == "__main__":
    sys.exit(main())
