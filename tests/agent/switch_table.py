"""Renders the switch machine as a table and a diagram, from what `machine.step` really does.

`python -m tests.agent.switch_table` writes both into docs/switch-machine.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from agent.core import machine
from agent.core.model import (
    Acknowledged,
    Assigned,
    Bound,
    Derated,
    Desired,
    Erred,
    Event,
    Exited,
    Failed,
    Faulted,
    Freed,
    HeldOut,
    Lapsed,
    Lock,
    Locked,
    Noted,
    Offline,
    Parked,
    Renewed,
    Rules,
    State,
    Succeeded,
    Tripped,
    Unparked,
)
from wire.model import Phase, Rejection

DOCUMENT = Path(__file__).parents[2] / "docs" / "switch-machine.md"

WORKLOADS = ("a", "b")

WORDS: dict[type[Any], str] = {
    Succeeded: "effect done",
    Parked: "effect done, but one sleeps",
    Failed: "effect failed, or ran past its deadline",
    Bound: "drained, but locked or not known to be free",
    Exited: "workload exited by itself",
    Erred: "workload was found to do its work wrong",
    HeldOut: "workload has run long enough",
    Noted: "effect goes otherwise than it should",
    Assigned: "newer assignment",
    Lapsed: "lease ran out",
    Renewed: "controller is back",
    Locked: "workload is locked",
    Freed: "workload is free again",
    Derated: "another power limit for safety",
    Faulted: "GPU threw the workload out",
    Unparked: "sleeper is gone",
    Tripped: "safety trip",
    Acknowledged: "outcomes acknowledged",
}
"""Every event as people say it, in the order of the table."""

SHORT: dict[type[Any], str] = {
    Succeeded: "done",
    Parked: "parked",
    Failed: "failed",
    Bound: "lock",
    Exited: "exit",
    Erred: "wrong",
    Assigned: "order",
    Lapsed: "lease",
    Renewed: "lease",
    Locked: "lock",
    Freed: "lock",
    Derated: "derate",
    Faulted: "fault",
    Tripped: "trip",
}

Moves = Mapping[tuple[Phase, type[Any]], frozenset[Phase | None]]
"""Where each event leads from each phase; ``None``: it changes nothing but what is remembered."""


@cache
def moves() -> Moves:
    """Everything that can follow, found by trying every event in every reachable state."""
    found: defaultdict[tuple[Phase, type[Any]], set[Phase | None]] = defaultdict(set)
    for offline in Offline:
        rules = Rules(
            allowed=frozenset(WORKLOADS),
            offline=offline,
            safe_workload="b",
            restarts_max=1,
            sleeper="a",
        )
        for before, event, after in _steps(rules):
            to = None if after.ticket == before.ticket else after.phase
            found[before.phase, type(event)].add(to)
    return {key: frozenset(to) for key, to in found.items()}


def table() -> str:
    """One line for each phase and event from which something follows."""
    lines = ["| Phase | What happens | What follows | Rule |", "|---|---|---|---|"]
    found = moves()
    for phase in Phase:
        alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for event, words in WORDS.items():
            rule = machine.TABLE[phase][event].__name__.lstrip("_")
            if event is not Acknowledged and rule != "ignore":
                alike[_phases(found[phase, event]), rule].append(words)
        lines += [
            f"| {phase.name} | {'; '.join(events)} | {to} | `{rule}` |"
            for (to, rule), events in alike.items()
        ]
    return "\n".join(lines)


def diagram() -> str:
    """The same as a Mermaid state diagram; what stays in its phase is left out."""
    labels: defaultdict[tuple[Phase, Phase], list[str]] = defaultdict(list)
    for (phase, event), targets in moves().items():
        for to in targets - {None, phase}:
            assert to is not None
            labels[phase, to].append(SHORT[event])
    order = list(Phase)
    edges = sorted(labels, key=lambda edge: (order.index(edge[0]), order.index(edge[1])))
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> IDLE"]
    for edge in edges:
        words = [word for word in dict.fromkeys(SHORT.values()) if word in labels[edge]]
        lines.append(f"    {edge[0].name} --> {edge[1].name}: {', '.join(words)}")
    return "\n".join([*lines, "```"])


def rendered(document: str) -> str:
    """The document with its table and diagram as they should be now."""
    for name, text in (("table", table()), ("diagram", diagram())):
        begin, end = f"<!-- {name}: begin -->\n", f"\n<!-- {name}: end -->"
        head, rest = document.split(begin)
        document = head + begin + text + end + rest.split(end)[1]
    return document


def _phases(targets: frozenset[Phase | None]) -> str:
    stays = ["stays"] if None in targets else []
    return " or ".join([*(phase.name for phase in Phase if phase in targets), *stays])


def _steps(rules: Rules) -> Iterator[tuple[State, Event, State]]:
    start = State()
    seen, left = {start}, [start]
    while left:
        before = left.pop()
        for event in _events():
            after = machine.step(before, event, rules)
            yield before, event, after
            plain = _plain(after)
            if plain not in seen:
                seen.add(plain)
                left.append(plain)


def _events() -> Iterator[Event]:
    yield Assigned(Desired(generation=2, workload="a", committed=True))
    for workload in (*WORKLOADS, None, "unlisted"):
        yield Assigned(Desired(generation=2, workload=workload))
    for workload in ("b", None):
        yield Assigned(Desired(generation=2, workload=workload, breaks_lock=True))
    for workload in WORKLOADS:
        yield from (Locked(workload, "rented"), Freed(workload))
    yield from (Parked(0), Unparked("a", "it woke"))
    yield from (Bound(0, "rented"), Succeeded(0), Failed(0, "why"), Exited(0, "why"), HeldOut(0))
    yield from (Erred(0, "why"), Noted(0, "how"))
    yield from (Lapsed(), Renewed(), Tripped("hot"), Acknowledged(9))
    yield from (Derated(1, "hot"), Derated(0, "cool"), Faulted("why"))


def _plain(state: State) -> State:
    """Only what decides about phases; so there are few enough to try them all."""
    rejected = sorted({rejection.workload for rejection in state.rejected})
    return replace(
        state,
        ticket=0,
        lines=0,
        reason="",
        desired=replace(state.desired, generation=min(1, state.desired.generation)),
        rejected=tuple(Rejection(workload, "") for workload in rejected),
        tripped="hot" if state.tripped else "",
        lock=None if state.lock is None else Lock(state.lock.workload, "rented"),
        origin=None,
        spent=(),
        ended=None,
        outcomes=(),
    )


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
