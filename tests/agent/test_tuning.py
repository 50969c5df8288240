"""The real nvidia-ml-py against a fake driver library: what is set, read back, and refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.ports import TuneError, Tuner
from tests.agent.tuning import (
    KAWPOW,
    NEUTRAL,
    ONE,
    TWO,
    profiles_file,
    refusal,
    set_on,
    tuner,
)
from tests.fakenvml.library import FakeDriver


@pytest.fixture
def hands(driver: FakeDriver, tmp_path: Path) -> Tuner:
    return tuner(profiles_file(tmp_path))


def test_a_profile_is_set_on_every_gpu_and_taken_back(driver: FakeDriver, hands: Tuner) -> None:
    asyncio.run(hands.apply((ONE, TWO), "kawpow"))
    assert set_on(driver, 0) == KAWPOW
    assert set_on(driver, 1) == KAWPOW
    asyncio.run(hands.neutral((ONE,)))
    assert set_on(driver, 0) == NEUTRAL
    assert set_on(driver, 1) == KAWPOW


def test_what_a_profile_leaves_out_is_neutral_not_what_was_left_behind(
    driver: FakeDriver, hands: Tuner
) -> None:
    asyncio.run(hands.apply((ONE,), "kawpow"))
    asyncio.run(hands.apply((ONE,), "eco"))
    assert set_on(driver) == NEUTRAL | {"limit": 200_000}


def test_an_old_driver_is_set_the_old_way(old_driver: FakeDriver, tmp_path: Path) -> None:
    hands = tuner(profiles_file(tmp_path))
    asyncio.run(hands.apply((ONE,), "kawpow"))
    assert set_on(old_driver) == KAWPOW
    asyncio.run(hands.neutral((ONE,)))
    assert set_on(old_driver) == NEUTRAL


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("SetPowerManagementLimit", "power_limit_w: wanted 220, it shows 300"),
        ("SetGpuLockedClocks", "graphics_clock: wanted 210 to 1500 MHz, it shows 1740"),
        ("SetMemoryLockedClocks", "memory_clock: wanted 405 to 5001 MHz, it shows 9501"),
        ("SetFanSpeed_v2", "fan_percent: wanted 70, it shows auto"),
        ("SetComputeMode", "compute_mode: wanted exclusive_process, it shows default"),
        ("SetClockOffsets", "graphics_offset_mhz: wanted -100, it shows 0"),
    ],
)
def test_an_ok_of_the_driver_that_does_not_stick_is_found_out(
    driver: FakeDriver, hands: Tuner, function: str, reason: str
) -> None:
    driver.does(f"deaf nvmlDevice{function} 0 1")
    assert refusal(hands, "kawpow") == f"{ONE}: {reason}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("deaf nvmlDeviceSetPowerManagementLimit 0 1", "power_limit_w: wanted 300, it shows 220"),
        ("deaf nvmlDeviceSetClockOffsets 0 1", "graphics_offset_mhz: wanted 0, it shows -100"),
        ("deaf nvmlDeviceSetDefaultFanSpeed_v2 0 1", "fan_percent: wanted auto, it shows 70"),
    ],
)
def test_neutral_is_proven_not_presumed(
    driver: FakeDriver, hands: Tuner, line: str, reason: str
) -> None:
    asyncio.run(hands.apply((ONE,), "kawpow"))
    driver.does(line)
    with pytest.raises(TuneError) as caught:
        asyncio.run(hands.neutral((ONE,)))
    assert str(caught.value) == f"{ONE}: {reason}"


def test_an_offset_that_only_one_p_state_has_is_not_neutral(
    driver: FakeDriver, hands: Tuner
) -> None:
    driver.does("set p2_drift 0 150")
    with pytest.raises(TuneError, match="graphics_offset_mhz: wanted 0, it shows 0 in P0, 150 in"):
        asyncio.run(hands.neutral((ONE,)))


@pytest.mark.parametrize(
    ("function", "setting"),
    [
        ("nvmlDeviceSetPowerManagementLimit", "power_limit_w"),
        # pynvml calls this one a success.
        ("nvmlDeviceSetClockOffsets", "graphics_offset_mhz"),
    ],
)
def test_without_permission_the_reason_says_who_may(
    driver: FakeDriver, hands: Tuner, function: str, setting: str
) -> None:
    driver.does(f"fail {function} 0 4")
    reason = refusal(hands, "kawpow")
    assert reason.startswith(f"{ONE}: {setting}: {function}: ")
    assert reason.endswith("only root may, so let the agent use `gpu.tuner: helper`")


def test_offsets_that_cannot_be_read_are_not_taken_for_neutral(
    driver: FakeDriver, hands: Tuner
) -> None:
    # pynvml throws this error away.
    driver.does("fail nvmlDeviceGetClockOffsets 0 4")
    with pytest.raises(TuneError, match="graphics_offset_mhz: nvmlDeviceGetClockOffsets"):
        asyncio.run(hands.neutral((ONE,)))


LACKING = [
    *("GetPowerManagementLimit", "SetPowerManagementLimit", "GetPowerManagementDefaultLimit"),
    *(
        "GetPowerManagementLimitConstraints",
        "GetNumFans",
        "GetMinMaxFanSpeed",
        "GetPersistenceMode",
    ),
    *("SetGpuLockedClocks", "ResetGpuLockedClocks", "ResetMemoryLockedClocks"),
    *("GetGpcClkVfOffset", "GetMemClkVfOffset", "GetMemClkMinMaxVfOffset", "SetMemClkVfOffset"),
]


def test_what_a_card_lacks_is_neutral_but_cannot_be_set(
    old_driver: FakeDriver, tmp_path: Path
) -> None:
    hands = tuner(profiles_file(tmp_path))
    old_driver.does(*(f"fail nvmlDevice{function} 0 3" for function in LACKING))
    asyncio.run(hands.neutral((ONE,)))
    for profile, setting in (
        ("eco", "power_limit_w"),
        ("warm", "fan_percent"),
        ("wild", "memory_offset_mhz"),
        ("low", "graphics_clock"),
    ):
        assert f"{ONE}: {setting}: this card or its driver has no such setting" in refusal(
            hands, profile
        )


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ("hungry", "power_limit_w: 400 is out of bounds; this card takes 100 to 350"),
        ("fast", "graphics_clock: 210 to 3000 MHz is out of bounds; this card takes 210 to 2100"),
        ("wild", "memory_offset_mhz: 1500 is out of bounds; this card takes -500 to 1000"),
        ("still", "fan_percent: 10 is out of bounds; this card takes 30 to 100"),
    ],
)
def test_a_value_out_of_bounds_names_them_and_nothing_is_set(
    driver: FakeDriver, hands: Tuner, profile: str, reason: str
) -> None:
    assert refusal(hands, profile) == f"{ONE}: {reason}"
    assert set_on(driver) == {}


def test_persistence_is_set_first_because_switching_it_off_undoes_the_rest(
    driver: FakeDriver, hands: Tuner
) -> None:
    assert "persistence: is off, so the driver would forget" in refusal(hands, "loose")
    driver.does("set persistence 0 0")
    assert "write `persistence: true` into it" in refusal(hands, "eco")
    assert set_on(driver) == {}
    asyncio.run(hands.apply((ONE,), "kept"))
    assert set_on(driver)["limit"] == 200_000
    assert set_on(driver)["persistence"] == 1


def test_one_sick_card_does_not_leave_the_others_as_they_were(
    driver: FakeDriver, hands: Tuner
) -> None:
    asyncio.run(hands.apply((ONE, TWO), "kawpow"))
    driver.does("set lost 0 1")
    with pytest.raises(TuneError, match=ONE):
        asyncio.run(hands.neutral((ONE, TWO)))
    assert set_on(driver, 1) == NEUTRAL


def test_derating_lowers_the_power_limit_and_nothing_else(driver: FakeDriver, hands: Tuner) -> None:
    asyncio.run(hands.apply((ONE,), "kawpow"))
    for step, limit_w in ((1, 198), (2, 176), (0, 220)):
        asyncio.run(hands.derate((ONE,), "kawpow", step))
        assert set_on(driver) == KAWPOW | {"limit": limit_w * 1000}
    asyncio.run(hands.derate((TWO,), "neutral", 3))
    assert set_on(driver, 1) == {"limit": 210_000}


def test_derating_ends_at_the_cards_lowest_limit(driver: FakeDriver, hands: Tuner) -> None:
    asyncio.run(hands.derate((ONE,), "cold", 1))
    assert set_on(driver) == {"limit": 100_000}
    with pytest.raises(TuneError, match="is at its lowest, 100; step 2 lowers nothing"):
        asyncio.run(hands.derate((ONE,), "cold", 2))


def test_a_profile_that_the_file_does_not_know_is_refused_with_those_that_it_does(
    hands: Tuner, tmp_path: Path
) -> None:
    profiles_file(tmp_path, "profiles: {eco: {power_limit_w: 200}}")
    assert refusal(hands, "kawpow").endswith("profiles.yaml has eco, neutral")
    # Read anew for every request, and good for neutral even when it is gone.
    (tmp_path / "profiles.yaml").unlink()
    assert "no such file" in refusal(hands, "eco")
    asyncio.run(hands.neutral((ONE,)))


def test_neutral_may_be_stricter_than_the_card_but_not_laxer(
    driver: FakeDriver, hands: Tuner, tmp_path: Path
) -> None:
    profiles_file(tmp_path, "profiles: {neutral: {power_limit_w: 250}}")
    asyncio.run(hands.neutral((ONE,)))
    assert set_on(driver)["limit"] == 250_000
    profiles_file(tmp_path, "profiles: {neutral: {power_limit_w: 320}}")
    with pytest.raises(TuneError, match="above the card's default, 300"):
        asyncio.run(hands.neutral((ONE,)))


def test_a_driver_that_cannot_be_opened_is_told_with_advice(
    driver: FakeDriver, hands: Tuner
) -> None:
    driver.does("fail nvmlInitWithFlags * 18")
    assert "reboot the rig" in refusal(hands, "eco")
