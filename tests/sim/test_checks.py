"""Each checker can fail, and does so for what it is there for."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.core import recovery
from agent.core.model import Desired, Lock, Offline, Rules, State
from agent.core.route import Hook, Route
from agent.core.workload import Workload
from controller.core.model import (
    Block,
    Decision,
    GroupKey,
    GroupView,
    Hold,
    Plan,
    Quote,
    QuoteState,
)
from controller.core.obligation import Coverage
from controller.core.policy.contract import ContractSettings
from controller.records import StoredAssignment, StoredOutcome
from tests.sim.checks import contracts, controller, letters, rest, rig
from tests.sim.checks.contracts import Left
from tests.sim.witness import ViolationError, Witness
from wire.model import (
    Assignment,
    GroupOffer,
    GroupStatus,
    Kind,
    Leg,
    Outcome,
    Phase,
    Rejection,
    Result,
    WorkloadOffer,
)

KEY = GroupKey("rig-0", "g0")
RULES = Rules(allowed=frozenset({"coin", "spare"}), offline=Offline.SAFE, safe_workload="spare")
DESIRED = Desired(generation=2, order_id="order-2", workload="coin")
RUNNING = State(phase=Phase.RUNNING, active="coin", target="coin", desired=DESIRED)
PROBING = replace(RUNNING, phase=Phase.PROBING)
DRAINING = replace(RUNNING, phase=Phase.DRAINING)
STOPPING = replace(RUNNING, phase=Phase.STOPPING)
LOCKED = replace(RUNNING, lock=Lock("coin", "rented"))
VACATING = State(phase=Phase.VACATING, target="coin", desired=DESIRED)
IDLE = State(desired=DESIRED)
FAILED = State(phase=Phase.FAILED, desired=DESIRED, reason="stuck", ended=Result.QUARANTINED)
ORDER = Assignment("order-2", "g0", 2, "coin")
HOLD = Hold(
    hold_id="h", rig="rig-0", group="g0", workload="spare", owner="me", reason="", created_at=0.0,
    expires_at=1e9,
)  # fmt: skip
STATUS = GroupStatus("g0", Phase.RUNNING, Leg.FORWARD, "coin", "coin", 2, 0.0)
VIEW = GroupView(
    key=KEY, site="here", rig_class="any", labels={}, offer=GroupOffer("g0", ("gpu",), ()),
    status=STATUS, online=True, generation=2, assigned="coin", assigned_at=0.0,
)  # fmt: skip
RENTED = replace(VIEW, status=replace(STATUS, lock="coin: rented"))
AWAY = replace(VIEW, online=False)
SWITCHING = replace(VIEW, status=replace(STATUS, phase=Phase.STOPPING))
BROKEN = replace(VIEW, status=replace(STATUS, phase=Phase.FAILED))
STAYS = Decision(
    key=KEY, current="coin", chosen="coin", kind=None, options=(), reason="", blocked=Block.NONE,
    flip_usd_per_h=None,
)  # fmt: skip
MOVES = replace(STAYS, chosen="spare")
DONE = Outcome("order-2", "g0", 2, Result.DONE, None, "coin", ())
FAILURE = replace(DONE, result=Result.ROLLED_BACK, reason="it failed")
STORED = {KEY: StoredAssignment(key=KEY, assignment=ORDER, created_at=0.0, cause="plan")}
ENDED = [
    StoredOutcome(rig="rig-0", outcome=replace(DONE, generation=generation), received_at=0.0)
    for generation in (1, 2)
]
COIN = Quote("coin", 0.5, 0.0, QuoteState.FRESH)
BAND = {"coin": (0.0, 1.0)}

OWED = ContractSettings(
    name="acme", customer="Acme", workload="coin", gpus=1, price_usd_per_gpu_h=1.0,
    penalty_usd_per_gpu_h=1.0, start=datetime(2020, 1, 1, tzinfo=UTC),
)  # fmt: skip
SERVES = replace(
    VIEW,
    committed=True,
    offer=GroupOffer("g0", ("gpu",), (WorkloadOffer("coin", Kind.MINING),)),
)
SERVING = Plan(at=0.0, decisions=(replace(STAYS, committed=True),), net_usd_per_h=0.0, power_w={})
SHORT = replace(SERVING, decisions=(STAYS,))
LACKING = Coverage(
    contract="acme", owed_gpus=1, bound_gpus=0, serving_gpus=0, lacking_gpus=1, in_force=True
)
NONE = Left(0, 0)
CONFESSED = replace(SHORT, contracts=(LACKING,), warnings=("contract acme with Acme lacks 1",))

ROUTED = Workload(
    name="chat",
    kind=Kind.INFERENCE,
    driver="scripted",
    group="g0",
    route=Route(close=Hook(remove="/up"), open=Hook(create="/up")),
)

KEPT = {
    "journaled": rig.journaled("start", "coin", replace(RUNNING, phase=Phase.STARTING)),
    "exclusive": rig.exclusive("gpu", ["g0.coin"]),
    "routed": rig.routed("coin", RUNNING),
    "unrouted": rig.unrouted("g0.coin", {"g0.chat"}),
    "served": rest.served([ROUTED], "chat", {"g0.chat"}),
    "known_to_sleep": rest.known_to_sleep(replace(RUNNING, parked="chat"), {"chat"}),
    "alone": rig.alone(9.9, 10.0, {"coin", "chat"}) or rig.alone(99.0, 10.0, {"coin"}),
    "finished": rig.finished("chat", drained=True),
    "empty_before_start": rig.empty_before_start("gpu", [], 10, 100),
    "tuned_before_start": rig.tuned_before_start("gpu", "eco", "eco", 0),
    "derated_rightly": rig.derated_rightly("gpu", "eco", "eco", 1, replace(RUNNING, derate=1)),
    "neutral_before_tuning": rig.neutral_before_tuning("gpu", "neutral", "eco", "neutral"),
    "held_through": rig.held_through("coin", 2.0, 2.0),
    "generation_grows": rig.generation_grows(IDLE, RUNNING),
    "ordered": rig.ordered(RUNNING, [ORDER]),
    "accounted": rig.accounted(RUNNING, frozenset({"coin"})),
    "went_back": rig.went_back(PROBING, replace(RUNNING, ended=Result.ROLLED_BACK)),
    "seen_empty": rig.seen_empty(2, 2),
    "concluded": rig.concluded(FAILED),
    "leaves_failed": rig.leaves_failed(FAILED, replace(IDLE, phase=Phase.STOPPING)),
    "bounded": rig.bounded(replace(RUNNING, restarts=5), RULES),
    "emptied": rig.emptied(VACATING, FAILED, frozenset()),
    "lock_kept": rig.lock_kept(
        DRAINING, replace(STOPPING, desired=replace(RUNNING.desired, breaks_lock=True)), locked=True
    ),
    "lock_remembered": rig.lock_remembered(LOCKED, RUNNING, told=True),
    "stop_stands": rig.stop_stands("hot", FAILED),
    "stays_tripped": rig.stays_tripped(replace(IDLE, tripped="hot"), replace(IDLE, tripped="hot")),
    "renewed_rightly": rig.renewed_rightly(replace(RUNNING, lapsed=True), RUNNING, -1.0),
    "remembered": rig.remembered(RUNNING, [PROBING, RUNNING]),
    "believed": rig.believed(recovery.unknown("rotten"), [RUNNING]),
    "adopted": rig.adopted(RUNNING, frozenset({"coin"}), RUNNING),
    "judged": letters.judged("it is forged", refused=True),
    "lapsed_in_time": rig.lapsed_in_time(replace(RUNNING, lapsed=True), 60.0, 5.0),
    "offline": rig.offline(replace(RUNNING, lapsed=True, active="spare"), RULES),
    "cooled": rig.cooled("gpu", 60.0, Phase.STOPPING, ["g0.coin"], 5.0),
    "in_turn": letters.in_turn(3, 4),
    "told_durably": letters.told_durably(DONE, durable=True),
    "observed_grows": letters.observed_grows(STATUS, 2),
    "believable": controller.believable({"coin": COIN}, BAND),
    "current": controller.current({"coin": COIN}, 5.0, 10.0),
    "within_limit": controller.within_limit([SWITCHING, VIEW], [MOVES], set(), 2),
    "movable": controller.movable(MOVES, VIEW, None),
    "obeyed": controller.obeyed(MOVES, VIEW, HOLD, ["spare"]),
    "lock_respected": controller.lock_respected(MOVES, RENTED, replace(HOLD, breaks_lock=True)),
    "kept": contracts.kept(MOVES, SERVES, None, OWED, Left(1, 1))
    or contracts.kept(MOVES, SERVES, HOLD, OWED, Left(0, 0))
    or contracts.kept(MOVES, replace(SERVES, avoided=(Rejection("coin", "bad"),)), None, OWED, NONE)
    or contracts.kept(MOVES, replace(SERVES, committed=False), None, OWED, NONE),
    "fetched": contracts.fetched(OWED, SERVING, [SERVES], {})
    or contracts.fetched(OWED, SHORT, [SERVES], {KEY: HOLD})
    or contracts.fetched(OWED, SHORT, [replace(SERVES, status=SWITCHING.status)], {}),
    "told": contracts.told(OWED, SERVING, [SERVES]) or contracts.told(OWED, CONFESSED, [SERVES]),
    "honoured": contracts.honoured(OWED, 1, ()) or contracts.honoured(OWED, 0, [LACKING]),
    "not_again": controller.not_again("coin", 60.0, 60.0),
    "ends_alike": controller.ends_alike(DONE, DONE),
    "says_why": controller.says_why(FAILURE),
    "unlisted_refused": controller.unlisted_refused(
        replace(DONE, workload="thief", result=Result.REFUSED), "thief"
    ),
    "ended_once": rest.ended_once(STORED, ENDED),
    "agreed": rest.agreed(RUNNING, 2),
    "as_assigned": rest.as_assigned(RUNNING, ["coin"], "coin"),
}
"""Of each checker, what it has nothing against."""

BROKEN_PROMISES = {
    "journaled": [
        rig.journaled("start", "coin", None),
        rig.journaled("start", "coin", RUNNING),
        rig.journaled("start", "spare", replace(RUNNING, phase=Phase.STARTING)),
        rig.journaled("drain", "spare", replace(RUNNING, phase=Phase.DRAINING)),
    ],
    "routed": [
        rig.routed("coin", None),
        rig.routed("spare", RUNNING),
        rig.routed("coin", PROBING),
    ],
    "unrouted": [rig.unrouted("g0.chat", {"g0.chat"})],
    "served": [rest.served([ROUTED], "chat", {"g0.coin"})],
    "known_to_sleep": [
        rest.known_to_sleep(RUNNING, {"chat"}),
        rest.known_to_sleep(replace(RUNNING, parked="chat"), set()),
    ],
    "alone": [rig.alone(10.1, 10.0, {"coin", "chat"})],
    "finished": [rig.finished("chat", drained=False)],
    "exclusive": [rig.exclusive("gpu", ["g0.coin", "g0.chat"])],
    "empty_before_start": [
        rig.empty_before_start("gpu", ["g0.coin"], 0, 100),
        rig.empty_before_start("gpu", [], 101, 100),
    ],
    "tuned_before_start": [
        rig.tuned_before_start("gpu", "neutral", "eco", 0),
        rig.tuned_before_start("gpu", "eco", "eco", 1),
    ],
    "derated_rightly": [
        rig.derated_rightly("gpu", "eco", "eco", 1, RUNNING),
        rig.derated_rightly("gpu", "full", "eco", 1, replace(RUNNING, derate=1)),
        rig.derated_rightly("gpu", "eco", "eco", 1, replace(IDLE, derate=1)),
    ],
    "neutral_before_tuning": [rig.neutral_before_tuning("gpu", "full", "eco", "neutral")],
    "held_through": [rig.held_through("coin", 1.9, 2.0)],
    "generation_grows": [rig.generation_grows(IDLE, State())],
    "ordered": [
        rig.ordered(RUNNING, []),
        rig.ordered(RUNNING, [replace(ORDER, workload="spare")]),
        rig.ordered(RUNNING, [replace(ORDER, order_id="other")]),
    ],
    "accounted": [
        rig.accounted(IDLE, frozenset({"coin"})),
        rig.accounted(RUNNING, frozenset({"coin", "chat"})),
    ],
    "went_back": [
        rig.went_back(replace(PROBING, previous="spare"), replace(IDLE, ended=Result.ROLLED_BACK))
    ],
    "seen_empty": [rig.seen_empty(1, 2)],
    "concluded": [rig.concluded(replace(FAILED, ended=None))],
    "leaves_failed": [rig.leaves_failed(FAILED, replace(IDLE, phase=Phase.PREPARING))],
    "bounded": [
        rig.bounded(replace(RUNNING, restarts=7), RULES),
        rig.bounded(replace(RUNNING, restarts=6, rejected=()), RULES),
    ],
    "emptied": [rig.emptied(VACATING, FAILED, frozenset({"coin"}))],
    "lock_kept": [rig.lock_kept(DRAINING, STOPPING, locked=True)],
    "lock_remembered": [rig.lock_remembered(LOCKED, RUNNING, told=False)],
    "stop_stands": [rig.stop_stands("hot", IDLE)],
    "stays_tripped": [rig.stays_tripped(replace(IDLE, tripped="hot"), IDLE)],
    "renewed_rightly": [rig.renewed_rightly(replace(RUNNING, lapsed=True), RUNNING, 0.1)],
    "remembered": [rig.remembered(PROBING, [RUNNING]), rig.remembered(None, [RUNNING])],
    "believed": [rig.believed(PROBING, [RUNNING])],
    "adopted": [rig.adopted(RUNNING, frozenset({"coin"}), replace(RUNNING, phase=Phase.STOPPING))],
    "judged": [letters.judged("it is forged", refused=False), letters.judged("", refused=True)],
    "lapsed_in_time": [rig.lapsed_in_time(RUNNING, 5.1, 5.0)],
    "offline": [rig.offline(replace(RUNNING, lapsed=True), RULES)],
    "cooled": [rig.cooled("gpu", 5.1, Phase.RUNNING, ["g0.coin"], 5.0)],
    "in_turn": [letters.in_turn(4, 4), letters.in_turn(4, 3)],
    "told_durably": [letters.told_durably(DONE, durable=False)],
    "observed_grows": [letters.observed_grows(STATUS, 3)],
    "believable": [controller.believable({"coin": replace(COIN, value=1.5)}, BAND)],
    "current": [controller.current({"coin": COIN}, 11.0, 10.0)],
    "within_limit": [
        controller.within_limit([SWITCHING, VIEW], [MOVES], set(), 1),
        controller.within_limit([VIEW], [MOVES], set(), 0),
    ],
    "movable": [controller.movable(MOVES, view, None) for view in (AWAY, SWITCHING, BROKEN)],
    "obeyed": [controller.obeyed(STAYS, VIEW, HOLD, ["spare"])],
    "lock_respected": [controller.lock_respected(MOVES, RENTED, held) for held in (None, HOLD)],
    "kept": [
        contracts.kept(MOVES, SERVES, None, OWED, Left(1, 0)),
        contracts.kept(STAYS, SERVES, None, OWED, NONE),
        contracts.kept(MOVES, replace(SERVES, status=SWITCHING.status), None, OWED, NONE),
    ],
    "fetched": [contracts.fetched(OWED, SHORT, [SERVES], {})],
    "told": [
        contracts.told(OWED, SHORT, [SERVES]),
        contracts.told(OWED, replace(CONFESSED, warnings=()), [SERVES]),
        contracts.told(OWED, replace(SERVING, contracts=(LACKING,)), [SERVES]),
    ],
    "honoured": [contracts.honoured(OWED, 0, [replace(LACKING, contract="other")])],
    "not_again": [controller.not_again("coin", 59.0, 60.0)],
    "ends_alike": [controller.ends_alike(DONE, FAILURE)],
    "says_why": [controller.says_why(replace(FAILURE, reason=""))],
    "unlisted_refused": [controller.unlisted_refused(replace(DONE, workload="thief"), "thief")],
    "ended_once": [
        rest.ended_once(STORED, ENDED[:1]),
        rest.ended_once(STORED, [*ENDED, ENDED[0]]),
    ],
    "agreed": [
        rest.agreed(RUNNING, 3),
        rest.agreed(replace(RUNNING, outcomes=(DONE,)), 2),
    ],
    "as_assigned": [
        rest.as_assigned(RUNNING, [], "coin"),
        rest.as_assigned(RUNNING, ["coin"], "spare"),
        rest.as_assigned(PROBING, ["coin"], "coin"),
        rest.as_assigned(replace(RUNNING, lapsed=True), ["coin"], "coin"),
        rest.as_assigned(FAILED, [], "coin"),
    ],
}
"""Of each checker, what it must not let pass."""


@pytest.mark.parametrize("name", KEPT)
def test_a_promise_kept_is_no_problem(name: str) -> None:
    assert KEPT[name] == ""


@pytest.mark.parametrize("name", BROKEN_PROMISES)
def test_a_broken_promise_is_named(name: str) -> None:
    assert all(BROKEN_PROMISES[name])


def test_no_checker_is_left_out() -> None:
    checkers = {
        name
        for module in (contracts, controller, letters, rest, rig)
        for name, checker in inspect.getmembers(module, inspect.isfunction)
        if checker.__module__ == module.__name__
        and not name.startswith("_")
        and inspect.signature(checker).return_annotation == "str"
    }
    assert checkers == set(KEPT) == set(BROKEN_PROMISES)


def test_a_rolled_back_assignment_may_lead_to_what_has_not_failed() -> None:
    both = replace(
        IDLE,
        ended=Result.ROLLED_BACK,
        rejected=(Rejection("coin", "bad"), Rejection("spare", "bad")),
    )
    assert rig.went_back(replace(PROBING, previous="spare"), both) == ""


def test_the_witness_remembers_the_first_broken_promise() -> None:
    witness = Witness(lambda: 12.5)
    witness("")
    assert witness.first is None
    for problem in ("this came first", "this came second"):
        with pytest.raises(ViolationError, match=problem):
            witness(problem)
    assert str(witness.first) == "at 12.500 s: this came first"
