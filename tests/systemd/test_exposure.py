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
    "rigshift-gpu-helper.service": 20,
    "rigshift-workload@.service": 25,
}
"""Tenths of systemd's figure, which goes from 0 to 10."""


def test_every_unit_has_a_limit() -> None:
    assert {path.name for path in UNITS.glob("*.service")} == EXPOSURE_MAX.keys()


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
    for path in UNITS.glob("*.socket"):
        shutil.copy(path, tmp_path)
    done = analyze("verify", str(copy))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_helpers_socket_fits_its_service(tmp_path: Path) -> None:
    for path in UNITS.glob("rigshift-gpu-helper.*"):
        text = path.read_text().replace("/opt/rigshift/bin/rigshift-gpu-helper", "/bin/true")
        (tmp_path / path.name).write_text(text)
    done = analyze("verify", str(tmp_path / "rigshift-gpu-helper.socket"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", ["rigshift-agent.service", "rigshift-gpu-helper.service"])
def test_what_needs_the_gpus_can_reach_them(unit: str) -> None:
    text = (UNITS / unit).read_text()
    assert "\nDeviceAllow=char-nvidia* rw\n" in text
    assert "\nPrivateDevices=" not in text


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is missing: apt-get install systemd"
    return subprocess.run(
        [program, *arguments], check=False, capture_output=True, text=True, timeout=60
    )
