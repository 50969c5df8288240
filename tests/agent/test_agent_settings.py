"""A rig's file: what it must not say, and what each refusal tells the engineer to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agent import settings
from agent.core.model import Offline
from agent.core.workload import Deadlines
from agent.settings import Settings
from tests.agent.groups import SIGNER
from wire.configfile import ConfigError
from wire.model import GroupOffer, Kind, WorkloadOffer

ZEROMQ = {
    "endpoint": "tcp://127.0.0.1:9701",
    "server_key": "x" * 40,
    "secret_key_file": "curve.key",
}


def etc(**changes: Any) -> dict[str, Any]:
    usual = {"name": "etc", "kind": "mining", "driver": "xmrig", "power_w": 900.0}
    return {**usual, "command": ["/opt/miner"], **changes}


def group(**changes: Any) -> dict[str, Any]:
    return {"name": "g0", "gpus": ["GPU-a", "GPU-b"], "workloads": [etc()], **changes}


def document(**changes: Any) -> dict[str, Any]:
    return {
        "rig": "rig-1",
        "state_dir": "/var/lib/rigshift",
        "order_key": SIGNER.public_key,
        "link": {"zeromq": ZEROMQ},
        "groups": [group()],
        **changes,
    }


def load(tmp_path: Path, content: dict[str, Any] | str) -> Settings:
    path = tmp_path / "agent.yaml"
    path.write_text(
        content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    )
    return settings.load(path)


def told(tmp_path: Path, content: dict[str, Any] | str) -> str:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, content)
    return str(refused.value).removeprefix(str(tmp_path))


def test_workloads_know_the_group_and_the_gpus_they_stand_under(tmp_path: Path) -> None:
    loaded = load(tmp_path, document())
    workload = loaded.workload("g0", "etc")
    assert (workload.key, workload.gpus) == ("g0.etc", ("GPU-a", "GPU-b"))
    assert workload.deadlines == Deadlines()
    for unknown in (("g0", "llama"), ("g1", "etc")):
        with pytest.raises(KeyError):
            loaded.workload(*unknown)


def test_secrets_lie_beside_the_file_that_names_them(tmp_path: Path) -> None:
    link = load(tmp_path, document()).link.zeromq
    assert link is not None
    assert link.secret_key_file == tmp_path / "curve.key"


def test_the_machine_and_the_controller_are_told_what_they_must_know(tmp_path: Path) -> None:
    content = document(groups=[group(offline="safe", safe_workload="etc", restarts_max=7)])
    (loaded,) = load(tmp_path, content).groups
    rules = loaded.rules()
    assert rules.allowed == frozenset({"etc"})
    assert (rules.offline, rules.safe_workload, rules.restarts_max) == (Offline.SAFE, "etc", 7)
    assert loaded.offer() == GroupOffer(
        "g0", ("GPU-a", "GPU-b"), (WorkloadOffer("etc", Kind.MINING, 900.0),)
    )


def test_unknown_keys_are_named_with_their_line(tmp_path: Path) -> None:
    text = yaml.safe_dump(document(), sort_keys=False) + "report_intervall_s: 5\n"
    line = text.count("\n")
    assert told(tmp_path, text).startswith(f"/agent.yaml:{line}: report_intervall_s: ")
    nested = told(tmp_path, document(groups=[group(workloads=[etc(comand=["x"])])]))
    assert "groups.0.workloads.0.comand: object contains unknown field" in nested


def test_keys_that_stand_twice_are_named_with_their_line(tmp_path: Path) -> None:
    text = yaml.safe_dump(document(), sort_keys=False) + "rig: rig-2\n"
    assert f"/agent.yaml:{text.count(chr(10))}: key `rig` stands twice; keep one" in told(
        tmp_path, text
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"link": {}}, "link: name exactly one transport, `zeromq` or `mqtt`"),
        (
            {"link": {"zeromq": ZEROMQ, "mqtt": {"url": "mqtt://127.0.0.1"}}},
            "link: name exactly one transport",
        ),
        ({"groups": []}, "groups: none; list the GPUs that are switched together"),
        ({"groups": [group(name=f"g{n}", gpus=[f"G{n}"]) for n in range(65)]}, "at most 64 GPU"),
        ({"groups": [group(), group(gpus=["GPU-c"])]}, "groups: name 'g0' stands twice"),
        ({"groups": [group(), group(name="g1")]}, "groups: GPU 'GPU-a' stands twice"),
        ({"groups": [group(gpus=["GPU-a", "GPU-a"])]}, "groups: GPU 'GPU-a' stands twice"),
        ({"groups": [group(gpus=[])]}, "group g0: gpus: name at least one GPU UUID"),
        ({"groups": [group(workloads=[etc(), etc()])]}, "group g0: workload 'etc' stands twice"),
        ({"groups": [group(workloads=[etc(name="off")])]}, "workload name 'off': use letters"),
        ({"groups": [group(workloads=[etc(name="a/b")])]}, "workload name 'a/b': use letters"),
        ({"groups": [group(name="g 0")]}, "name 'g 0': use letters, digits"),
        ({"rig": "rig/1"}, "name 'rig/1': use letters, digits, `-` and `_`, 1 to 64 of them"),
        ({"rig": ""}, "name '': use letters"),
        ({"groups": [group(offline="safe")]}, "`offline: safe` needs `safe_workload`, one of etc"),
        (
            {"groups": [group(offline="safe", safe_workload="spare")]},
            "group g0: `offline: safe` needs `safe_workload`, one of etc",
        ),
        ({"groups": [group(offline="sleep")]}, "groups.0.offline: invalid enum value 'sleep'"),
        ({"groups": [group(restarts_max=-1)]}, "group g0: restarts_max: must be 0 or more"),
        ({"order_key": "abc"}, "is no Ed25519 public key in base64; take it from the enrolment"),
        ({"gpu": {"source": "simulated"}}, "gpu: `source: simulated` needs `simulated_dir`"),
        ({"gpu": {"source": "amd"}}, "gpu.source: 'amd' is unknown; write `nvml` or `simulated`"),
        ({"gpu": {"fast_interval_s": 0}}, "gpu: `fast_interval_s` must be above 0"),
        ({"gpu": {"fast_interval_s": float("nan")}}, "gpu: `fast_interval_s` must be above 0"),
        ({"gpu": {"vacant_samples": 0}}, "must be 1 or more, or nothing would be looked at"),
        ({"gpu": {"vacant_memory_bytes": -1}}, "vacant_memory_bytes"),
        ({"safety": {"samples": 0}}, "must be 1 or more, or nothing would be looked at"),
        (
            {"safety": {"temperature_max_c": float("nan")}},
            "safety.temperature_max_c: must be above 0 and finite, not nan",
        ),
        ({"safety": {"memory_temperature_max_c": float("inf")}}, "must be above 0 and finite"),
        ({"report_interval_s": -1.0}, "report_interval_s: must be above 0 and finite, not -1"),
        ({"telemetry_interval_s": 0.0}, "telemetry_interval_s: must be above 0"),
        ({"lock_interval_s": 0.0}, "lock_interval_s: must be above 0"),
        ({"boot_grace_s": -1.0}, "boot_grace_s: must be 0 or more"),
        ({"metrics": {"port": 99_999}}, "metrics.port: 99999 is no port; use 0 (any free one)"),
        (
            {"groups": [group(workloads=[etc(deadlines={"stop_s": 0})])]},
            "group g0: workload etc: deadlines.stop_s: must be above 0 and finite, not 0",
        ),
        (
            {"groups": [group(workloads=[etc(market={"machine": "4242"})])]},
            "group g0: workload etc: deadlines.stop_s: 20 is too short for a marketplace",
        ),
        (
            {"groups": [group(workloads=[etc(readiness={"hold_s": 900})])]},
            "readiness.hold_s: must be 0 or more and below `deadlines.probe_s`",
        ),
        (
            {"groups": [group(workloads=[etc(power_w=float("inf"))])]},
            "group g0: workload etc: power_w: must be 0 or more and finite, not inf",
        ),
        ({"groups": [group(workloads=[etc(power_w=-1.0)])]}, "power_w: must be 0 or more"),
        ({"groups": [group(workloads=[etc(power_w=float("nan"))])]}, "power_w: must be 0 or more"),
        ({"report_interval_s": "soon"}, "report_interval_s: expected `float`, got `str`"),
    ],
)
def test_what_a_rigs_file_must_not_say(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    assert message in told(tmp_path, document(**changes))
