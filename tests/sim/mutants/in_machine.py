"""Bugs planted in the switch machine's table and in the resume map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.core import machine, record, recovery, road, words
from agent.core.model import (
    Acknowledged,
    Assigned,
    Exited,
    Failed,
    Lapsed,
    Renewed,
    Rules,
    State,
    Succeeded,
    Tripped,
)
from tests.sim.mutants.planting import Mutant, Swaps
from wire.model import Phase

NO_LIMIT = 10**6


def _stop_failure_ignored(swaps: Swaps) -> None:
    swaps.row(Phase.STOPPING, Failed, machine._stopped)


def _vacate_failure_ignored(swaps: Swaps) -> None:
    swaps.row(Phase.VACATING, Failed, machine._vacated)


def _tuning_skipped(swaps: Swaps) -> None:
    vacated = machine.TABLE[Phase.VACATING][Succeeded]

    def row(state: State, event: Any, rules: Rules) -> State:
        after = vacated(state, event, rules)
        if after.phase is not Phase.TUNING:
            return after
        return replace(after, phase=Phase.STARTING, active=after.target)

    swaps.row(Phase.VACATING, Succeeded, row)


def _old_one_not_stopped(swaps: Swaps) -> None:
    def row(state: State, event: Any, rules: Rules) -> State:
        return road.enter(state, Phase.VACATING, "prepared", rules)

    swaps.row(Phase.PREPARING, Succeeded, row)


def _unproven_not_stopped(swaps: Swaps) -> None:
    swaps.row(Phase.PROBING, Failed, machine._not_begun)


def _half_started_not_stopped(swaps: Swaps) -> None:
    swaps.row(Phase.STARTING, Failed, machine._not_begun)


def _late_answers_believed(swaps: Swaps) -> None:
    swaps.attribute(machine, "_late", lambda state, event: False)


def _failure_not_remembered(swaps: Swaps) -> None:
    swaps.attribute(road, "reject", lambda state, workload, reason: state)


def _no_way_back(swaps: Swaps) -> None:
    wanted = road.wanted

    def first_or_nothing(state: State, rules: Rules) -> str | None:
        return wanted(replace(state, previous=None), rules)

    swaps.attribute(road, "wanted", first_or_nothing)


def _superseded_not_recorded(swaps: Swaps) -> None:
    accepted = words.accepted

    def row(state: State, event: Assigned, rules: Rules) -> State:
        after = accepted(state, event, rules)
        return after if after is state else replace(after, outcomes=state.outcomes)

    swaps.attribute(words, "accepted", row)


def _list_ignored(swaps: Swaps) -> None:
    accepted = words.accepted

    def row(state: State, event: Assigned, rules: Rules) -> State:
        anything = rules.allowed | {event.desired.workload or ""}
        return accepted(state, event, replace(rules, allowed=anything))

    swaps.attribute(words, "accepted", row)


def _trip_ignored(swaps: Swaps) -> None:
    for phase in (Phase.RUNNING, Phase.PROBING):
        swaps.row(phase, Tripped, machine._ignore)


def _trip_forgotten(swaps: Swaps) -> None:
    vacated = machine.TABLE[Phase.VACATING][Succeeded]

    def row(state: State, event: Any, rules: Rules) -> State:
        return vacated(replace(state, tripped=""), event, rules)

    swaps.row(Phase.VACATING, Succeeded, row)


def _exit_ignored(swaps: Swaps) -> None:
    swaps.row(Phase.RUNNING, Exited, machine._ignore)


def _restarts_unlimited(swaps: Swaps) -> None:
    exited = machine.TABLE[Phase.RUNNING][Exited]

    def row(state: State, event: Any, rules: Rules) -> State:
        return exited(state, event, replace(rules, restarts_max=NO_LIMIT))

    swaps.row(Phase.RUNNING, Exited, row)


def _newer_word_lost(swaps: Swaps) -> None:
    def row(state: State, event: Any, rules: Rules) -> State:
        return road.enter(state, Phase.RUNNING, "proven", rules, previous=state.target)

    swaps.row(Phase.PROBING, Succeeded, row)


def _quarantine_not_told(swaps: Swaps) -> None:
    concluded = record.concluded

    def silent(state: State) -> State:
        return state if state.phase is Phase.FAILED else concluded(state)

    swaps.attribute(record, "concluded", silent)


def _all_forgotten(swaps: Swaps) -> None:
    for phase in Phase:
        swaps.row(phase, Acknowledged, lambda state, event, rules: replace(state, outcomes=()))


def _lapse_latched(swaps: Swaps) -> None:
    swaps.row(Phase.RUNNING, Lapsed, words.remembered)


def _lapse_ignored(swaps: Swaps) -> None:
    for phase in Phase:
        swaps.row(phase, Lapsed, machine._ignore)


def _renewal_ignored(swaps: Swaps) -> None:
    for phase in Phase:
        swaps.row(phase, Renewed, machine._ignore)


def _failed_left_unstopped(swaps: Swaps) -> None:
    leave = machine.TABLE[Phase.FAILED][Assigned]

    def row(state: State, event: Any, rules: Rules) -> State:
        after = leave(state, event, rules)
        return after if after is state else road.set_out(after, "assigned", rules)

    swaps.row(Phase.FAILED, Assigned, row)


def _survivors_overlooked(swaps: Swaps) -> None:
    resumed = recovery._resumed

    def blind(state: State, alive: frozenset[str], rules: Rules) -> State:
        return resumed(state, alive & {state.active}, rules)

    swaps.attribute(recovery, "_resumed", blind)


def _running_disturbed(swaps: Swaps) -> None:
    resumed = recovery._resumed

    def careful(state: State, alive: frozenset[str], rules: Rules) -> State:
        if state.phase is Phase.RUNNING:
            return recovery._stop(state, "to be sure", rules)
        return resumed(state, alive, rules)

    swaps.attribute(recovery, "_resumed", careful)


def _start_resumed(swaps: Swaps) -> None:
    swaps.attribute(recovery, "STOPPING_NOW", frozenset())


def _tuning_resumed(swaps: Swaps) -> None:
    swaps.attribute(recovery, "EMPTYING_NOW", frozenset())


def _failed_resumes(swaps: Swaps) -> None:
    resumed = recovery._resumed

    def hopeful(state: State, alive: frozenset[str], rules: Rules) -> State:
        if state.phase is Phase.FAILED:
            return road.enter(state, Phase.IDLE, "a new day", rules, active=None)
        return resumed(state, alive, rules)

    swaps.attribute(recovery, "_resumed", hopeful)


MUTANTS = (
    Mutant("stop-failure-ignored", "what cannot be stopped is FAILED", _stop_failure_ignored),
    Mutant("vacate-failure-ignored", "what cannot be emptied is FAILED", _vacate_failure_ignored),
    Mutant("tuning-skipped", "a start comes after TUNING", _tuning_skipped),
    Mutant("old-one-not-stopped", "PREPARING leads through STOPPING", _old_one_not_stopped),
    Mutant("unproven-not-stopped", "what is not proven is stopped", _unproven_not_stopped),
    Mutant(
        "half-started-not-stopped", "what may have started is stopped", _half_started_not_stopped
    ),
    Mutant(
        "late-answers-believed",
        "an answer counts by its ticket",
        _late_answers_believed,
        hidden="a phase rarely ends in the very moment in which a newer word comes",
    ),
    Mutant("failure-not-remembered", "a target has one chance", _failure_not_remembered),
    Mutant("no-way-back", "a failure is rolled back", _no_way_back),
    Mutant(
        "superseded-not-recorded",
        "every order ends",
        _superseded_not_recorded,
        hidden="the controller ends what no rig tells of",
    ),
    Mutant("list-ignored", "only what the rig lists may run", _list_ignored),
    Mutant("trip-ignored", "safety stops what runs", _trip_ignored),
    Mutant("trip-forgotten", "nothing starts after a safety stop", _trip_forgotten),
    Mutant("exit-ignored", "what exited is started again", _exit_ignored),
    Mutant("restarts-unlimited", "restarts have a budget", _restarts_unlimited),
    Mutant("newer-word-lost", "a latched order is honoured", _newer_word_lost),
    Mutant("quarantine-not-told", "FAILED ends the order", _quarantine_not_told),
    Mutant("all-forgotten", "only acknowledged outcomes are dropped", _all_forgotten),
    Mutant("lapse-latched", "the offline policy acts at once", _lapse_latched),
    Mutant("lapse-ignored", "a lease ends", _lapse_ignored),
    Mutant("renewal-ignored", "a renewed lease ends the offline policy", _renewal_ignored),
    Mutant("failed-left-unstopped", "FAILED is left through STOPPING", _failed_left_unstopped),
    Mutant("survivors-overlooked", "unknown survivors are stopped", _survivors_overlooked),
    Mutant("running-disturbed", "a running workload is adopted", _running_disturbed),
    Mutant("start-resumed", "a start that was cut short begins anew", _start_resumed),
    Mutant("tuning-resumed", "half-tuned GPUs are vacated again", _tuning_resumed),
    Mutant("failed-resumes", "FAILED outlives a restart", _failed_resumes),
)
