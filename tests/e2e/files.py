"""What the farm's files say: small, quick, and with everything on simulated GPUs."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.parts.programs import free_port

PRICES = """\
ts_utc,power,etc,rent
{hour},0.10,0.03,0.004
"""


def gpu(rig: str, group: str) -> str:
    """The one simulated GPU of a group."""
    return f"GPU-simulated-{rig}-{group}"


def prices(now: datetime) -> str:
    """One row that holds from the beginning of this hour on."""
    return PRICES.format(hour=now.replace(minute=0, second=0, microsecond=0).isoformat())


def controller() -> dict[str, Any]:
    """The controller's file but for its addresses: mining pays more than inference."""

    def rules(low: float, high: float, **more: Any) -> dict[str, Any]:
        usual = {"unit": "usd", "stale_after_s": 86_400, "rises_persist_s": 0}
        return {**usual, "min": low, "max": high, **more}

    columns = [
        {"column": "power", "series": "power", "unit": "usd_per_kwh"},
        {"column": "etc", "series": "etc", "unit": "usd_per_gpu_h"},
        {"column": "rent", "series": "rent", "unit": "usd_per_gpu_h"},
    ]
    earning = {"revenue": "etc", "gpu_power_w": 100}
    return {
        "state_dir": "state",
        "farm": {
            "sites": [{"name": "oslo", "power": "power"}],
            "rig_classes": [{"name": "a4000", "gpu_off_w": 10}],
            "earnings": [
                {"workload": "etc", "kind": "mining", **earning},
                {"workload": "llama", "kind": "inference", **earning, "revenue": "rent"},
            ],
        },
        "quotes": {
            "power": rules(-1, 1, cautious="high"),
            "etc": rules(0, 1),
            "rent": rules(0, 1),
        },
        "policy": {
            "dwell_s": 0,
            "mining_switch": {"cost_usd": 0, "duration_s": 1},
            "inference_switch": {"cost_usd": 0, "duration_s": 1},
        },
        "feeds": {
            "recorded": [{"name": "tape", "files": [{"path": "prices.csv", "columns": columns}]}]
        },
        "fleet": {"offline_after_s": 2},
        "tick_s": 0.5,
        "feed_interval_s": 1,
    }


def group(rig: str, name: str, simulated_dir: Path) -> dict[str, Any]:
    """A GPU group of an agent's file, with a miner and an inference server."""
    miner = ("--start-s", "0", "--share-interval-s", "0.1")
    server = ("--model", "demo", "--load-s", "0.1")
    return {
        "name": name,
        "gpus": [gpu(rig, name)],
        "workloads": [
            _workload(simulated_dir, "etc", "mining", "xmrig", "miner", miner),
            _workload(simulated_dir, "llama", "inference", "openai", "inference", server),
        ],
    }


def _workload(
    simulated_dir: Path, name: str, kind: str, driver: str, program: str, options: tuple[str, ...]
) -> dict[str, Any]:
    port = free_port()
    command = [
        *(sys.executable, "-I", "-m", f"agent.demo.{program}"),
        *("--port", str(port), "--gpus", "{gpus}", "--power-w", "100"),
        *("--simulated-dir", str(simulated_dir), *options),
    ]
    return {
        "name": name,
        "kind": kind,
        "driver": driver,
        "command": command,
        "api_url": f"http://127.0.0.1:{port}",
        "model": "demo",
        "readiness": {"hold_s": 0.2},
    }
