"""`rigshift-agent`: what it says, to which stream, and with which exit code it leaves."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from agent import service
from agent.__main__ import main
from agent.journal import FileJournal
from agent.settings import load
from tests.agent.scripts import running, switching
from tests.agent.test_agent_settings import ZEROMQ, document, etc, group
from tests.agent.tuning import profiles_file
from wire import statedir, zeromq
from wire.model import Phase

KEYS = zeromq.generate_keys()


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Desk:
    """A rig's folder, and what the program says about it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.path = folder / "agent.yaml"
        self._capsys = capsys
        (folder / "curve.key").write_text(KEYS.secret)
        (folder / "curve.key").chmod(0o600)

    def write(self, **changes: Any) -> None:
        usual = {
            "state_dir": str(self.folder / "state"),
            "link": {"zeromq": {**ZEROMQ, "server_key": KEYS.public}},
            "gpu": {"source": "simulated", "simulated_dir": str(self.folder / "gpus")},
            "metrics": {"port": 0},
        }
        self.path.write_text(yaml.safe_dump(document(**{**usual, **changes})))

    def says(self, verb: str, *options: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        code = main([verb, "--config", str(self.path), *options])
        told = self._capsys.readouterr()
        return code, told.out, told.err


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(tmp_path, capsys)
    desk.write()
    return desk


def test_a_good_file_is_summed_up(desk: Desk) -> None:
    code, out, err = desk.says("check-config")
    assert (code, err) == (0, "")
    assert "good. rig rig-1, state in" in out
    assert "g0: 2 GPUs; may run etc; offline: keep" in out


@pytest.mark.parametrize("verb", ["run", "check-config", "status"])
def test_a_bad_file_is_bad_input(desk: Desk, verb: str) -> None:
    desk.write(groups=[])
    code, out, err = desk.says(verb)
    assert (code, out) == (2, "")
    assert err.startswith(f"rigshift-agent: {desk.path}: groups: none; list the GPUs")


def test_a_missing_file_says_what_to_do(desk: Desk) -> None:
    desk.path.unlink()
    code, _, err = desk.says("run")
    assert code == 2
    assert "no such file; name the right one with --config" in err


@pytest.mark.parametrize("verb", ["run", "check-config"])
def test_a_driver_that_this_agent_lacks_is_bad_input(desk: Desk, verb: str) -> None:
    desk.write(groups=[group(workloads=[etc(driver="xmrigg")])])
    code, _, err = desk.says(verb)
    assert code == 2
    assert "workload etc: driver 'xmrigg' is unknown; this agent has akash, bzminer, clore," in err


def test_a_bad_order_key_is_bad_input_before_anything_runs(desk: Desk) -> None:
    desk.write(order_key="AAAA")
    for verb in ("run", "check-config"):
        code, _, err = desk.says(verb)
        assert code == 2
        assert "take it from the enrolment file" in err


def test_a_state_directory_that_cannot_be_written_is_bad_input(desk: Desk) -> None:
    (desk.folder / "state").write_text("a file stands in the way")
    code, _, err = desk.says("run")
    assert code == 2
    assert "it must be possible to write here" in err
    assert "mend `state_dir` or its owner" in err


def test_a_secret_that_others_can_read_is_bad_input(desk: Desk) -> None:
    (desk.folder / "curve.key").chmod(0o644)
    code, _, err = desk.says("run")
    assert code == 2
    assert f"chmod 600 {desk.folder / 'curve.key'}" in err


def test_a_second_agent_keeps_off_the_first_ones_state(desk: Desk) -> None:
    with statedir.claimed(desk.folder / "state"):
        code, _, err = desk.says("run")
    assert code == 2
    assert "another process works with this state" in err


def test_a_profile_that_nobody_knows_is_bad_input(desk: Desk) -> None:
    desk.write(groups=[group(workloads=[etc(profile="fast")])])
    code, _, err = desk.says("check-config")
    assert code == 2
    assert "profile 'fast' is unknown; use `neutral`" in err


PROFILES = "profiles: {eco: {power_limit_w: 200}, fast: {memory_offset_mhz: 900}}"


@pytest.mark.parametrize(
    ("workload", "reason"),
    [
        ({"profile": "eco"}, ""),
        ({"profile": "fast"}, ""),
        ({"profile": "slow"}, "profile 'slow' is unknown; {} has eco, fast, neutral"),
        ({"profile": "eco", "kind": "inference"}, ""),
        ({"profile": "fast", "kind": "inference"}, "which can make answers wrong"),
        (
            {"kind": "inference", "deadlines": {"tune_s": 9}},
            "deadlines.tune_s: 9 leaves no time for `gpu.checker`, which may take 10 s",
        ),
        ({"deadlines": {"tune_s": 9}}, ""),
    ],
)
def test_a_workload_may_name_a_profile_that_is_fit_for_it(
    desk: Desk, workload: dict[str, Any], reason: str
) -> None:
    path = profiles_file(desk.folder, PROFILES)
    checker = {"command": ["gpu-burn", "{gpus}"], "deadline_s": 10}
    desk.write(
        gpu={"tuner": "helper", "profiles_file": str(path), "checker": checker},
        groups=[group(workloads=[etc(**workload)])],
    )
    code, _, err = desk.says("check-config")
    assert (code, reason.format(path) in err) == (2 if reason else 0, True)


def test_a_file_of_profiles_that_cannot_be_used_is_bad_input(desk: Desk) -> None:
    path = profiles_file(desk.folder, "profiles:\n  eco: {power_limit: 200}")
    desk.write(
        gpu={"tuner": "helper", "profiles_file": str(path)},
        groups=[group(workloads=[etc(profile="eco")])],
    )
    code, _, err = desk.says("check-config")
    assert code == 2
    assert f"{path}:2: profiles.eco.power_limit: object contains unknown field" in err


def test_a_secret_that_is_missing_is_bad_input_and_one_that_is_none_a_failure(desk: Desk) -> None:
    (desk.folder / "curve.key").write_text("no key")
    code, _, err = desk.says("run")
    assert (code, "is no CURVE key" in err) == (1, True)
    assert "no key\n" not in err.replace("is no CURVE key", ""), "secrets are never told"
    (desk.folder / "curve.key").unlink()
    code, _, err = desk.says("run")
    assert (code, "curve.key: cannot be read" in err) == (2, True)


def test_an_endpoint_that_is_none_says_how_to_write_one(desk: Desk) -> None:
    desk.write(link={"zeromq": {**ZEROMQ, "server_key": KEYS.public, "endpoint": "http://x"}})
    code, _, err = desk.says("run")
    assert code == 1
    assert "write `tcp://host:port`" in err


def test_a_metrics_port_in_use_is_a_failure_that_names_it(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        desk.write(metrics={"port": port})
        code, _, err = desk.says("run")
    assert code == 1
    assert f"127.0.0.1:{port}" in err
    assert "port" in err.rpartition(str(port))[2], "and says what to do about it"


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["run", "--log-level", "loud"], ["telemetry"]]
)
def test_usage_errors_leave_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: rigshift-agent" in capsys.readouterr().err


def test_help_and_version_leave_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--help", "--version"):
        with pytest.raises(SystemExit) as left:
            main([option])
        assert left.value.code == 0
    assert "rigshift" in capsys.readouterr().out


# What the journals say.


def test_a_rig_that_was_never_told_anything(desk: Desk) -> None:
    assert desk.says("status") == (0, "g0: nothing has ever been assigned\n", "")


def test_status_is_read_from_the_journals_and_changes_nothing(desk: Desk) -> None:
    path = service.journal_path(load(desk.path), "g0")
    moving = switching(Phase.PROBING)
    moving.fails("no share in 900 s")
    journal = FileJournal(path)
    journal.append(running("etc").state)
    journal.append(moving.until(Phase.RUNNING).state)
    journal.close()
    path.write_bytes(path.read_bytes() + b"torn")
    code, out, err = desk.says("status")
    assert (code, err) == (0, "")
    assert out.startswith("g0: running, etc, generation 2\n  etc is proven\n")
    assert "not again before a new assignment: llama: llama failed in probing: no share" in out
    assert path.read_bytes().endswith(b"torn")
    code, out, _ = desk.says("status", "--json")
    assert json.loads(out)["g0"]["phase"] == "running"


# What the rig would report.


def test_telemetry_of_simulated_gpus_says_that_they_are(desk: Desk) -> None:
    code, out, _ = desk.says("telemetry", "--once")
    assert code == 0
    assert "GPU-a  simulated GPU 24 GiB" in out
    assert "of 24.0 GiB" in out
    code, out, _ = desk.says("telemetry", "--once", "--json")
    assert [gpu["uuid"] for gpu in json.loads(out)["gpus"]] == ["GPU-a", "GPU-b"]


def test_a_machine_without_a_usable_driver_says_so_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Found before any real one, and no library.
    (tmp_path / "libnvidia-ml.so.1").write_text("no library" * 100)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    code = main(["telemetry", "--once"])
    assert code == 1
    assert "no GPU was seen: " in capsys.readouterr().out
