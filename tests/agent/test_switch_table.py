"""The document about the switch machine says what the machine does."""

from __future__ import annotations

import pytest

from agent.core import machine
from tests.agent import switch_table
from wire.model import Phase


def test_table_and_diagram_in_the_document_are_up_to_date() -> None:
    document = switch_table.DOCUMENT.read_text(encoding="utf-8")
    assert switch_table.rendered(document) == document, (
        "write them anew: python -m tests.agent.switch_table"
    )


def test_an_edited_table_would_be_noticed() -> None:
    document = switch_table.DOCUMENT.read_text(encoding="utf-8")
    edited = document.replace(
        "| TUNING | effect done | STARTING |", "| TUNING | effect done | IDLE |"
    )
    assert edited != document
    assert switch_table.rendered(edited) == document


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_and_what_may_happen_in_it_was_tried(phase: Phase) -> None:
    tried = {event for where, event in switch_table.moves() if where is phase}
    assert tried == set(machine.TABLE[phase])


def test_no_way_leads_into_starting_but_through_empty_gpus() -> None:
    moves = switch_table.moves()
    assert {phase for (phase, _), to in moves.items() if Phase.STARTING in to} == {Phase.TUNING}
    assert {phase for (phase, _), to in moves.items() if Phase.TUNING in to} == {Phase.VACATING}


def test_failed_is_left_through_stopping_only() -> None:
    ways = {
        to
        for (phase, _), targets in switch_table.moves().items()
        if phase is Phase.FAILED
        for to in targets
    }
    assert ways == {None, Phase.STOPPING}
