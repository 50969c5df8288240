"""docs/workloads.md: its tables are those of the code, and its examples can be started."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.core.workload import Workload
from agent.drivers.launched import endpoint
from agent.drivers.markets.row import Call, Row
from agent.drivers.markets.table import MARKETS
from agent.drivers.miners.flags import Flag, Form
from agent.drivers.miners.row import Miner
from agent.drivers.miners.source import ApiSource
from agent.drivers.miners.table import MINERS
from agent.drivers.registry import HIVE, HIVE_OS, UNLAUNCHED, drivers, markets
from agent.drivers.servers.load import Signal
from agent.drivers.servers.row import Server
from agent.drivers.servers.table import SERVERS
from tests.docs.repository import ROOT
from tests.parts.apis import SaysItRuns
from wire import configfile
from wire.model import Kind

DOCUMENT = ROOT / "docs" / "workloads.md"
NONE = "\N{EN DASH}"
KNOWN = {**drivers(SaysItRuns()), **markets(Path())}
EXAMPLE = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """What stands in one block."""

    workloads: tuple[Workload, ...]


def examples() -> list[str]:
    return EXAMPLE.findall(DOCUMENT.read_text(encoding="utf-8"))


def tables() -> list[str]:
    """All tables, line by line."""
    return [
        (
            "| Driver | Miner | Asked | Tells, besides hashrate and shares | Must have | "
            "Nothing else in | Never |"
        ),
        "|---|---|---|---|---|---|---|",
        *(_miner(row) for row in MINERS),
        (
            "| Driver | Marketplace | Looked at | Offered by | Withdrawn by | "
            "Tells, besides rentals | At most every |"
        ),
        "|---|---|---|---|---|---|---|",
        *(_market(row) for row in MARKETS),
        "| Driver | Server | Healthy | Busy, by | Before waiting | Needs |",
        "|---|---|---|---|---|---|",
        *(_server(row) for row in SERVERS),
    ]


def _miner(row: Miner) -> str:
    asked = f"TCP `{row.line}`" if row.line else f"GET `{row.path}`"
    must = [_code(flag) for flag in row.flags if flag.required and flag.form is not Form.NEVER]
    only = [_code(flag) for flag in row.flags if not flag.required]
    never = [f"`{name}`" for flag in row.flags if flag.form is Form.NEVER for name in flag.names]
    cells = [f"`{row.driver}`", row.title, asked, ", ".join(_tells(row))]
    return _line(*cells, *(", ".join(words) for words in (must, only, never)))


def _tells(row: Miner) -> list[str]:
    told = {"stale": row.stale, "algorithm": row.algorithm, "pool": row.pool, "uptime": row.uptime}
    gpus = "" if row.gpus is None else "GPUs by PCI bus" if row.gpus.pci_bus else "GPUs"
    return [*(name for name, known in told.items() if known), *([gpus] if gpus else [])]


def _code(flag: Flag) -> str:
    others = "".join(f" or `{value}`" for value in flag.values[1:])
    return f"`{flag.shown}`{others}"


def _server(row: Server) -> str:
    busy = ", else ".join(_signal(signal, row) for signal in row.signals)
    before = f"POST `{row.quiesce.partition('?')[0]}`" if row.quiesce else ""
    return _line(f"`{row.driver}`", row.title, f"GET `{row.health}`", busy, before, row.needs)


def _market(row: Row) -> str:
    told = {
        "offered or not": row.listed,
        "reached or not": row.online,
        "GPUs": row.whole or row.occupancy or row.gpus_rented,
        "earnings": row.earning,
    }
    cells = [f"`{row.driver}`", row.title, _call(row.look, "")]
    cells += [_call(row.enlist, "list_command"), _call(row.delist, "unlist_command")]
    return _line(*cells, ", ".join(name for name, known in told.items() if known), f"{row.gap_s} s")


def _call(call: Call | None, otherwise: str) -> str:
    return f"`{otherwise}`" if call is None else f"{call.method} `{call.path}`"


def _signal(signal: Signal, row: Server) -> str:
    apart = " at `metrics_url`" if row.metrics_apart and signal.separate else ""
    return f"`{signal.path}`{apart}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell or NONE for cell in cells)} |"


def cautions() -> list[str]:
    rows = (*MINERS, *MARKETS)
    return [f"* {row.title}: {row.caution}" for row in rows if row.caution]


def test_tables_and_code_agree() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    wanted = tables()
    assert [line for line in lines if line.startswith("|")] == wanted, "\n".join(wanted)
    assert [line for line in lines if line in cautions()] == cautions()


def test_every_driver_is_told_of() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in KNOWN if f"`{name}`" not in text] == []


@pytest.mark.parametrize("number", range(len(examples())))
def test_examples_are_what_the_agent_takes(number: int, tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(examples()[number])
    by_name = {row.driver: row for row in MINERS}
    for workload in configfile.load(path, Example).workloads:
        assert workload.driver in KNOWN
        assert (workload.driver in UNLAUNCHED) == (not workload.command and not workload.unit)
        if workload.driver in by_name:
            assert workload.kind is Kind.MINING
            ApiSource(by_name[workload.driver]).check(workload)
        elif workload.driver in markets(tmp_path):
            assert workload.kind is Kind.INFERENCE
            assert workload.market is not None
        elif workload.driver not in (HIVE, HIVE_OS):
            assert workload.kind is Kind.INFERENCE
            endpoint(workload)


def test_there_is_an_example_of_every_family() -> None:
    text = "".join(examples())
    for driver in (
        "trex",
        "lolminer",
        "teamredminer",
        HIVE,
        HIVE_OS,
        "vast",
        "clore",
        "akash",
        "vllm",
        "ollama",
        "triton",
    ):
        assert f"driver: {driver}\n" in text


if __name__ == "__main__":
    print("\n".join([*tables(), *cautions()]))
