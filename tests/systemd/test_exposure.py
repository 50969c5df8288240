"""The shipped units are valid, and as confined as docs/systemd.md says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"

EXPOSURE_MAX = {
    "rigshift-agent.service": 15,
    "rigshift-controller.service": 25,
    "rigshift-workload@.service": 25,
}
"""Tenths of systemd's figure, which goes from 0 to 10."""


def test_every_unit_has_a_limit() -> None:
    assert {path.name for path in UNITS.iterdir()} == EXPOSURE_MAX.keys()


@pytest.mark.parametrize("unit", EXPOSURE_MAX)
def test_is_as_confined_as_promised(unit: str) -> None:
    done = analyze(
        "security", "--offline=true", f"--threshold={EXPOSURE_MAX[unit]}", str(UNITS / unit)
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", EXPOSURE_MAX)
def test_systemd_finds_nothing_wrong_with_it(unit: str, tmp_path: Path) -> None:
    # The programs are not installed where the tests run, so anything that is stands for them.
    text = (UNITS / unit).read_text()
    lines = ["ExecStart=/bin/true" if x.startswith("ExecStart=") else x for x in text.split("\n")]
    copy = tmp_path / unit.replace("@", "@one")
    copy.write_text("\n".join(lines))
    done = analyze("verify", str(copy))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_agents_unit_can_reach_the_gpus() -> None:
    text = (UNITS / "rigshift-agent.service").read_text()
    assert "\nDeviceAllow=char-nvidia* rw\n" in text
    assert "\nPrivateDevices=" not in text


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is missing: apt-get install systemd"
    return subprocess.run(
        [program, *arguments], check=False, capture_output=True, text=True, timeout=60
    )
