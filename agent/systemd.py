"""What the agent tells the service manager that started it: ready, how things stand, still alive.

Without a service manager every word is said to nobody. The watchdog is fed by what steers the rig
(the event loop and the groups' queues), never by what the GPUs say: a dead GPU must not put the
agent into a restart loop just when it is needed.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress

from agent.core.model import State
from agent.reactor import Reactor
from wire.model import OFF, Phase

LOOK_INTERVAL_S = 1.0
"""Between two looks at the groups; shorter when the watchdog is."""

START_LOOK_INTERVAL_S = 0.05
"""Until every group has resumed: whoever starts the unit waits for the word."""

LOOKS_PER_WATCHDOG = 4
"""A look may come late on a loaded machine, and two in a row must agree that a group is stuck."""

EXTENSION_S = 30.0
"""Further time asked for while the agent starts or a group drains."""

STATUS_CHARS_MAX = 400
"""A longer status is cut; the whole of it is in the journals."""


class ServiceManager:
    """The end of systemd's notification socket; see sd_notify(3)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment)
        """The longest silence it takes; ``None`` when it does not watch."""

    def tell(self, *lines: str) -> None:
        """Say it, once; a manager that does not listen is no reason to stop."""
        if not self._address.startswith(("/", "@")):
            return
        # A leading `@` is how an address without a file is written in the environment.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end, suppress(OSError):
            end.setblocking(False)
            end.sendto("\n".join(lines).encode(), address)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    interval_us = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not interval_us.isdecimal() or int(interval_us) == 0 or meant_for != str(os.getpid()):
        return None
    return int(interval_us) / 1e6


class Supervision:
    """Watches the groups' reactors and keeps the service manager told."""

    def __init__(self, manager: ServiceManager, reactors: Mapping[str, Reactor]) -> None:
        self._manager = manager
        self._reactors = reactors
        self._ready = False
        self._status = ""
        self._handled = dict.fromkeys(reactors, -1)

    async def run(self) -> None:
        """Look and tell until cancelled."""
        watchdog_s = self._manager.watchdog_s
        pause_s = min(LOOK_INTERVAL_S, (watchdog_s or float("inf")) / LOOKS_PER_WATCHDOG)
        while True:
            lines = list(self.look())
            if lines:
                self._manager.tell(*lines)
            await asyncio.sleep(pause_s if self._ready else START_LOOK_INTERVAL_S)

    def look(self) -> Iterator[str]:
        """What there is to tell after one look at every group."""
        if not self._ready and all(reactor.settled for reactor in self._reactors.values()):
            self._ready = True
            yield "READY=1"
        status = self._summary()
        if status != self._status:
            self._status = status
            yield f"STATUS={status}"
        if self._moves():
            yield "WATCHDOG=1"
            if not self._ready or self._drains():
                yield f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}"

    def stopping(self) -> None:
        """The agent is about to leave."""
        self._manager.tell("STOPPING=1", "STATUS=stopping; workloads go on")

    def _moves(self) -> bool:
        """Whether no group has had something to do since the last look and done nothing."""
        stuck = False
        for name, reactor in self._reactors.items():
            stuck |= reactor.waiting > 0 and reactor.handled == self._handled[name]
            self._handled[name] = reactor.handled
        return not stuck

    def _drains(self) -> bool:
        return any(r.state.phase is Phase.DRAINING for r in self._reactors.values())

    def _summary(self) -> str:
        groups = (f"{name} {describe(r.state)}" for name, r in self._reactors.items())
        return "; ".join(groups)[:STATUS_CHARS_MAX]


def describe(state: State) -> str:
    """A group's state in a few words, such as `draining llama → off`."""
    if state.phase is Phase.FAILED:
        return f"{state.phase}: {' '.join(state.reason.split())}"
    if state.phase.stable:
        return f"{state.phase} {state.active}" if state.active else str(state.phase)
    return f"{state.phase} {state.active or OFF} → {state.target or OFF}"
