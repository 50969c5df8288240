"""A machine with a real systemd, booted in a container directory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.systemd import image

WAIT_S = 30.0
LOOK_S = 0.02


def awaited(what: str, look: Callable[[], Any], *, look_s: float = LOOK_S) -> Any:
    """What `look` gives as soon as it gives something; nothing announces it."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(look_s)
    raise AssertionError(f"no {what} within {WAIT_S:g} s")


class Machine:
    """Can be booted, cut off from power and booted again; its disk stays."""

    def __init__(self, tree: Path, log: Path) -> None:
        self.tree = tree
        self._log = log
        self._container: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        """Start it, and wait until its systemd has done so too."""
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot"]
        with self._log.open("ab") as log:
            self._container = subprocess.Popen(
                [image.tool(command[0]), *command[1:], "--directory", str(self.tree)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._leader = awaited("systemd in the container", self._init)
        awaited("booted machine", self._is_up)

    def cut_power(self) -> None:
        """Everything in it ends at once, and nothing gets to say goodbye."""
        container, self._container = self._container, None
        if container is None:
            return
        with suppress(ProcessLookupError):
            os.kill(self._leader or container.pid, signal.SIGKILL)
        container.wait()
        self._leader = 0

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in it as root, and give what it prints."""
        done = subprocess.run(
            ["nsenter", "--target", str(self._leader), "--all", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit)

    def pid(self, unit: str) -> int:
        """The main process of a unit, as this side numbers it; 0 when there is none."""
        inner = self.show(unit, "MainPID")
        return self._pids().get(inner, 0) if inner != "0" else 0

    def bus(self) -> str:
        """Address of its system bus."""
        return f"unix:path=/proc/{self._leader}/root/run/dbus/system_bus_socket"

    def _init(self) -> int:
        assert self._container is not None
        assert self._container.poll() is None, f"nspawn ended: {self._log.read_text()[-2000:]}"
        pids = Path(f"/proc/{self._container.pid}/task/{self._container.pid}/children")
        for pid in pids.read_text().split():
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    return int(pid)
        return 0

    def _is_up(self) -> bool:
        state = self.run("systemctl", "is-system-running", check=False)
        return state in ("running", "degraded")

    def _pids(self) -> dict[str, int]:
        """This side's number of every process in it, by its own number."""
        space = Path(f"/proc/{self._leader}/ns/pid").readlink()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "ns/pid").readlink() == space:
                    status = (folder / "status").read_text()
                    line = next(x for x in status.splitlines() if x.startswith("NSpid:"))
                    found[line.split()[-1]] = int(folder.name)
        return found


@contextmanager
def installed() -> Iterator[Machine]:
    """A machine with the agent on its disk, not yet booted; gone in the end."""
    image.tool("systemd-nspawn")
    image.CACHE.mkdir(parents=True, exist_ok=True)
    debian = image.debian()
    with tempfile.TemporaryDirectory(prefix="machine-", dir=image.CACHE) as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["cp", "--archive", "--reflink=auto", debian, tree], check=True)
        image.install(tree)
        machine = Machine(tree, Path(folder) / "console.log")
        try:
            yield machine
        finally:
            machine.cut_power()
            shutil.rmtree(tree, ignore_errors=True)
