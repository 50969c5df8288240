"""Parts of the doctor by themselves: what hangs, what is full, who may, and what is printed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from agent.__main__ import main
from agent.doctor import clock, disk, driver, rights
from agent.doctor.access import Person
from agent.doctor.finding import Finding
from tests.agent.healthy_rig import HealthyRig, healthy_rig
from tests.fakenvml.library import FakeDriver

GB = 10**9


@pytest.fixture
def rig(driver: FakeDriver) -> Iterator[HealthyRig]:
    with healthy_rig(driver) as rig:
        yield rig


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_driver_that_hangs_is_left(rig: HealthyRig) -> None:
    rig.driver.does("hang nvmlDeviceGetCount_v2 * 1")
    (finding,) = driver.check(rig.load(), rig.machine, look_s=0.5)
    assert (finding.name, finding.mend) == ("driver-hangs", "read `dmesg`, then reboot the rig")


def test_simulated_gpus_have_no_driver(rig: HealthyRig) -> None:
    rig.driver.does("fail nvmlInitWithFlags * 12")
    rig.write(gpu={"source": "simulated", "simulated_dir": str(rig.folder)})
    assert list(driver.check(rig.load(), rig.machine)) == []


def file_system(**changes: int) -> os.statvfs_result:
    usual = {"bsize": 4096, "frsize": 4096, "blocks": GB, "bfree": GB, "bavail": GB}
    usual |= {"files": GB, "ffree": GB, "favail": GB, "flag": 0, "namemax": 255}
    return os.statvfs_result((usual | changes).values())


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, None),
        ({"files": 0, "favail": 0}, None),
        ({"bavail": 99_999_999 // 4096}, "disk-full"),
        ({"favail": 99}, "disk-full"),
        ({"flag": os.ST_RDONLY}, "disk-read-only"),
    ],
)
def test_room_for_journals(changes: dict[str, int], name: str | None) -> None:
    found = disk.judge(Path("/var/lib/rigshift"), file_system(**changes))
    assert [finding.name for finding in found] == ([name] if name else [])


def test_this_machines_clock_can_be_read() -> None:
    reading = clock.read()
    newest_s = clock.program().stat().st_mtime
    assert reading.now_s > newest_s
    assert reading.synchronised in (True, False, None)


def test_a_file_that_the_agent_cannot_read_is_found(rig: HealthyRig) -> None:
    settings = rig.load()
    rig.config.chmod(0)
    (found,) = rights.check(settings, rig.config, rig.machine)
    assert isinstance(found, Finding)
    assert found.name == "config-unreadable"


@pytest.mark.parametrize(
    ("mode", "owns", "in_group", "may"),
    [
        (0o600, True, False, True),
        (0o066, True, True, False),
        (0o060, False, True, True),
        (0o606, False, True, False),
        (0o006, False, False, True),
        (0o004, False, False, False),
    ],
)
def test_the_first_kind_of_owner_that_fits_decides(
    tmp_path: Path, mode: int, owns: bool, in_group: bool, may: bool
) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(mode)
    if os.geteuid() == 0:
        # What is root's is of no use here: root may do everything.
        os.chown(file, 4711, 4711)
    status = file.stat()
    groups = frozenset({status.st_gid} if in_group else ())
    person = Person("somebody", status.st_uid + (not owns), groups)
    assert person.allows(status, "rw") is may


def test_nobody_has_no_rights_through_a_closed_folder(tmp_path: Path) -> None:
    file = tmp_path / "inner" / "file"
    file.parent.mkdir()
    file.touch()
    file.chmod(0o666)
    file.parent.chmod(0o700)
    stranger = Person("stranger", os.getuid() + 4711, frozenset())
    assert not stranger.may(file, "r")


# The program.


def test_faults_are_shown_with_what_to_do(
    rig: HealthyRig, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.driver.does("fail nvmlInitWithFlags * 18")
    rig.write(groups=[])
    code = main(["doctor", "--config", str(rig.config)])
    out = capsys.readouterr().out
    assert code == 2
    assert "\ndriver-mismatch       NVIDIA driver: the driver was upgraded while" in out
    assert "→ reboot the rig" in out
    assert "faults found" in out.splitlines()[-1]


def test_faults_are_told_to_programs(rig: HealthyRig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.program.unlink()
    code = main(["doctor", "--json", "--config", str(rig.config)])
    told = json.loads(capsys.readouterr().out)
    assert code == 1
    assert told["usable"]
    missing = {each["name"]: each for each in told["findings"]}["program-missing"]
    assert missing["about"] == "g0.etc"
    assert missing.keys() == {"name", "about", "wrong", "mend"}
