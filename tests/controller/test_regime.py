"""The policy in force: what becomes of it on rigs, in the audit, and over a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from controller import accession, overview, settings
from controller.core.farm import StrikeSettings
from controller.core.model import GroupKey
from controller.orders import BadRequestError, ConflictError
from controller.policies import activation
from controller.ports import Scene, StoreError
from controller.records import CONFIGURATION, StoredOutcome
from controller.regime import SPENDING_S, Regime, remembered
from controller.store.memory import MemoryStore
from tests.controller import farm_file
from tests.controller.control import PATIENCE_S, standing_by, status
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, quotes, view
from tests.controller.governed import CONTRACT, OWING, TEXT, Office, governed, policy
from tests.sim.clock import run
from wire import messages
from wire.configfile import ConfigError
from wire.model import Outcome, Phase, Result

RULE = """\
rules:
  - name: dear
    when: quote.btc > 1
    reason: coin is dear
    then: {workload_premium_usd_per_gpu_h: {xmr: 9}}
"""
DESKS = "desks: [{name: ai, kinds: [inference], operators: [ada]}]\n"


def test_a_contract_reaches_the_rig_as_a_commitment_and_its_end_as_freedom() -> None:
    async def scenario() -> None:
        async with governed(OWING) as control:
            rig = await standing_by(control)
            await rig.listen(PATIENCE_S)
            (order,) = rig.orders()[-1].assignments
            assert (order.workload, order.committed) == ("llama", True)
            await rig.say(messages.StateReport((status("llama", 1),)))
            await rig.listen(PATIENCE_S)
            assert (control.view().generation, control.view().committed) == (1, True)
            control.regime.adopt(policy(TEXT))
            await rig.listen(PATIENCE_S)
            (kept,) = control.store.assignments()
            assert (kept.assignment.generation, kept.assignment.committed) == (2, False)

    run(scenario())


def test_a_contract_is_no_way_out_of_quarantine() -> None:
    async def scenario() -> None:
        async with governed(OWING) as control:
            rig = await standing_by(control)
            await rig.listen(PATIENCE_S)
            failed = replace(status("llama", 1), phase=Phase.FAILED)
            await rig.say(messages.StateReport((failed,)))
            await rig.listen(PATIENCE_S)
            assert control.view().generation == 1
            assert control.reconciler.newest is not None
            assert "1 quarantined" in control.reconciler.newest.warnings[0]

    run(scenario())


def test_a_strike_of_price_stops_groups_until_power_is_cheap_again() -> None:
    strike = StrikeSettings(above_usd_per_kwh=0.3, below_usd_per_kwh=0.2, hours="")
    site = replace(FARM.sites[0], strikes=(strike,))
    farm = replace(FARM, sites=(site,))
    regime = Regime(policy(TEXT, farm), farm)
    views = [view(0, "llama"), view(1, "llama")]
    chosen = []
    for number, power in enumerate((0.1, 0.31, 0.25, 0.2)):
        prices = {**PRICES, "power": power, "rent": 1.0}
        scene = Scene(views, quotes(prices), [], NOW + number, NOW)
        plan = regime.decide(scene)
        chosen.append([decision.chosen for decision in plan.decisions])
        told = [text for text in plan.warnings if "may draw 0.00 kW for now" in text]
        assert len(told) == (chosen[-1] == [None, None])
        assert regime.foresee(scene).decisions == plan.decisions
    assert chosen == [["llama", "llama"], [None, None], [None, None], ["llama", "llama"]]


def test_what_switches_cost_is_booked_once_and_forgotten_after_a_day() -> None:
    async def scenario() -> None:
        async with governed(OWING) as control:
            rig = await standing_by(control)
            await rig.listen(PATIENCE_S)
            await rig.listen(60.0)
            now = control.now()
            spent = control.regime.spent_usd(now)
            assert spent == pytest.approx(POLICY.mining_switch.cost_usd, rel=0.5)
            assert control.regime.spent_usd(now + SPENDING_S) == 0.0

    run(scenario())


def test_a_restarted_controller_knows_what_yesterdays_switches_cost() -> None:
    def ended(generation: int, result: Result, at: float, workload: str | None) -> StoredOutcome:
        phases = ((Phase.STARTING, 1.0),)
        outcome = Outcome("o", "g0", generation, result, "etc", workload, phases)
        return StoredOutcome(rig="rig-1", outcome=outcome, received_at=at)

    outcomes = [
        ended(4, Result.DONE, NOW - 60.0, "llama"),
        ended(3, Result.ROLLED_BACK, NOW - 90.0, "xmr"),
        ended(2, Result.REFUSED, NOW - 95.0, "xmr"),
        ended(2, Result.DONE, NOW - 96.0, "etc"),
        ended(1, Result.DONE, NOW - 2 * SPENDING_S, "llama"),
    ]
    costs = [one.usd for one in remembered(outcomes, POLICY, FARM, NOW)]
    assert costs == [POLICY.mining_switch.cost_usd, POLICY.inference_switch.cost_usd]


def test_a_rule_moves_the_fleet_and_ends_when_its_price_is_gone() -> None:
    office = Office(MemoryStore(), TEXT + RULE)
    assert [d.chosen for d in office.plan(btc=2.0).decisions] == ["xmr", "xmr"]
    silent = office.plan(btc=None)
    assert silent.warnings == (
        "rule dear counts as not true, for its condition no quote for btc: stale",
    )
    assert [d.chosen for d in silent.decisions] == ["llama", "llama"]


def test_show_tells_rules_contracts_and_money() -> None:
    office = Office(MemoryStore(), OWING + RULE)
    office.plan(btc=None)
    shown = office.policies.show()
    assert (shown.version.number, shown.version.actor) == (1, CONFIGURATION)
    assert [(r.name, r.active, r.trouble) for r in shown.rules] == [
        ("dear", False, "no quote for btc: stale")
    ]
    assert [(c.contract, c.bound_gpus) for c in shown.contracts] == [("acme", 1)]
    assert shown.contracted_usd_per_h == 0.5


def test_a_preview_changes_nothing_and_names_what_would_move() -> None:
    office = Office(MemoryStore(), count=1)
    before = office.plan(btc=2.0, demand=0.0)
    preview = office.policies.preview(OWING + RULE, "new.yaml")
    assert [(str(m.key), m.without, m.planned) for m in preview.moves] == [
        ("rig000/all", "etc", "llama")
    ]
    assert preview.usd_per_h == pytest.approx((0.5 - 0.015) - (0.03 - 0.013))
    assert preview.changes[0].startswith("contract acme is new: customer ACME Inc")
    assert office.plan(btc=2.0, demand=0.0) == before
    assert [one.number for one in office.store.policies(limit=9)] == [1]
    assert office.regime.rules == {}


def test_a_preview_takes_conditions_as_they_are_now() -> None:
    office = Office(MemoryStore())
    office.plan(btc=2.0)
    slow = RULE.replace("reason:", "for_s: 86400\n    reason:")
    preview = office.policies.preview(TEXT + slow, "new.yaml")
    assert {move.planned for move in preview.moves} == {"xmr"}


def test_an_activation_is_durable_audited_and_used_from_the_next_plan_on() -> None:
    office = Office(MemoryStore())
    office.plan()
    stored = office.policies.activate(OWING, "new.yaml", "bo", "ACME signed")
    assert (stored.number, stored.actor, stored.reason) == (2, "bo", "ACME signed")
    assert [one.number for one in office.store.policies(limit=9)] == [2, 1]
    (event, *_) = office.store.events(limit=1)
    assert (event.actor, event.verb) == ("bo", "activate policy")
    assert event.detail.startswith("ACME signed; contract acme is new")
    assert office.board.newest is not None
    assert [d.committed for d in office.board.newest.decisions] == [True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("margin_usd_per_h: [", "new.yaml: not valid YAML"),
        ("margn: 1", "new.yaml:1: margn: object contains unknown field"),
        ("margin_usd_per_h: -1", "new.yaml:1: margin_usd_per_h: must be 0 or more"),
        (TEXT + RULE.replace("btc", "gold"), "new.yaml:6: rules.0.when: the condition asks for"),
        (TEXT + CONTRACT + "    sites: [rome]\n", "new.yaml:12: contracts.0.sites: no site 'rome'"),
        ("#" * 60_000, "new.yaml: longer than"),
    ],
)
def test_a_broken_text_never_takes_the_place_of_a_good_one(text: str, words: str) -> None:
    office = Office(MemoryStore())
    for act in (
        lambda: office.policies.check(text, "new.yaml"),
        lambda: office.policies.preview(text, "new.yaml"),
        lambda: office.policies.activate(text, "new.yaml", "bo", "why not"),
    ):
        with pytest.raises(BadRequestError) as refused:
            act()
        assert words in str(refused.value)
    assert office.regime.policy.text == TEXT
    assert len(office.store.policies(limit=9)) == 1


def test_the_same_text_and_a_desks_own_operator_are_refused() -> None:
    office = Office(MemoryStore(), TEXT + DESKS)
    with pytest.raises(ConflictError, match="in force already"):
        office.policies.activate(TEXT + DESKS, "new.yaml", "bo", "again")
    with pytest.raises(ConflictError, match="ada is an operator of desk ai"):
        office.policies.activate(TEXT, "new.yaml", "ada", "freedom")


def test_two_activations_at_once_cannot_overtake_each_other() -> None:
    office = Office(MemoryStore())
    stored = office.store.policies(limit=1)[0]
    (event,) = office.store.events(limit=1)
    with pytest.raises(StoreError, match="somebody activated another one meanwhile"):
        office.store.put_policy(replace(stored, number=3), event)


def configured(folder: Path, text: str) -> settings.Settings:
    """A controller's settings whose policy stands in a file of its own."""
    (folder / "policy.yaml").write_text(text)
    return settings.load(farm_file.write(folder, policy_file="policy.yaml"))


def test_what_was_activated_survives_a_restart_and_a_changed_file_replaces_it(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    first = accession.in_force(configured(tmp_path, TEXT), store, NOW)
    assert (first.text, len(store.policies(limit=9))) == (TEXT, 1)
    activation(store, first, policy(TEXT + CONTRACT), NOW + 1.0, "bo", "ACME signed")
    assert accession.in_force(configured(tmp_path, TEXT), store, NOW + 2.0).text == OWING
    changed = TEXT.replace("dwell_s: 0", "dwell_s: 60")
    assert accession.in_force(configured(tmp_path, changed), store, NOW + 3.0).text == changed
    newest = store.policies(limit=1)[0]
    assert (newest.number, newest.actor) == (3, CONFIGURATION)
    assert newest.changes.splitlines() == ["dwell: 0 s → 60 s", "contract acme is gone" + GONE]


GONE = (
    " (was customer ACME Inc, workload llama, gpus 1, price $0.5/GPU-h, penalty $2/GPU-h, "
    "start 1970-01-01 00:00 UTC)"
)


def test_a_broken_file_leaves_the_last_good_policy_in_force(tmp_path: Path) -> None:
    store = MemoryStore()
    with pytest.raises(ConfigError, match=r"policy.yaml:1: margn"):
        accession.in_force(configured(tmp_path, "margn: 1"), store, NOW)
    accession.in_force(configured(tmp_path, TEXT), store, NOW)
    assert accession.in_force(configured(tmp_path, "margn: 1"), store, NOW).text == TEXT


def test_a_policy_whose_site_is_gone_says_how_to_go_on(tmp_path: Path) -> None:
    store = MemoryStore()
    tied = TEXT + CONTRACT + "    sites: [oslo]\n"
    accession.in_force(configured(tmp_path, tied), store, NOW)
    moved = configured(tmp_path, tied)
    farm = replace(moved.farm, sites=(replace(moved.farm.sites[0], name="rome"),))
    with pytest.raises(ConfigError, match="the farm's settings have changed under it"):
        accession.in_force(replace(moved, farm=farm), store, NOW)


def test_an_inline_policy_names_its_line_and_becomes_a_text(tmp_path: Path) -> None:
    inline = {"policy": yaml.safe_load(TEXT + RULE.replace("btc", "etc"))}
    loaded = settings.load(farm_file.write(tmp_path, **inline))
    made = accession.in_force(loaded, MemoryStore(), NOW)
    assert made.settings == loaded.policy
    again = policy(made.text)
    assert again.settings == loaded.policy
    with pytest.raises(
        ConfigError, match=r"controller.yaml:\d+: policy.rules.0.when: the condition"
    ):
        settings.load(farm_file.write(tmp_path, policy=yaml.safe_load(TEXT + RULE)))


def test_a_policy_in_two_places_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stands here and in `policy_file`"):
        settings.load(farm_file.write(tmp_path, policy={"dwell_s": 1.0}, policy_file="policy.yaml"))


def test_the_group_that_a_contract_frees_is_what_the_fleet_says() -> None:
    office = Office(MemoryStore())
    office.board.views = [view(0, "llama", committed=True)]
    (decision,) = office.plan(demand=0.0).decisions
    assert (decision.key, decision.committed) == (GroupKey("rig000", "all"), False)


def test_the_doctor_names_a_contract_that_is_short_and_is_silent_without_any() -> None:
    office = Office(MemoryStore(), TEXT)
    assert overview.promises(office.plan()) == overview.promises(None) == ()
    office.regime.adopt(policy(OWING))
    assert [check.ok for check in overview.promises(office.plan())] == [True, True]
    office.board.views = [view(0, online=False)]
    short, _ = overview.promises(office.plan())
    assert (short.ok, "acme lacks 1 of 1 GPUs (of 1 groups" in short.detail) == (False, True)
