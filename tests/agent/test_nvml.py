"""The real nvidia-ml-py against a fake driver library: what is read, and what is left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.gpu import procfs
from tests.agent.looking import once
from tests.fakenvml.library import FakeDriver
from wire.model import GpuProcess, GpuReading


def test_everything_a_driver_gives_is_read_in_base_units(driver: FakeDriver) -> None:
    driver.does(
        "set count * 1",
        "field 82 0 78",
        "field 186 0 251000",
        "field 230 0 2",
        f"compute {os.getpid()} 0 700000000",
    )
    sample = once()
    assert sample.ok
    assert sample.gpus == (
        GpuReading(
            uuid="GPU-fake-00",
            name="Fake RTX",
            pci_bus_id="00000000:01:00.0",
            utilization_ratio=0.97,
            memory_utilization_ratio=0.41,
            memory_total_bytes=24_000_000_000,
            memory_used_bytes=1_000_000_000,
            temperature_c=60.0,
            memory_temperature_c=78.0,
            fan_ratio=0.61,
            power_w=251.0,
            power_limit_w=300.0,
            energy_j=123456.789,
            sm_clock_hz=1.74e9,
            memory_clock_hz=9.501e9,
            throttle_reasons=("sw_power_cap", "hw_power_brake"),
            pcie_generation=3,
            pcie_width=1,
            pcie_replays=5,
            ecc_corrected=3,
            ecc_uncorrected=0,
            remapped_rows_correctable=1,
            remapped_rows_uncorrectable=0,
            remap_failed=False,
            xid_last=None,
            xid_count=0,
            xids=(),
            recovery_action="node_reboot",
            processes=(GpuProcess(os.getpid(), 700_000_000, procfs.name(os.getpid())),),
        ),
    )


def test_twelve_gpus_are_twelve_readings(driver: FakeDriver) -> None:
    driver.does("set count * 12")
    sample = once()
    assert [gpu.uuid for gpu in sample.gpus] == [f"GPU-fake-{n:02}" for n in range(12)]
    assert [gpu.temperature_c for gpu in sample.gpus] == [60.0 + n for n in range(12)]


def test_an_old_driver_is_asked_the_old_way(old_driver: FakeDriver) -> None:
    old_driver.does("compute 4000000 0 1000", "graphics 4000001 0 2000")
    gpu = once().gpus[0]
    assert gpu.error is None
    assert gpu.temperature_c == 50.0
    assert gpu.memory_used_bytes == 1_500_000_000
    assert gpu.throttle_reasons == ("sw_thermal",)
    assert gpu.power_w == 250.0
    assert gpu.processes == (GpuProcess(4000000, 1000), GpuProcess(4000001, 2000))
    assert gpu.memory_temperature_c is None
    assert gpu.remapped_rows_correctable is None
    assert gpu.recovery_action is None


def test_what_a_card_does_not_have_is_absent_and_no_error(driver: FakeDriver) -> None:
    absent = {
        "nvmlDeviceGetUtilizationRates": ["utilization_ratio", "memory_utilization_ratio"],
        "nvmlDeviceGetNumFans": ["fan_ratio"],
        "nvmlDeviceGetEnforcedPowerLimit": ["power_limit_w"],
        "nvmlDeviceGetPowerUsage": ["power_w"],
        "nvmlDeviceGetTotalEnergyConsumption": ["energy_j"],
        "nvmlDeviceGetClockInfo": ["sm_clock_hz", "memory_clock_hz"],
        "nvmlDeviceGetTotalEccErrors": ["ecc_corrected", "ecc_uncorrected"],
        "nvmlDeviceGetRemappedRows": ["remapped_rows_correctable", "remap_failed"],
        "nvmlDeviceGetCurrPcieLinkWidth": ["pcie_width"],
        "nvmlDeviceGetPcieReplayCounter": ["pcie_replays"],
        "nvmlDeviceGetComputeRunningProcesses_v3": ["processes"],
        "nvmlDeviceGetSupportedEventTypes": ["xid_count", "xid_last"],
    }
    driver.does(*(f"fail {function} 0 3" for function in absent))
    bare, whole = once().gpus
    for name in (name for names in absent.values() for name in names):
        assert getattr(bare, name) is None, name
    assert bare.error is None
    assert bare.temperature_c == 60.0
    assert whole.fan_ratio == 0.61


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("set power 0 4294967295", "power_w"),
        ("set energy 0 18446744073709551615", "energy_j"),
        ("set memory_used 0 18446744073709551615", "memory_used_bytes"),
        ("set throttle 0 18446744073709551615", "throttle_reasons"),
        ("set ecc_corrected 0 18446744073709551615", "ecc_corrected"),
        ("set rows_corrected 0 4294967295", "remapped_rows_correctable"),
        ("field 82 0 9223372036854775794", "memory_temperature_c"),
        ("field 82 0 0", "memory_temperature_c"),
        ("fail nvmlDeviceGetFieldValues 0 999", "memory_temperature_c"),
    ],
)
def test_numbers_that_mean_no_value_are_no_values(driver: FakeDriver, line: str, name: str) -> None:
    driver.does(line)
    assert getattr(once().gpus[0], name) is None


def test_a_process_of_unknown_size_is_still_a_process(driver: FakeDriver) -> None:
    driver.does("compute 4000000 0 18446744073709551615")
    assert once().gpus[0].processes == (GpuProcess(4000000, None),)


def test_a_process_that_computes_and_draws_is_one_process(driver: FakeDriver) -> None:
    driver.does("compute 4000000 0 1000", "graphics 4000000 0 1000")
    assert once().gpus[0].processes == (GpuProcess(4000000, 1000),)


def test_unknown_throttle_bits_and_actions_keep_their_number(driver: FakeDriver) -> None:
    driver.does("set throttle 0 2049", "field 230 0 42")
    gpu = once().gpus[0]
    assert gpu.throttle_reasons == ("idle", "bit_0x800")
    assert gpu.recovery_action == "action_42"


def test_an_odd_failure_is_told_and_the_rest_is_read(driver: FakeDriver) -> None:
    driver.does("fail nvmlDeviceGetPowerUsage 0 999")
    odd, sound = once().gpus
    assert odd.error is not None
    assert "nvmlDeviceGetPowerUsage" in odd.error
    assert odd.power_w is None
    assert odd.temperature_c == 60.0
    assert sound.error is None


def test_a_process_list_that_failed_is_not_an_empty_one(driver: FakeDriver) -> None:
    driver.does("compute 4000000 0 1000", "fail nvmlDeviceGetGraphicsRunningProcesses_v3 0 999")
    assert once().gpus[0].processes is None


def test_a_wanted_gpu_that_cannot_be_opened_is_accounted_for(driver: FakeDriver) -> None:
    driver.does("fail nvmlDeviceGetHandleByIndex_v2 1 15")
    sample = once(gpus=("GPU-fake-00", "GPU-fake-01"))
    assert sample.ok
    sound, missing = sample.gpus
    assert sound.error is None
    assert missing.uuid == "GPU-fake-01"
    assert missing.error is not None
    assert "GPU number 1" in missing.error


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("fail nvmlInitWithFlags * 4", "DeviceAllow=char-nvidia*"),
        ("fail nvmlInitWithFlags * 18", "reboot the rig"),
        ("fail nvmlInitWithFlags * 9", "modprobe nvidia"),
        ("fail nvmlInitWithFlags * 999", "dmesg"),
        ("set count * 0", "shows no GPU"),
        ("fail nvmlDeviceGetHandleByIndex_v2 * 4", "no GPU can be opened"),
        ("fail nvmlDeviceGetTemperatureV * 1", "dmesg"),
    ],
)
def test_a_driver_that_cannot_be_used_says_what_to_do(
    driver: FakeDriver, line: str, advice: str
) -> None:
    driver.does(line)
    sample = once()
    assert not sample.ok
    assert sample.gpus == ()
    assert advice in sample.reason


def test_a_missing_driver_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An empty file hides a real driver that the machine may have.
    (tmp_path / "libnvidia-ml.so.1").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    sample = once()
    assert not sample.ok
    assert "install the NVIDIA driver" in sample.reason
