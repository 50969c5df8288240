"""Workloads as units in the rig's file: what check-config refuses, and where their words are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent import service, settings
from agent.settings import Settings
from wire import zeromq
from wire.configfile import ConfigError
from wire.signing import Signer


def load(folder: Path, *workloads: dict[str, Any]) -> Settings:
    keys = zeromq.generate_keys()
    described = {"kind": "mining", "driver": "xmrig", "api_url": "http://127.0.0.1:4067"}
    path = folder / "agent.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "rig": "rig1",
                "state_dir": str(folder / "state"),
                "order_key": Signer(os.urandom(32)).public_key,
                "link": {
                    "zeromq": {
                        "endpoint": "tcp://127.0.0.1:9701",
                        "server_key": keys.public,
                        "secret_key_file": str(folder / "key"),
                    }
                },
                "groups": [
                    {
                        "name": "g0",
                        "gpus": ["GPU-a"],
                        "workloads": [
                            {"name": f"w{number}", **described, **workload}
                            for number, workload in enumerate(workloads)
                        ],
                    }
                ],
            }
        )
    )
    return settings.load(path)


@pytest.mark.parametrize(
    ("workloads", "problem"),
    [
        ([{"unit": "a.service", "command": ["/bin/true"]}], "both `command` and `unit`"),
        ([{"unit": "a.service", "environment": {"A": "b"}}], "write Environment= into a.service"),
        ([{"unit": "a"}], "name a service, such as"),
        ([{"unit": "a@.service"}], "name a service, such as"),
        ([{"unit": "../a.service"}], "name a service, such as"),
        ([{"unit": "a.service"}, {"unit": "a.service"}], "unit 'a.service' stands twice"),
    ],
)
def test_refuses_what_cannot_be_meant(
    tmp_path: Path, workloads: list[dict[str, Any]], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(tmp_path, *workloads)


def test_refuses_a_workload_without_anything_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither `command`, `unit` nor `container`"):
        service.check(load(tmp_path, {}))


@pytest.mark.parametrize("unit", ["my-miner.service", "rigshift-workload@etc.service"])
def test_takes_units_and_commands_side_by_side(tmp_path: Path, unit: str) -> None:
    found = load(tmp_path, {"unit": unit}, {"command": ["/bin/true"]})
    service.check(found)
    assert [w.unit for w in found.groups[0].workloads] == [unit, ""]


def test_finds_the_log_of_either_kind(tmp_path: Path) -> None:
    found = load(tmp_path, {"unit": "a.service"}, {"command": ["/bin/true"]})
    assert service.log_command(found, None) == ["journalctl", "--unit=rigshift-agent.service"]
    assert service.log_command(found, "g0/w0") == ["journalctl", "--unit=a.service"]
    log = tmp_path / "state" / "processes" / "g0.w1.log"
    assert service.log_command(found, "g0/w1") == ["tail", str(log)]
    with pytest.raises(ConfigError, match="no workload g0/w2; there are g0/w0, g0/w1"):
        service.log_command(found, "g0/w2")
