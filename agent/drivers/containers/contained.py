"""What may name a wallet or a pool in a container: its image, its order, its processes.

A process counts as the container's by its pid namespace, so what somebody runs in it later, with
the engine's `exec`, counts too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers import evidence, proc
from agent.drivers.containers import order


def evidence_of(
    workload: Workload,
    image: Mapping[str, Any],
    running: Sequence[Mapping[str, Any]],
    lines: Sequence[str],
    known: Options | None,
) -> tuple[Evidence, ...]:
    """All that is known.

    Args:
        workload: As the rig's file has it.
        image: What the engine says of its image.
        running: What the engine says of each of its containers that run.
        lines: Command lines of the processes inside, as the engine tells them; the agent itself
            may not be allowed to see those processes.
        known: Options of a miner.
    """
    told = (evidence.of_line(line, f"a process in {order.name(workload)}") for line in lines)
    seen = (found for each in running for found in _actual(each, known))
    return (*_planned(workload, image), *told, *seen)


def _planned(workload: Workload, image: Mapping[str, Any]) -> Iterator[Evidence]:
    wanted = order.described(workload)
    yield from _configured(
        image.get("Config") or {}, where=f"image {wanted.image}", replaced=_replaced(workload)
    )
    yield Evidence(
        where="`container`",
        arguments=(*wanted.entrypoint, *order.arguments(workload)),
        variables=tuple(workload.environment.items()),
    )


def _replaced(workload: Workload) -> frozenset[str]:
    """What of the image does not hold: its arguments go with its entry point."""
    wanted = order.described(workload)
    entrypoint = {"Entrypoint", "Cmd"} if wanted.entrypoint else set()
    return frozenset(entrypoint | ({"Cmd"} if wanted.arguments else set()))


def _actual(container: Mapping[str, Any], known: Options | None) -> Iterator[Evidence]:
    name = str(container.get("Name", "")).lstrip("/")
    yield from _configured(container.get("Config") or {}, where=f"container {name}")
    pid = (container.get("State") or {}).get("Pid")
    if isinstance(pid, int) and pid > 0:
        for each in proc.sharing_namespace(pid):
            yield from evidence.of_process(each, known)


def _configured(
    config: Mapping[str, Any], *, where: str, replaced: frozenset[str] = frozenset()
) -> Iterator[Evidence]:
    words = [
        str(word)
        for part in ("Entrypoint", "Cmd")
        if part not in replaced
        for word in config.get(part) or ()
    ]
    variables = (str(text).partition("=") for text in config.get("Env") or ())
    yield Evidence(
        where=where,
        arguments=tuple(words),
        variables=tuple((name, value) for name, _, value in variables),
    )
