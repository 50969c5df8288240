"""A small controller's file: one site, one class, a miner and an inference server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

CSV = "ts_utc,power,etc,rent\n2026-03-01T00:00:00Z,0.10,0.03,0.001\n"


def rules(low: float, high: float, **changes: Any) -> dict[str, Any]:
    return {"unit": "usd", "stale_after_s": 1e9, "min": low, "max": high, **changes}


def document(folder: Path, **changes: Any) -> dict[str, Any]:
    """The file as a mapping; its recorded prices lie in `folder`."""
    (folder / "prices.csv").write_text(CSV)
    columns = [
        {"column": "power", "series": "power", "unit": "usd_per_kwh"},
        {"column": "etc", "series": "etc", "unit": "usd_per_gpu_h"},
        {"column": "rent", "series": "rent", "unit": "usd_per_gpu_h"},
    ]
    return {
        "state_dir": "state",
        "farm": {
            "sites": [{"name": "oslo", "power": "power"}],
            "rig_classes": [{"name": "a4000", "gpu_off_w": 20.0}],
            "earnings": [
                {"workload": "etc", "kind": "mining", "revenue": "etc", "gpu_power_w": 130.0},
                {"workload": "llama", "kind": "inference", "revenue": "rent", "gpu_power_w": 150.0},
            ],
        },
        "quotes": {
            "power": rules(-1.0, 1.0, cautious="high", rises_persist_s=0.0),
            "etc": rules(0.0, 1.0, rises_persist_s=0.0),
            "rent": rules(0.0, 5.0, rises_persist_s=0.0),
        },
        "feeds": {
            "recorded": [{"name": "tape", "files": [{"path": "prices.csv", "columns": columns}]}]
        },
        "link": {"zeromq": {"listen": "tcp://127.0.0.1:9701"}},
        "api": {"port": 0},
        **changes,
    }


def write(folder: Path, **changes: Any) -> Path:
    """Write the file and return its path."""
    path = folder / "controller.yaml"
    path.write_text(yaml.safe_dump(document(folder, **changes), sort_keys=False))
    return path
