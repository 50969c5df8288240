"""The order for one container, as Docker and as Podman's own API take it. Pure.

Podman's imitation of Docker's API loses GPUs without a word, in all versions that take no CDI names
there; its own has taken them since 4.1. So each engine is asked in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from agent.core import container as containers
from agent.core.container import Container
from agent.core.workload import Workload
from agent.drivers.command import MARKER

LABEL = "rigshift.workload"
"""Its value is the workload's key; containers are found by it, whoever started them."""

LOOPBACK = "127.0.0.1"

_CDI_KIND = "nvidia.com/gpu"

Order = tuple[str, dict[str, Any]]
"""Path to post to, and the body."""


def name(workload: Workload) -> str:
    """What its container is called."""
    return f"rigshift-{workload.key}"


def described(workload: Workload) -> Container:
    """Its container; there must be one."""
    assert workload.container is not None, "the launcher of containers is asked for them only"
    return workload.container


def environment(workload: Workload) -> dict[str, str]:
    """What it is given besides the image's own: nothing of the agent's."""
    return {**workload.environment, MARKER: workload.key}


def arguments(workload: Workload) -> list[str]:
    """After the entry point."""
    gpus = ",".join(workload.gpus)
    return [argument.replace("{gpus}", gpus) for argument in described(workload).arguments]


def docker(workload: Workload, *, cdi: bool) -> Order:
    """For Docker Engine."""
    wanted = described(workload)
    ports = containers.ports(wanted)
    host: dict[str, Any] = {
        "NetworkMode": wanted.network,
        "Init": wanted.init,
        "RestartPolicy": {"Name": "no"},
        "SecurityOpt": ["no-new-privileges"],
        "PortBindings": {
            f"{port.inside}/tcp": [{"HostIp": LOOPBACK, "HostPort": str(port.host)}]
            for port in ports
        },
        "Mounts": [
            {
                "Type": "bind",
                "Source": mount.source,
                "Target": mount.target,
                "ReadOnly": not mount.writable,
            }
            for mount in containers.mounts(wanted)
        ],
        "DeviceRequests": [_device_request(workload.gpus, cdi=cdi)],
    }
    if wanted.shm_bytes is not None:
        host["ShmSize"] = wanted.shm_bytes
    body: dict[str, Any] = {
        "Image": wanted.image,
        "Env": [f"{key}={value}" for key, value in environment(workload).items()],
        "Labels": {LABEL: workload.key},
        "ExposedPorts": {f"{port.inside}/tcp": {} for port in ports},
        "HostConfig": host,
    }
    _put(body, Cmd=arguments(workload), Entrypoint=list(wanted.entrypoint), User=wanted.user)
    return f"/containers/create?name={quote(name(workload))}", body


def podman(workload: Workload) -> Order:
    """For Podman's own API, 4.1 and later; GPUs by their names in the rig's CDI specification."""
    wanted = described(workload)
    body: dict[str, Any] = {
        "name": name(workload),
        "image": wanted.image,
        "env": environment(workload),
        "labels": {LABEL: workload.key},
        "netns": {"nsmode": wanted.network},
        "init": wanted.init,
        "restart_policy": "no",
        "no_new_privileges": True,
        "portmappings": [
            {
                "host_ip": LOOPBACK,
                "host_port": port.host,
                "container_port": port.inside,
                "protocol": "tcp",
            }
            for port in containers.ports(wanted)
        ],
        "mounts": [
            {
                "type": "bind",
                "source": mount.source,
                "destination": mount.target,
                "options": ["rw" if mount.writable else "ro"],
            }
            for mount in containers.mounts(wanted)
        ],
        "devices": [{"path": _cdi_name(gpu)} for gpu in workload.gpus],
    }
    _put(
        body,
        command=arguments(workload),
        entrypoint=list(wanted.entrypoint),
        user=wanted.user,
        shm_size=wanted.shm_bytes,
    )
    return "/v4.0.0/libpod/containers/create", body


def _device_request(gpus: tuple[str, ...], *, cdi: bool) -> Mapping[str, object]:
    if cdi:
        return {"Driver": "cdi", "DeviceIDs": [_cdi_name(gpu) for gpu in gpus]}
    return {"Driver": "nvidia", "DeviceIDs": list(gpus), "Capabilities": [["gpu"]]}


def _cdi_name(gpu: str) -> str:
    return f"{_CDI_KIND}={gpu}"


def _put(body: dict[str, Any], **values: object) -> None:
    """Only what the rig's file says: an empty value would replace the image's own."""
    body.update((key, value) for key, value in values.items() if value)
