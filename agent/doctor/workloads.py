"""The workloads of the rig's file: there, fit to be switched, and on ports of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from urllib.parse import urlsplit

from agent import host
from agent.core.workload import Workload
from agent.doctor.finding import Finding, Result
from agent.drivers.http import Endpoint
from agent.drivers.launchers import Launchers, launched
from agent.ports import DriverError
from agent.settings import Settings


async def check(settings: Settings) -> AsyncIterator[Result]:
    """Every workload that runs on this machine; a marketplace's is the marketplace's."""
    with closing(Launchers(settings.state_dir, settings.engine)) as launchers:
        for group in settings.groups:
            here = tuple(w for w in group.workloads if launched(w))
            for workload in here:
                problem = await _unfit(launchers, workload)
                if problem is not None:
                    yield problem
                if (finding := _api(workload)) is not None:
                    yield finding
            for result in _ports(await _at_rest(launchers, here)):
                yield result


async def _unfit(launchers: Launchers, workload: Workload) -> Finding | None:
    name, otherwise = "program-missing", "install it, or mend `command`"
    if workload.unit:
        name, otherwise = "unit-unfit", "mend the unit, or name another"
    if workload.container:
        name, otherwise = "engine-silent", "start Docker or Podman, and let the agent's user in"
    try:
        # Preparing a container fetches its image; whether the engine answers is what can be asked.
        await (launchers.alive if workload.container else launchers.prepare)(workload)
    except DriverError as error:
        wrong, _, mend = str(error).removeprefix(f"{workload.key}: ").partition("; ")
        return Finding(name, workload.key, wrong, mend or otherwise)
    return None


def _api(workload: Workload) -> Finding | None:
    scheme = urlsplit(workload.api_url).scheme
    try:
        if workload.api_url:
            Endpoint.parse(workload.api_url, scheme=scheme if scheme == "tcp" else "http")
    except ValueError as error:
        mend = "bind the API to 127.0.0.1, and name it so in `api_url`"
        return Finding("api-exposed", workload.key, f"`api_url`: {error}", mend)
    return None


async def _at_rest(launchers: Launchers, workloads: tuple[Workload, ...]) -> tuple[Workload, ...]:
    """Those whose ports nobody of their group can hold now; none when that cannot be told."""
    try:
        running = {_port(w) for w in workloads if await launchers.alive(w)}
    except DriverError:
        return ()
    return tuple(w for w in workloads if _port(w) not in running)


def _ports(workloads: tuple[Workload, ...]) -> Iterator[Result]:
    for workload in workloads:
        for holder in host.listeners(port) if (port := _port(workload)) else ():
            yield Finding(
                "api-port-taken",
                workload.key,
                f"{holder} listens on port {port}, and the workload does not run",
                "stop it, or give the workload another port in `api_url` and in its own options",
            )


def _port(workload: Workload) -> int | None:
    try:
        return urlsplit(workload.api_url).port
    except ValueError:
        return None
