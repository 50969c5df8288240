"""The demo as a newcomer starts it, killed at random; over both transports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.demo.summary import Summary
from tests.parts import mosquitto

RIGS = 3


def play(folder: Path, *options: str) -> dict[str, Any]:
    """Run it headless, see that it is content, and give its figures."""
    out = folder / "out.json"
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("rigshift")),
            *("demo", "--headless", "--chaos", "--rigs", str(RIGS), "--speed", "3000"),
            *("--json", str(out), *options),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in another terminal:  export RIGSHIFT_URL=http://127.0.0.1:" in done.stderr
    figures: dict[str, Any] = json.loads(out.read_text())
    assert json.loads(done.stdout) == figures
    return figures


def check(figures: dict[str, Any]) -> None:
    """What every run must show, however many were killed."""
    assert set(figures) == set(Summary.__dataclass_fields__)
    assert figures["rigs"] == RIGS
    assert figures["double_occupancy"] == 0
    assert figures["orders_lost"] == 0
    assert figures["switches"] > 0
    assert figures["deaths"] > 0
    assert len(figures["agent_metrics_urls"]) == RIGS
    assert figures["profit_usd"] <= figures["clairvoyant_usd"]


@pytest.mark.timeout(240)
def test_a_fleet_that_is_killed_at_random_loses_nothing(tmp_path: Path) -> None:
    figures = play(tmp_path, "--for", "30")
    check(figures)
    assert figures["price_hours"] > 20


@pytest.mark.timeout(240)
def test_the_same_fleet_meets_at_a_broker(tmp_path: Path) -> None:
    rigs = [f"rig-{number:02}" for number in range(1, RIGS + 1)]
    with mosquitto.running(rigs) as broker:
        passwords = tmp_path / "passwords"
        passwords.write_text("".join(f"{u} {p}\n" for u, p in broker.passwords.items()))
        check(
            play(
                tmp_path,
                *("--for", "20", "--broker", broker.url, "--broker-ca", str(broker.ca_file)),
                *("--broker-passwords", str(passwords)),
            )
        )
