"""The file of profiles: what it may say, and who may have written it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.settings import profiles
from agent.settings.profiles import ClockRange, ComputeMode, Profile
from tests.agent.tuning import profiles_file
from wire.configfile import ConfigError


def test_a_profile_is_neutral_but_for_what_it_says(tmp_path: Path) -> None:
    text = """\
profiles:
  kawpow: {power_limit_w: 220, graphics_clock: {min_mhz: 210, max_mhz: 1500}}
  shared: {compute_mode: prohibited, persistence: true, memory_offset_mhz: -500}
"""
    found = profiles.load(profiles_file(tmp_path, text))
    assert found.named("kawpow") == Profile(
        power_limit_w=220.0, graphics_clock=ClockRange(min_mhz=210, max_mhz=1500)
    )
    shared = found.named("shared")
    assert shared == Profile(
        compute_mode=ComputeMode.PROHIBITED, persistence=True, memory_offset_mhz=-500
    )
    assert shared.overclocks
    assert found.named("neutral") == Profile()
    assert found.named("eco") is None


MANY = ", ".join(f"p{number}: {{}}" for number in range(65))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("profiles:\n  a:\n    power: 3", "profiles.yaml:3: profiles.a.power: object contains un"),
        ("profiles:\n  a:\n    fan_percent: fast", "profiles.*.fan_percent: expected `int | null`"),
        ("profiles: {a: {power_limit_w: 0}}", "profiles.a.power_limit_w: must be above 0"),
        ("profiles: {a: {power_limit_w: .nan}}", "profiles.a.power_limit_w: must be above 0"),
        ("profiles: {a: {fan_percent: 101}}", "profiles.a.fan_percent: must be 0 to 100, not 101"),
        (
            "profiles: {a: {memory_clock: {min_mhz: 900, max_mhz: 800}}}",
            "profiles.a.memory_clock: `min_mhz` must be above 0 and at most `max_mhz`",
        ),
        ("profiles: {a: {memory_offset_mhz: 100000}}", "must be within 10000 MHz, either way"),
        ("profiles: {'a b': {}}", "name 'a b': use letters"),
        ("profiles: {neutral: {memory_offset_mhz: 5}}", "may set `power_limit_w` only"),
        ("profiles: [", "not valid YAML"),
        ("a: 1\na: 2", "profiles.yaml:2: key `a` stands twice"),
        (f"profiles: {{{MANY}}}", "at most 64, this has 65"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        profiles.load(profiles_file(tmp_path, text))
    assert reason in str(caught.value)


def test_a_file_that_others_could_have_written_is_refused(tmp_path: Path) -> None:
    path = profiles_file(tmp_path)
    path.chmod(0o664)
    with pytest.raises(ConfigError, match="others could have written it; run `chown root:root"):
        profiles.load(path)
    path.chmod(0o644)
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigError, match="others could have written it"):
        profiles.load(path)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    with pytest.raises(ConfigError, match="cannot be opened"):
        profiles.load(link)
    with pytest.raises(ConfigError, match="no such file"):
        profiles.load(tmp_path / "absent.yaml")
    os.mkfifo(tmp_path / "pipe.yaml", 0o600)
    with pytest.raises(ConfigError, match="others could have written it"):
        profiles.load(tmp_path / "pipe.yaml")
