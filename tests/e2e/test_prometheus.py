"""A real Prometheus with the shipped configuration finds and scrapes a real fleet."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from controller.demo import cast, scenario, stage
from tests.e2e.prometheus import prometheus, tool

DEPLOYED = Path(__file__).parents[2] / "deploy" / "prometheus"
WAIT_S = 90.0


def awaited(look: Callable[[], Any]) -> Any:
    """What `look` gives once it gives something; it may fail until then."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with suppress(OSError, LookupError):
            if found := look():
                return found
        time.sleep(0.1)
    raise AssertionError(f"{look} gave nothing for {WAIT_S} s")


def test_the_shipped_rules_and_configuration_are_valid() -> None:
    subprocess.run(
        [tool("promtool"), "check", "config", str(DEPLOYED / "prometheus.yml")],
        check=True,
        capture_output=True,
    )


def configured(folder: Path, controller_url: str) -> Path:
    """The shipped files in `folder`, told only where the controller is."""
    text = (DEPLOYED / "prometheus.yml").read_text().replace("15s", "1s").replace("30s", "1s")
    (folder / "prometheus.yml").write_text(
        text.replace("127.0.0.1:9700", controller_url.removeprefix("http://"))
    )
    shutil.copy(DEPLOYED / "rules.yml", folder)
    return folder


def query(url: str, expression: str) -> dict[tuple[str, ...], float]:
    """The value of every series, by its labels."""
    address = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    with urllib.request.urlopen(address, timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return {tuple(sorted(series["metric"].items())): float(series["value"][1]) for series in result}


@pytest.mark.timeout(240)
def test_prometheus_finds_every_agent_through_the_controller(tmp_path: Path) -> None:
    built = stage.build(tmp_path / "farm", 2, scenario.SPEED, None)
    url_file = built.settings.state_dir / "api.url"
    with cast.playing(built):
        controller_url = awaited(url_file.exists) and url_file.read_text().strip()
        with prometheus(configured(tmp_path, controller_url)) as url:
            up = awaited(lambda: len(found := query(url, "up == 1")) == 3 and found)
            rigs = {dict(labels).get("rig"): dict(labels) for labels in up}
            assert rigs["rig-01"]["site"] == "krakow"
            assert rigs["rig-02"]["rig_class"] == "rtx3090"
            watts = awaited(lambda: query(url, "sum by (rig) (rigshift_gpu_power_watts)"))
            assert {dict(labels)["rig"] for labels in watts} == {"rig-01", "rig-02"}
            chosen = awaited(lambda: query(url, "rigshift_group_chosen == 1"))
            assert len(chosen) == 2 * stage.GROUPS_PER_RIG
            learned = awaited(lambda: query(url, 'rigshift_learned_phase_seconds{phase="probing"}'))
            assert {dict(labels)["rig"] for labels in learned} <= {"rig-01", "rig-02"}
            assert query(url, 'ALERTS{alertname="RigshiftControllerDown"}') == {}
