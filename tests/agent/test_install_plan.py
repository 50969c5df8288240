"""What an installation and a removal would do, told from facts alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.install import look, plan, removal
from agent.install.facts import (
    CONFIG,
    POLKIT,
    POLKIT_DIR,
    STATE_DIR,
    SYSUSERS,
    UNITS_DIR,
    Facts,
    Rig,
    configuration,
    wanted,
)
from agent.install.steps import (
    Entry,
    File,
    Folder,
    Note,
    Put,
    Remove,
    Run,
    Step,
    Stop,
    changes,
    line,
)

UNIT = "rigshift-agent.service"
ENROLMENT = {"agent.yaml": b"rig: rig-1\n", "curve.key": b"secret"}
USERS = frozenset({"root", "rigshift", "rigshift-workload"})

BARE = Facts(
    shipped=look.shipped(),
    enrolment=ENROLMENT,
    enrolled_at="rig-1",
    found={POLKIT_DIR: Folder()},
    rig=Rig(units=("my-miner.service", "rigshift-workload@llama.service")),
)


def installed(facts: Facts) -> Facts:
    """The same machine after all steps were carried out."""
    standing = {**facts.found, **wanted(facts), **configuration(facts.enrolment)}
    runs = frozenset({UNIT})
    return replace(facts, found=standing, users=USERS, enabled=runs, active=runs)


INSTALLED = installed(BARE)


def commands(steps: tuple[Step, ...]) -> list[str]:
    return [" ".join(step.command) for step in steps if isinstance(step, Run)]


def put(steps: tuple[Step, ...]) -> dict[str, Entry]:
    return {step.path: step.entry for step in steps if isinstance(step, Put)}


def notes(steps: tuple[Step, ...]) -> list[str]:
    return [step.text for step in steps if isinstance(step, Note)]


def with_file(facts: Facts, path: str, content: bytes, **changes: Rig) -> Facts:
    old = facts.found[path]
    assert isinstance(old, File)
    fresh = {**facts.found, path: replace(old, content=content)}
    return replace(facts, found=fresh, rig=changes.get("rig", facts.rig))


def test_a_bare_machine_gets_everything_in_an_order_that_works() -> None:
    steps = plan.plan(BARE)
    lines = [line(step) for step in steps]
    assert commands(steps) == [
        "systemd-sysusers rigshift.conf",
        "systemctl daemon-reload",
        f"systemctl enable --now {UNIT}",
    ]
    users = lines.index("run     systemd-sysusers rigshift.conf")
    assert lines.index(f"create  {SYSUSERS}  root:root 0644") < users
    assert users < lines.index("create  /etc/rigshift/curve.key  rigshift:rigshift 0600")
    assert lines[-1] == f"run     systemctl enable --now {UNIT}"
    assert "note    rig-1 holds this rig's secret too; remove it" in lines


def test_the_agent_may_not_write_what_may_run() -> None:
    entry = put(plan.plan(BARE))[CONFIG]
    assert (entry.owner, entry.group, entry.mode) == ("root", "rigshift", 0o640)


def test_rights_are_given_to_the_units_of_the_rigs_file_only() -> None:
    rules = put(plan.plan(BARE))[POLKIT]
    assert isinstance(rules, File)
    assert b'var RIGSHIFT_UNITS = ["my-miner.service"];' in rules.content


def test_a_rigs_file_that_cannot_be_read_takes_no_right_away() -> None:
    facts = replace(INSTALLED, rig=Rig(units=None, unusable="not valid YAML"))
    assert put(plan.plan(facts)) == {}


def test_the_second_time_there_is_nothing_to_do() -> None:
    assert plan.plan(INSTALLED) == ()
    assert plan.plan(replace(INSTALLED, enrolment={})) == ()


def test_the_controllers_unit_is_not_for_rigs() -> None:
    assert [path for path in put(plan.plan(BARE)) if "controller" in path] == []


@pytest.mark.parametrize("path", [f"{UNITS_DIR}/{UNIT}", f"{UNITS_DIR}/rigshift-workload@.service"])
def test_a_unit_of_an_older_version_is_renewed(path: str) -> None:
    steps = plan.plan(with_file(INSTALLED, path, b"[Service]\n"))
    assert list(put(steps)) == [path]
    restarts = [f"systemctl restart {UNIT}"] if path.endswith(UNIT) else []
    assert commands(steps) == ["systemctl daemon-reload", *restarts]


def test_a_mode_or_an_owner_that_is_off_is_mended() -> None:
    entry = INSTALLED.found[POLKIT]
    assert isinstance(entry, File)
    found = {**INSTALLED.found, POLKIT: replace(entry, mode=0o666)}
    (step,) = plan.plan(replace(INSTALLED, found=found))
    assert line(step) == f"update  {POLKIT}  root:root 0644"


def test_an_agent_that_was_stopped_or_is_not_enabled_is_started() -> None:
    nothing: frozenset[str] = frozenset()
    for changed in (replace(INSTALLED, active=nothing), replace(INSTALLED, enabled=nothing)):
        assert commands(plan.plan(changed)) == [f"systemctl enable --now {UNIT}"]


def test_only_a_rig_whose_gpus_are_tuned_gets_the_root_helper() -> None:
    assert [path for path in put(plan.plan(BARE)) if "helper" in path] == []
    steps = plan.plan(replace(BARE, rig=replace(BARE.rig, helped=True)))
    helper = put(steps)[f"{UNITS_DIR}/rigshift-gpu-helper.service"]
    assert isinstance(helper, File)
    assert b"ExecStart=/opt/rigshift/bin/rigshift-gpu-helper " in helper.content
    assert commands(steps)[-1] == f"systemctl enable --now {UNIT} rigshift-gpu-helper.socket"


def test_profiles_are_roots() -> None:
    facts = replace(BARE, enrolment={**ENROLMENT, "profiles.yaml": b"profiles: {}"})
    entry = put(plan.plan(facts))["/etc/rigshift/profiles.yaml"]
    assert (entry.owner, entry.group, entry.mode) == ("root", "root", 0o644)


def test_units_find_the_program_where_it_is() -> None:
    program = "/srv/rigshift/bin/rigshift-agent"
    unit = put(plan.plan(replace(BARE, program=program)))[f"{UNITS_DIR}/{UNIT}"]
    assert isinstance(unit, File)
    assert f"ExecStart={program} run".encode() in unit.content


# What the farm has edited.


def test_an_edited_file_is_kept_and_it_is_told_how_to_take_the_new_one() -> None:
    rig = replace(INSTALLED.rig, edited=("link", "groups"))
    steps = plan.plan(with_file(INSTALLED, CONFIG, b"rig: mine\n", rig=rig))
    assert changes(steps) == 0
    take = f"install -o root -g rigshift -m 0640 rig-1/agent.yaml {CONFIG}"
    (note,) = notes(steps)
    assert note == (
        f"{CONFIG}: differs from the enrolment's in link, groups; to take that instead: {take}"
    )


def test_groups_are_the_farms_to_write() -> None:
    rig = replace(INSTALLED.rig, edited=("groups",))
    steps = plan.plan(with_file(INSTALLED, CONFIG, b"groups: [mine]", rig=rig))
    assert notes(steps) == [f"{CONFIG}: `groups` are yours, the rest is as enrolled"]


def test_another_secret_is_kept_and_never_shown() -> None:
    steps = plan.plan(with_file(INSTALLED, "/etc/rigshift/curve.key", b"another"))
    assert changes(steps) == 0
    (note,) = notes(steps)
    assert "curve.key: differs from the enrolment's; to take that" in note
    assert "secret" not in repr(steps)
    assert "another" not in repr(steps)


def test_no_agent_is_started_with_a_file_that_cannot_be_used() -> None:
    steps = plan.plan(replace(BARE, rig=Rig(unusable="groups: none")))
    assert commands(steps)[-1] == "systemctl daemon-reload"
    assert notes(steps)[-2:] == [
        "the agent is not started yet: groups: none",
        f"edit {CONFIG}, then run `rigshift-agent install` again",
    ]


# A tree that is not this machine.


def test_in_a_tree_nothing_is_started() -> None:
    assert commands(plan.plan(replace(BARE, root="/srv/image"))) == [
        "systemd-sysusers --root=/srv/image rigshift.conf",
        f"systemctl --root=/srv/image enable {UNIT}",
    ]
    assert plan.plan(replace(INSTALLED, root="/srv/image", active=frozenset())) == ()


# What is refused.


def test_only_root_may_and_only_where_systemd_runs() -> None:
    assert "run it with `sudo`" in plan.refusal("", is_root=False, systemd=True)
    assert "systemd does not run this machine" in plan.refusal("", is_root=True, systemd=False)
    assert plan.refusal("/srv/image", is_root=True, systemd=False) == ""
    assert plan.refusal("", is_root=True, systemd=True) == ""


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        (replace(BARE, program="/home/anna/v/bin/rigshift-agent"), "cannot see it there"),
        (replace(BARE, found={}), "apt-get install polkitd"),
        (replace(BARE, enrolment={}), "with --enrolment"),
    ],
)
def test_what_could_not_work_is_refused_with_what_to_do(facts: Facts, problem: str) -> None:
    assert problem in plan.hindrance(facts)


def test_nothing_hinders_a_sound_installation() -> None:
    assert plan.hindrance(BARE) == ""
    assert plan.hindrance(replace(INSTALLED, enrolment={})) == ""


# Removal.

RUNNING = replace(
    INSTALLED,
    found={**INSTALLED.found, STATE_DIR: Folder()},
    workloads=("g0.etc", "g1.llama"),
)


def removed(facts: Facts, *, purge: bool = False, stop: bool = False) -> tuple[Step, ...]:
    return removal.plan(facts, purge=purge, stop_workloads=stop)


def test_a_removal_leaves_workloads_configuration_and_state() -> None:
    steps = removed(RUNNING)
    assert commands(steps) == [f"systemctl disable --now {UNIT}", "systemctl daemon-reload"]
    gone = {step.path for step in steps if isinstance(step, Remove)}
    assert gone == {path for path in wanted(RUNNING) if not path.startswith("/etc/rigshift")}
    assert notes(steps) == [
        "running: g0.etc, g1.llama; --stop-workloads ends them",
        f"/etc/rigshift, {STATE_DIR}; --purge removes them",
        "users rigshift, rigshift-workload; `userdel` removes them",
    ]


def test_workloads_are_ended_once_the_agent_cannot_start_them_again() -> None:
    steps = removed(RUNNING, stop=True)
    assert steps[:3] == (
        Run(("systemctl", "disable", "--now", UNIT)),
        Stop("g0.etc"),
        Stop("g1.llama"),
    )
    assert line(steps[1]) == "stop    workload g0.etc"


def test_a_purge_takes_everything() -> None:
    gone = {s.path for s in removed(RUNNING, purge=True, stop=True) if isinstance(s, Remove)}
    assert {"/etc/rigshift", STATE_DIR} < gone


def test_nothing_is_purged_from_under_what_runs() -> None:
    assert "g0.etc, g1.llama would run on" in removal.hindrance(
        RUNNING, purge=True, stop_workloads=False
    )
    assert removal.hindrance(RUNNING, purge=True, stop_workloads=True) == ""
    assert removal.hindrance(RUNNING, purge=False, stop_workloads=False) == ""


def test_a_controller_on_the_same_machine_keeps_what_it_shares() -> None:
    unit = f"{UNITS_DIR}/rigshift-controller.service"
    shared = replace(RUNNING, found={**RUNNING.found, unit: File(b"")})
    assert "a controller is installed here too" in removal.hindrance(
        shared, purge=True, stop_workloads=True
    )
    assert Remove(SYSUSERS) not in removed(shared)
    assert Remove(unit) not in removed(shared)


def test_where_nothing_stands_nothing_is_removed() -> None:
    assert removed(Facts(shipped=look.shipped(), users=frozenset({"root"}))) == ()


def test_what_is_shipped_is_what_deploy_holds() -> None:
    deploy = Path(__file__).parents[2] / "deploy"
    for path, content in look.shipped().items():
        assert (deploy / path).read_bytes() == content
    assert f"systemd/{UNIT}" in look.shipped()
