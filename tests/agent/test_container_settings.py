"""Containers, commands and pins in the rig's file: what is refused, and what an engine is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import service, settings
from agent.core.container import Container
from agent.core.workload import Workload
from agent.drivers.containers import order
from tests.agent.test_unit_settings import load
from wire.configfile import ConfigError
from wire.model import Kind

IMAGE = "registry.example/llm:1"
DIGEST = f"registry.example:5000/llm@sha256:{'0' * 64}"


def workload(**container: Any) -> Workload:
    return Workload(
        name="w",
        kind=Kind.INFERENCE,
        driver="vllm",
        group="g",
        gpus=("GPU-a", "GPU-b"),
        environment={"A": "b"},
        container=Container(
            image=IMAGE,
            arguments=("--gpus", "{gpus}"),
            ports=("8000", "8001:9001"),
            mounts=("/models:/m", "/cache:/c:rw"),
            shm_bytes=1 << 30,
            **container,
        ),
    )


def test_docker_is_asked_for_gpus_by_uuid_and_for_nothing_dangerous() -> None:
    path, body = order.docker(workload(), cdi=False)
    assert path == "/containers/create?name=rigshift-g.w"
    assert body == {
        "Image": IMAGE,
        "Cmd": ["--gpus", "GPU-a,GPU-b"],
        "Env": ["A=b", "RIGSHIFT_WORKLOAD=g.w"],
        "Labels": {"rigshift.workload": "g.w"},
        "ExposedPorts": {"8000/tcp": {}, "9001/tcp": {}},
        "HostConfig": {
            "NetworkMode": "bridge",
            "Init": True,
            "RestartPolicy": {"Name": "no"},
            "SecurityOpt": ["no-new-privileges"],
            "PortBindings": {
                "8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}],
                "9001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8001"}],
            },
            "Mounts": [
                {"Type": "bind", "Source": "/models", "Target": "/m", "ReadOnly": True},
                {"Type": "bind", "Source": "/cache", "Target": "/c", "ReadOnly": False},
            ],
            "DeviceRequests": [
                {"Driver": "nvidia", "DeviceIDs": ["GPU-a", "GPU-b"], "Capabilities": [["gpu"]]}
            ],
            "ShmSize": 1 << 30,
        },
    }
    _, cdi = order.docker(workload(), cdi=True)
    names = ["nvidia.com/gpu=GPU-a", "nvidia.com/gpu=GPU-b"]
    assert cdi["HostConfig"]["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": names}]


def test_podman_is_asked_for_gpus_in_its_own_words() -> None:
    path, body = order.podman(workload())
    assert path.endswith("/libpod/containers/create")
    assert body["devices"] == [{"path": "nvidia.com/gpu=GPU-a"}, {"path": "nvidia.com/gpu=GPU-b"}]
    assert "privileged" not in body
    assert "entrypoint" not in body, "the image's own holds"


@pytest.mark.parametrize(
    ("container", "problem"),
    [
        ({"image": "llm"}, "name it with a tag or a digest"),
        ({"image": IMAGE, "network": "none"}, "network 'none' is unknown"),
        ({"image": IMAGE, "network": "host", "ports": ["80"]}, "`ports` are for"),
        ({"image": IMAGE, "ports": ["80:x"]}, "port '80:x' is not of the form"),
        ({"image": IMAGE, "ports": ["0"]}, "port '0' is not of the form"),
        ({"image": IMAGE, "mounts": ["models:/m"]}, "mount 'models:/m' is not of the form"),
        ({"image": IMAGE, "mounts": ["/a/../run:/m"]}, "write the path without"),
        ({"image": IMAGE, "shm_bytes": 0}, "`shm_bytes` must be above 0"),
        ({"image": IMAGE, "privileged": True}, "privileged"),
    ],
)
def test_refuses_a_container(tmp_path: Path, container: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(tmp_path, {"container": container})


@pytest.mark.parametrize(
    ("described", "problem"),
    [
        ({"container": {"image": IMAGE}, "command": ["x"]}, "has `container` beside"),
        ({"container": {"image": IMAGE}, "unit": "m.service"}, "has `container` beside"),
        ({"driver": "command", "commands": {"start": ["x"]}}, "commands: status, stop missing"),
        ({"command": ["x"], "commands": {"start": ["x"]}}, "`commands` are for `driver: command`"),
        ({"command": ["x"], "pins": {"pools": ["stratum+tcp://p:1"]}}, "pins.pools"),
        ({"command": ["x"], "pins": {"pools": ["user@p:1"]}}, "no scheme, no user"),
        ({"command": ["x"], "pins": {"wallets": [" "]}}, "pins.wallets"),
    ],
)
def test_refuses_what_does_not_fit_together(
    tmp_path: Path, described: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(tmp_path, described)


def test_takes_an_image_by_digest_and_shows_its_log(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"container": {"image": DIGEST}})
    service.check(loaded)
    assert isinstance(loaded, settings.Settings)
    assert service.log_command(loaded, "g0/w0") == [
        *("docker", "--host", "unix:///run/docker.sock", "logs", "rigshift-g0.w0")
    ]
