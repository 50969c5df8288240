"""What of a rig's measurements is refused for its form, before anybody reckons with it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from wire import codec, messages
from wire.codec import CodecError
from wire.figures import MEASURED_MAX, TEXT_CHARS_MAX, Figure, Measured
from wire.messages import Up
from wire.model import Phase
from wire.transport import FRAME_BYTES_MAX

FIGURE = Figure(123456.789, 12.3456, 212)
ENTRY = Measured(group="g0", workload="etc", profile="eco", gpu_busy_w=FIGURE)


def frame(*entries: Measured) -> bytes:
    return codec.encode_up(Up("rig", "boot", "run", 1.0, messages.Learned(entries)))


def test_a_full_message_comes_back_and_fits_into_a_frame() -> None:
    largest = Measured(
        group="g" * 64,
        workload="w" * 64,
        profile="p" * 64,
        gpu_busy_w=FIGURE,
        gpu_idle_w=FIGURE,
        hashrate_hps=FIGURE,
        algorithm="a" * 64,
        accepted_ratio=FIGURE,
        tokens_per_s=FIGURE,
        busy_ratio=FIGURE,
        pcie_limit_bytes_per_s=FIGURE,
        phase_s=tuple((phase, FIGURE) for phase in Phase),
    )
    entries = tuple(replace(largest, workload=f"{i:064}") for i in range(MEASURED_MAX))
    made = frame(*entries)
    assert len(made) < FRAME_BYTES_MAX / 2
    assert codec.decode_up(made).body == messages.Learned(entries)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([ENTRY, ENTRY], "one workload of a group twice"),
        ([replace(ENTRY, workload=f"w{i}") for i in range(MEASURED_MAX + 1)], "at most 64"),
        ([replace(ENTRY, workload="../etc")], "the name"),
        ([replace(ENTRY, group="")], "the name"),
        ([replace(ENTRY, profile="p" * (TEXT_CHARS_MAX + 1))], "profile"),
        ([replace(ENTRY, algorithm="eth\nash")], "printable"),
        ([replace(ENTRY, phase_s=((Phase.STOPPING, FIGURE),) * 2)], "one phase"),
        ([replace(ENTRY, gpu_busy_w=Figure(math.nan, 0.0, 1))], "gpu_busy_w of etc"),
        ([replace(ENTRY, workload=None, gpu_busy_w=Figure(math.inf, 0.0, 1))], "of off"),
        ([replace(ENTRY, gpu_busy_w=Figure(-1.0, 0.0, 1))], "gpu_busy_w"),
        ([replace(ENTRY, gpu_busy_w=Figure(1.0, math.nan, 1))], "gpu_busy_w"),
        ([replace(ENTRY, gpu_busy_w=Figure(1.0, 0.0, 0))], "gpu_busy_w"),
        ([replace(ENTRY, phase_s=((Phase.STOPPING, Figure(math.nan, 0.0, 1)),))], "stopping of"),
    ],
)
def test_what_no_rig_would_measure_is_refused(entries: list[Measured], why: str) -> None:
    with pytest.raises(CodecError, match=why):
        codec.decode_up(frame(*entries))
