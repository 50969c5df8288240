"""Parking in the rig's file: what check-config takes and refuses, and what status says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import service, settings
from agent.__main__ import main
from agent.core.model import State
from agent.core.workload import PARK_MEMORY_BYTES, Park
from agent.journal import FileJournal
from tests.agent.test_unit_settings import load
from wire.configfile import ConfigError
from wire.model import Phase

SERVER = {
    "kind": "inference",
    "driver": "vllm",
    "command": ["/usr/bin/vllm", "--enable-sleep-mode"],
    "environment": {"VLLM_SERVER_DEV_MODE": "1"},
    "model": "m",
    "park": "sleep-1",
}
MINER = {"command": ["/usr/bin/xmrig"]}


def test_a_server_that_sleeps_is_read_as_it_is_written(tmp_path: Path) -> None:
    rig = load(tmp_path, SERVER, MINER)
    service.check(rig)
    (group,) = rig.groups
    assert (group.workloads[0].park, group.workloads[1].park) == (Park.SLEEP_1, None)
    assert group.workloads[0].park_memory_bytes == PARK_MEMORY_BYTES
    assert group.rules().sleeper == "w0"
    assert [Park.SLEEP_1.level, Park.SLEEP_2.level] == [1, 2]


def test_without_it_nobody_sleeps(tmp_path: Path) -> None:
    assert load(tmp_path, MINER).groups[0].rules().sleeper is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"park": "sleep-3"}, "park"),
        ({"kind": "mining"}, "park: only an inference server can sleep"),
        ({"command": [], "container": {"image": "vllm:1"}}, "which processes are a container's"),
        ({"park_memory_bytes": 0}, "park_memory_bytes: must be above 0 and at most"),
        ({"park_memory_bytes": 2**40}, "park_memory_bytes: must be above 0 and at most"),
        ({"deadlines": {"park_s": 0}}, "deadlines.park_s: must be above 0 and finite"),
    ],
)
def test_what_cannot_sleep_is_refused(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(tmp_path, {**SERVER, **changes})


def test_a_group_has_one_sleeper(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="group g0: w0, w1 have `park`; of one group only one"):
        load(tmp_path, SERVER, SERVER)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"driver": "sglang"}, "park: driver 'sglang' cannot sleep, only vllm can"),
        ({"command": ["/usr/bin/vllm"]}, "park: `command` lacks `--enable-sleep-mode`"),
        ({"environment": {}}, 'park: `environment` lacks `VLLM_SERVER_DEV_MODE: "1"`'),
    ],
)
def test_a_server_that_could_not_sleep_is_refused(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    rig = load(tmp_path, {**SERVER, **changes})
    with pytest.raises(ConfigError, match=problem):
        service.check(rig)


@pytest.mark.parametrize("mode", ["exclusive_process", "prohibited"])
def test_no_profile_of_the_group_may_shut_a_second_process_out(tmp_path: Path, mode: str) -> None:
    profiles = tmp_path / "profiles.yaml"
    profiles.write_text(f"profiles: {{one: {{compute_mode: {mode}}}, two: {{power_limit_w: 200}}}}")
    profiles.chmod(0o600)
    load(tmp_path, SERVER, MINER)
    path = tmp_path / "agent.yaml"
    written = path.read_text() + f"gpu: {{tuner: helper, profiles_file: {profiles}}}\n"
    path.write_text(written.replace("- /usr/bin/xmrig", "- /usr/bin/xmrig\n    profile: two"))
    settings.load(path)
    path.write_text(written.replace("- /usr/bin/xmrig", "- /usr/bin/xmrig\n    profile: one"))
    with pytest.raises(ConfigError, match=f"w0: park: profile 'one' has `compute_mode: {mode}`"):
        settings.load(path)


def test_status_says_who_is_parked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rig = load(tmp_path, SERVER, MINER)
    journal = FileJournal(service.journal_path(rig, "g0"))
    journal.append(State(phase=Phase.RUNNING, active="w1", parked="w0", reason="so"))
    journal.close()
    assert main(["status", "--config", str(tmp_path / "agent.yaml")]) == 0
    assert "  asleep on the same GPUs, to be woken: w0\n" in capsys.readouterr().out
