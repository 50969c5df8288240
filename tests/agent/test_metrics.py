"""The agent's exposition byte for byte, and that code, formats and documentation agree."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client import parser as text
from prometheus_client.openmetrics import parser as openmetrics

from agent.metrics import (
    AgentMetrics,
    AgentSnapshot,
    LinkCounts,
    OutcomeCount,
    PhaseTime,
    PinCount,
    SafetyCount,
)
from agent.metrics.families import FAMILIES
from agent.metrics.family import Family, Type
from wire.figures import Figure, Measured
from wire.model import (
    GpuProcess,
    GpuReading,
    GroupStatus,
    HostReading,
    Leg,
    Phase,
    Rejection,
    Result,
    Sample,
    WorkloadReading,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "agent_metrics.txt"
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "metrics.md"
NO_LABELS = "\N{EN DASH}"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

WHOLE_GPU = GpuReading(
    uuid="GPU-a",
    name='Card "24"',
    pci_bus_id="00000000:01:00.0",
    utilization_ratio=0.97,
    memory_utilization_ratio=0.5,
    memory_total_bytes=24_000_000_000,
    memory_used_bytes=5_000_000_000,
    temperature_c=61.0,
    memory_temperature_c=84.0,
    fan_ratio=1.02,
    power_w=251.5,
    power_limit_w=300.0,
    energy_j=1_234_567.5,
    sm_clock_hz=1.74e9,
    memory_clock_hz=9.501e9,
    throttle_reasons=("sw_power_cap", "bit_0x800"),
    pcie_generation=3,
    pcie_width=1,
    pcie_replays=5,
    ecc_corrected=3,
    ecc_uncorrected=0,
    remapped_rows_correctable=1,
    remapped_rows_uncorrectable=0,
    remap_failed=False,
    xid_last=79,
    xid_count=2,
    recovery_action="gpu_reset",
    xids=((31, 1), (79, 1)),
    processes=(GpuProcess(4711, 5_000_000_000, "miner"),),
)
LOST_GPU = GpuReading(uuid="GPU-b", name="Card", error="the driver has lost this GPU")

SNAPSHOT = AgentSnapshot(
    version="1.2.3",
    rig_time_s=5000.0,
    sample=Sample(
        at_s=4999.0,
        ok=True,
        gpus=(WHOLE_GPU, LOST_GPU),
        host=HostReading(disk_free_bytes=70_000_000_000),
        workloads=(
            WorkloadReading(
                "g0",
                "kaspa",
                hashrate_hps=1.2e9,
                shares_accepted=9,
                shares_rejected=0,
                shares_stale=2,
            ),
            WorkloadReading("g1", "llm", requests_running=3, requests_waiting=1, tokens_total=123),
            WorkloadReading("g2", "vast", gpus_rented=2, earning_usd_per_h=0.62),
        ),
    ),
    sample_age_s=1.0,
    collector_restarts=1,
    collectors_abandoned=0,
    groups=(
        GroupStatus("g0", Phase.RUNNING, Leg.FORWARD, "kaspa", "kaspa", 7, 4000.0, derate=2),
        GroupStatus(
            "g1",
            Phase.PROBING,
            Leg.ROLLBACK,
            "llm",
            None,
            8,
            4990.5,
            rejected=(Rejection("rvn", "no share"),),
            lapsed=True,
            lock="vast: 2 GPUs are rented",
        ),
    ),
    outcomes=(OutcomeCount("g0", Result.DONE, 4), OutcomeCount("g1", Result.ROLLED_BACK, 1)),
    pins=(PinCount("g0", wallets=1, failures=2),),
    safety=(SafetyCount("g0", "derate", 2), SafetyCount("g0", "stop", 1)),
    phase_times=(PhaseTime("g0", Phase.STOPPING, visits=4, seconds=10.5),),
    learned=(
        Measured(group="g0", workload=None, profile="", gpu_busy_w=Figure(14.5, 0.5, 40)),
        Measured(
            group="g1",
            workload="llm",
            profile="neutral",
            gpu_busy_w=Figure(251.5, 2.0, 212),
            gpu_idle_w=Figure(60.25, 1.0, 100),
            hashrate_hps=Figure(6.5e7, 1e5, 30),
            accepted_ratio=Figure(0.98, 0.01, 29),
            tokens_per_s=Figure(820.5, 40.0, 88),
            busy_ratio=Figure(0.75, 0.0, 120),
            pcie_limit_bytes_per_s=Figure(985e6, 0.0, 212),
            phase_s=((Phase.STOPPING, Figure(3.25, 0.25, 4)),),
        ),
    ),
    lease_left_s=-12.5,
    connected=True,
    link=LinkCounts(sent=20, received=10, refused=1),
)

BARE = AgentSnapshot(
    version="1.2.3", rig_time_s=5.0, sample=Sample(at_s=5.0, ok=False, reason="no driver")
)


def exposed(snapshot: AgentSnapshot, accept: str = "") -> str:
    return AgentMetrics(lambda: snapshot).render(accept)[0].decode()


def test_the_exposition_is_the_golden_one() -> None:
    assert exposed(SNAPSHOT) == GOLDEN.read_text(), f"run `python -m {__name__}` and read the diff"


def test_a_whole_snapshot_shows_every_family() -> None:
    shown = {line.split()[2] for line in GOLDEN.read_text().splitlines() if line.startswith("# T")}
    assert shown == {family.name for family in FAMILIES}


def test_both_formats_hold_the_same_numbers() -> None:
    plain = text.text_fd_to_metric_families(io.StringIO(exposed(SNAPSHOT)))
    strict = openmetrics.text_fd_to_metric_families(  # type: ignore[no-untyped-call]
        io.StringIO(exposed(SNAPSHOT, OPENMETRICS))
    )

    def numbers(families: Iterable[Metric]) -> dict[tuple[str, str], float]:
        return {
            (sample.name, str(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    assert numbers(plain) == numbers(strict)


def test_content_types_are_negotiated() -> None:
    metrics = AgentMetrics(lambda: SNAPSHOT)
    assert metrics.render("")[1].startswith("text/plain")
    body, content_type = metrics.render(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_what_is_unknown_has_no_series() -> None:
    samples = [line for line in exposed(BARE).splitlines() if not line.startswith("#")]
    assert samples == [
        'rigshift_agent_info{version="1.2.3"} 1.0',
        "rigshift_telemetry_up 0.0",
        "rigshift_telemetry_collector_restarts_total 0.0",
        "rigshift_telemetry_collectors_abandoned 0.0",
        "rigshift_link_frames_sent_total 0.0",
        "rigshift_link_frames_received_total 0.0",
        "rigshift_link_frames_refused_total 0.0",
    ]


def test_a_lost_gpu_shows_only_that_it_is_lost() -> None:
    shown = [line for line in exposed(SNAPSHOT).splitlines() if 'uuid="GPU-b"' in line]
    assert [line.split("{")[0] for line in shown] == ["rigshift_gpu_info", "rigshift_gpu_up"]
    assert shown[1].endswith(" 0.0")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_follow_the_rules(family: Family) -> None:
    assert family.name.startswith("rigshift_")
    assert (family.type is Type.COUNTER) == family.name.endswith("_total")
    assert (family.type is Type.INFO) == family.name.endswith("_info")
    assert family.help.endswith(".")


def test_documentation_and_code_agree() -> None:
    section = DOCUMENTATION.read_text().partition("\n## Agent\n")[2].partition("\n## ")[0]
    documented = [line for line in section.splitlines() if line.startswith("| `rigshift_")]
    assert documented == [row for row in documentation() if row.startswith("| `rigshift_")]


def documentation() -> list[str]:
    """The table of `docs/metrics.md`."""
    return [
        "| Name | Type | Labels | Meaning |",
        "|---|---|---|---|",
        *(
            f"| `{family.name}` | {family.type} | "
            f"{', '.join(f'`{label}`' for label in family.labels) or NO_LABELS} | {family.help} |"
            for family in FAMILIES
        ),
    ]


if __name__ == "__main__":
    GOLDEN.write_text(exposed(SNAPSHOT))
    print("\n".join(documentation()))
