"""The NVIDIA driver, its device nodes, and whether the GPUs of the rig's file are there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agent.doctor.access import Person
from agent.doctor.finding import Finding, Machine
from agent.gpu import checkup
from agent.gpu.checkup import Checkup, GpuCheckup
from agent.settings import Settings

LOOK_S = 120.0
"""Without persistence mode the first look wakes every GPU, one after the other."""

KILL_S = 2.0
"""For a hung look to end; past it, it is left in the driver."""

FAULTS = {4: "driver-denied", 9: "driver-not-loaded", 12: "driver-missing", 18: "driver-mismatch"}
"""Names of faults by NVML's number; any other is `driver-broken`."""

CONTROL_NODES = ("nvidiactl", "nvidia-uvm")
"""Device nodes that every GPU needs beside its own."""

_GPU_NODE = re.compile(r"nvidia\d+")


def check(settings: Settings | None, machine: Machine, look_s: float = LOOK_S) -> Iterator[Finding]:
    """Everything about the driver; nothing for simulated GPUs."""
    if settings is not None and settings.gpu.source != "nvml":
        return
    seen = look(look_s)
    if seen is None:
        yield Finding(
            "driver-hangs",
            "NVIDIA driver",
            f"it does not answer within {look_s:.0f} s",
            "read `dmesg`, then reboot the rig",
        )
    elif seen.code:
        name = FAULTS.get(seen.code, "driver-broken")
        yield Finding(name, "NVIDIA driver", *_told(seen.advice))
    else:
        yield from _nodes(machine, len(seen.gpus))
        yield from _gpus(seen)
        yield from _missing(settings, seen)


def look(limit_s: float) -> Checkup | None:
    """What the driver says; ``None`` when it does not answer in time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.gpu.checkup"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=limit_s)
            return checkup.decode(output)
        except subprocess.TimeoutExpired:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(KILL_S)
            return None
        except ValueError:
            return Checkup(-1, "the look at the driver crashed; read `dmesg`, then reboot the rig")


def _told(advice: str) -> tuple[str, str]:
    """NVML's own words say what is wrong, the advice why and what to do."""
    why, _, call = advice.partition(" [")
    cause, separator, todo = why.partition("; ")
    return f"{cause} ({call.rstrip(']')})" if call else cause, todo if separator else cause


def _nodes(machine: Machine, gpus: int) -> Iterator[Finding]:
    mend = "start nvidia-persistenced at boot, or run `nvidia-modprobe -c 0 -u` once as root"
    nodes = [machine.dev / name for name in CONTROL_NODES]
    for node in nodes:
        if not node.exists():
            yield Finding("device-node-missing", str(node), "no such device node", mend)
    own = sorted(path for path in machine.dev.glob("nvidia*") if _GPU_NODE.fullmatch(path.name))
    if len(own) < gpus:
        wrong = f"{len(own)} nodes for {gpus} GPUs"
        yield Finding("device-node-missing", f"{machine.dev}/nvidia0…", wrong, mend)
    person = Person.named(machine.user)
    for node in (path for path in (*nodes, *own) if path.exists()):
        if not person.may(node, "rw"):
            yield _denied(node, machine.user)


def _denied(node: Path, user: str) -> Finding:
    return Finding(
        "device-node-denied",
        str(node),
        f"user {user} may not read and write it",
        "set `options nvidia NVreg_DeviceFileMode=0666` in /etc/modprobe.d, or add the user to "
        f"the node's group: `usermod -aG GROUP {user}`",
    )


def _gpus(seen: Checkup) -> Iterator[Finding]:
    for gpu in seen.gpus:
        if gpu.error:
            yield _broken(gpu)
        elif gpu.persistence is False:
            yield Finding(
                "persistence-off",
                gpu.uuid,
                "the driver forgets its settings, and wakes it anew, whenever nobody uses it",
                "run nvidia-persistenced as a service, or `nvidia-smi -pm 1` at every boot",
            )


def _broken(gpu: GpuCheckup) -> Finding:
    mend = "read `dmesg` for its XID; power the rig off and on, then check riser and power cable"
    return Finding("gpu-broken", gpu.uuid or "a GPU", gpu.error, mend)


def _missing(settings: Settings | None, seen: Checkup) -> Iterator[Finding]:
    there = {gpu.uuid for gpu in seen.gpus}
    spare = sorted(there - {uuid for g in settings.groups for uuid in g.gpus}) if settings else []
    for group in settings.groups if settings else ():
        for uuid in (uuid for uuid in group.gpus if uuid not in there):
            known = f"; listed nowhere: {', '.join(spare)}" if spare else ""
            yield Finding(
                "gpu-missing",
                f"{group.name}: {uuid}",
                f"this machine has no such GPU{known}",
                "write the UUIDs that `rigshift-agent telemetry --once` shows into `gpus`, "
                "or reseat the card",
            )
