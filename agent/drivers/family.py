"""Which processes belong to a workload, by session, marker, descent and earlier looks.

It must never take in a foreign process, whatever a record says: pids are used again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from agent.drivers import proc
from agent.drivers.proc import Process
from agent.drivers.record import Record


def leader(table: Mapping[int, Process], saved: Record | None) -> Process | None:
    """The very process that a record of this boot names, if it is still there."""
    process = table.get(saved.pid) if saved is not None else None
    if process is None or saved is None or process.start_ticks != saved.start_ticks:
        return None
    return process


def members(
    table: Mapping[int, Process],
    *,
    marker: bytes,
    saved: Record | None,
    known: Collection[tuple[int, int]],
) -> list[Process]:
    """Processes of one workload that still hold anything, oldest first.

    Args:
        table: All processes.
        marker: `NAME=value` string that its processes carry in their environment.
        saved: Its record, if there is one of this boot.
        known: Identities that an earlier look found to belong to it.
    """
    led = leader(table, saved) is not None
    roots = [
        process
        for process in table.values()
        if process.identity in known
        or (saved is not None and process.session == saved.pid and _of_session(process, led=led))
        or marker in (proc.environment(process.pid) or ())
    ]
    living = [process for process in with_descendants(table, roots) if not process.dead]
    return sorted(living, key=lambda process: (process.start_ticks, process.pid))


def _of_session(process: Process, *, led: bool) -> bool:
    """Whether the session is still the recorded one: its number may have been used again.

    Servers that set their own title wipe out their environment, marker and all. Without a leader
    those count; one with an intact environment that lacks the marker may be in a later session.
    """
    return led or proc.environment(process.pid) == ()


def with_descendants(table: Mapping[int, Process], roots: list[Process]) -> Iterator[Process]:
    """The roots and all that came of them, each once."""
    children: defaultdict[int, list[Process]] = defaultdict(list)
    for process in table.values():
        children[process.parent].append(process)
    pending, seen = list(roots), set[int]()
    while pending:
        process = pending.pop()
        if process.pid not in seen:
            seen.add(process.pid)
            pending.extend(children[process.pid])
            yield process
