"""What the exhaustive search over the switch machine finds, for bugs that hide from chance."""

from __future__ import annotations

from collections.abc import Iterator

from agent.core import machine
from agent.core.model import Desired, Event, Exited, Failed, HeldOut, Rules, State, Succeeded
from tests.agent.search_world import Budget, ViolationError
from tests.agent.test_machine_search import search
from wire.model import Phase

RULES = Rules(allowed=frozenset({"a", "b"}), restarts_max=1)
BUDGET = Budget(assignments=2, faults=1, crashes=1, exits=0, trips=0, lapses=0)
"""Small: it must only reach the planted bug."""

TICKET = 7


def problem() -> str:
    """The first broken promise, if any."""
    try:
        search(RULES, BUDGET)
    except ViolationError as error:
        return str(error)
    return next(_late_answers(), "")


def _late_answers() -> Iterator[str]:
    """An answer to an effect of an earlier phase changes nothing, in no phase."""
    late: tuple[Event, ...] = (
        Succeeded(TICKET - 1),
        Failed(TICKET - 1, "late"),
        Exited(TICKET - 1, "late"),
        HeldOut(TICKET - 1),
    )
    for phase in Phase:
        state = State(
            phase=phase,
            ticket=TICKET,
            active="a",
            target="b",
            restarts=1,
            desired=Desired(generation=1, workload="b"),
        )
        for event in late:
            if machine.step(state, event, RULES) is not state:
                yield f"{event} moves {phase}, which has ticket {TICKET}"
