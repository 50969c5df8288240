"""A workload as a container: what the rig's own file may say of it, and what it never can.

There is no way to ask for privileges, capabilities or host devices here: nothing listed in a
rig's file shall be able to leave its container by a setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

PORT_MAX = 65_535

NETWORKS = ("bridge", "host")

_IMAGE = re.compile(r"[\w./:-]+?(:[\w.-]{1,128}|@sha256:[0-9a-f]{64})", re.ASCII)
_SOCKETS = ("docker.sock", "podman.sock", "containerd.sock", "crio.sock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """An image to run, and the little that it may see of the rig."""

    image: str
    """Name with a tag, or better with a digest: `registry.example/llm@sha256:…`."""
    arguments: tuple[str, ...] = ()
    """After the image's own entry point. `{gpus}` stands for the UUIDs joined by commas."""
    entrypoint: tuple[str, ...] = ()
    """Instead of the image's own."""
    ports: tuple[str, ...] = ()
    """Published on loopback only: `8000`, or `HOST:CONTAINER`."""
    mounts: tuple[str, ...] = ()
    """`/on/the/rig:/in/the/container`, read-only; with `:rw` at the end it may write there."""
    network: str = "bridge"
    """`bridge`, or `host` for a program whose API binds to loopback by itself."""
    shm_bytes: int | None = None
    """Size of `/dev/shm`; inference on several GPUs needs more than the engine's usual 64 MiB."""
    init: bool = True
    """The engine's small init runs before it; without one a program must handle TERM itself."""
    user: str = ""
    """User or `UID:GID` inside; empty: the image's own."""


class Mount(NamedTuple):
    """A folder or file of the rig that a container sees."""

    source: str
    target: str
    writable: bool


class Port(NamedTuple):
    """A port on the rig's loopback that leads into a container."""

    host: int
    inside: int


def mounts(container: Container) -> tuple[Mount, ...]:
    """What it sees of the rig. Raises `ValueError` for a text that is no mount."""
    return tuple(_mount(text) for text in container.mounts)


def ports(container: Container) -> tuple[Port, ...]:
    """What leads into it. Raises `ValueError` for a text that is no port."""
    return tuple(_port(text) for text in container.ports)


def problems(container: Container) -> Iterator[str]:
    """What is wrong with it, each in one clause that says what to write."""
    if not _IMAGE.fullmatch(container.image):
        yield f"image {container.image!r}: name it with a tag or a digest (NAME:TAG, NAME@sha256:…)"
    if container.network not in NETWORKS:
        yield f"network {container.network!r} is unknown; write `bridge` or `host`"
    if container.network == "host" and container.ports:
        yield "`ports` are for `network: bridge`; on the host's network it binds its own"
    if container.shm_bytes is not None and container.shm_bytes <= 0:
        yield "`shm_bytes` must be above 0"
    for read in (mounts, ports):
        try:
            read(container)
        except ValueError as error:
            yield str(error)


def exposes(source: str, socket: str) -> bool:
    """Whether a mount of `source` would hand the engine's socket over, or some other engine's.

    Both are absolute; links must have been followed by the caller.
    """
    folder = source.rstrip("/")
    return folder.rpartition("/")[2] in _SOCKETS or f"{socket}/".startswith(f"{folder}/")


def _mount(text: str) -> Mount:
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not (source.startswith("/") and target.startswith("/") and mode in ("", "ro", "rw")):
        raise ValueError(f"mount {text!r} is not of the form /on/the/rig:/in/the/container[:rw]")
    if ".." in source.split("/"):
        raise ValueError(f"mount {text!r}: write the path without `..`")
    return Mount(source, target, mode == "rw")


def _port(text: str) -> Port:
    host, colon, inside = text.partition(":")
    found = tuple(
        int(number) if number.isascii() and number.isdecimal() else 0
        for number in (host, inside if colon else host)
    )
    if not all(0 < number <= PORT_MAX for number in found):
        raise ValueError(f"port {text!r} is not of the form PORT or HOST:CONTAINER")
    return Port(*found)
