"""What a miner says of itself, read from its own words by a row of the table.

Nothing is invented: what is missing, null or no number is ``None``, and a hashrate in a unit that
nobody knows is none.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from agent.core.pins import Evidence
from agent.drivers import evidence, paths
from agent.drivers.miners.row import ALGORITHM, Gpus, Miner
from wire.model import WorkloadGpu

UNITS = {
    f"{prefix}{unit}": 1000.0**power
    for power, prefix in enumerate(("", "k", "m", "g", "t", "p"))
    for unit in ("h/s", "hs", "sol/s")
} | {"s/s": 1.0, "g/s": 1.0}
"""Hashes per second by lower-case name; a solution or a graph counts as a hash."""

DECIMALS = 3
"""Thousandths of a hash: what lies below is the rounding of a factor."""

TEXT_CHARS_MAX = 200
"""Longer names are cut; they go into reports."""

GPUS_MAX = 64
"""More than any rig has: then they are something else."""

_PCI_ADDRESS = re.compile(r"(?i:(?:[0-9a-f]+:)?(?P<bus>[0-9a-f]{1,2}):[0-9a-f]{1,2}\.[0-7])")
_KEY = re.compile(r"[^.\[\]#]+")
_AFTER_PORT = re.compile(r"[/?#]")
_BUS_AND_SLOT = re.compile(r"(?P<bus>\d{1,3})(?::\d{1,2})?")
_BUSES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One miner at one look."""

    hashrate_hps: float | None = None
    accepted: int | None = None
    rejected: int | None = None
    stale: int | None = None
    algorithm: str | None = None
    pool: str | None = None
    uptime_s: float | None = None
    paused: bool = False
    gpus: tuple[WorkloadGpu, ...] = ()
    problem: str = ""
    """Why there is no hashrate although the miner gave a number."""


def read(document: object, miner: Miner) -> Report:
    """Read the answer of `miner`'s API, already decoded."""
    algorithm = paths.first_text(document, miner.algorithm)
    # Of several algorithms at once the first counts: hashes of different kinds do not add up.
    name = "" if algorithm is None else algorithm.partition("+")[0].strip()
    factor, problem = _factor(document, miner)
    return Report(
        hashrate_hps=scaled(_number(document, miner.hashrate, name), factor),
        accepted=paths.whole(_number(document, miner.accepted, name)),
        rejected=paths.whole(_number(document, miner.rejected, name)),
        stale=paths.whole(_number(document, miner.stale, name)),
        algorithm=name[:TEXT_CHARS_MAX] or None,
        pool=pool(paths.first_text(document, _filled(miner.pool, name))),
        uptime_s=_number(document, miner.uptime, name),
        paused=bool(miner.paused) and paths.select(document, miner.paused) == [True],
        gpus=_gpus(document, miner.gpus, factor, name) if miner.gpus else (),
        problem=problem,
    )


def told(document: object, miner: Miner) -> Evidence:
    """All that the answer of `miner`'s API says of pools and accounts."""
    algorithm = (paths.first_text(document, miner.algorithm) or "").partition("+")[0].strip()
    places = _filled(miner.pool, algorithm)
    pools = (paths.text(value) for path in places for value in paths.select(document, path))
    accounts = {"user": "wallet", "username": "wallet", "account": "wallet"}
    found = tuple(
        (accounts.get(key.lower(), key), value) for key, value in evidence.fields(document)
    )
    return Evidence(
        where="the miner's API",
        fields=(*(("pool", pool) for pool in pools if pool is not None), *found),
        portless=True,
    )


def factor_of(unit: str) -> float | None:
    """Hashes per second in a unit by its name; ``None`` for an unknown one."""
    return UNITS.get(unit.strip().lower())


def pci_bus(value: object) -> int | None:
    """The bus number in a PCI address such as `0000:0a:00.0`, or given plainly in decimal."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < _BUSES else None
    if not isinstance(value, str):
        return None
    address = _PCI_ADDRESS.fullmatch(value.strip())
    if address:
        return int(address["bus"], 16)
    plain = _BUS_AND_SLOT.fullmatch(value.strip())
    bus = int(plain["bus"]) if plain else _BUSES
    return bus if bus < _BUSES else None


def pool(url: str | None) -> str | None:
    """Scheme, host and port of a pool, without the account that some miners put into its URL."""
    if url is None:
        return None
    scheme, separator, rest = url.rpartition("://")
    place = _AFTER_PORT.split(rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}{separator}{place}"[:TEXT_CHARS_MAX] if place else None


def gpus(
    buses: list[object], hashrates: list[object], accepted: list[object], factor: float | None
) -> tuple[WorkloadGpu, ...]:
    """Columns side by side, as the hashrates go; one of another length says nothing."""
    length = len(hashrates)
    if length > GPUS_MAX:
        return ()
    blank: list[object] = [None] * length
    rows = zip(
        buses if len(buses) == length else blank,
        hashrates,
        accepted if len(accepted) == length else blank,
        strict=True,
    )
    return tuple(
        WorkloadGpu(
            pci_bus=pci_bus(bus),
            hashrate_hps=scaled(paths.number(hashrate), factor),
            shares_accepted=paths.whole(paths.number(shares)),
        )
        for bus, hashrate, shares in rows
    )


def scaled(value: float | None, factor: float | None) -> float | None:
    """Hashes per second; ``None`` when there are too many to count."""
    if value is None or factor is None or not math.isfinite(value * factor):
        return None
    return round(value * factor, DECIMALS)


def _gpus(
    document: object, columns: Gpus, factor: float | None, algorithm: str
) -> tuple[WorkloadGpu, ...]:
    buses, hashrates, accepted = (
        paths.select(document, path) if path else []
        for path in _filled((columns.pci_bus, columns.hashrate, columns.accepted), algorithm)
    )
    return gpus(buses, hashrates, accepted, factor)


def _factor(document: object, miner: Miner) -> tuple[float | None, str]:
    """Hashes per second per unit, and what is wrong with the unit, if anything."""
    if isinstance(miner.factor, str):
        factor = paths.first_number(document, (miner.factor,))
        if factor is not None:
            return factor, ""
    unit = paths.first_text(document, (miner.unit,)) if miner.unit else None
    if unit is not None:
        factor = factor_of(unit)
        return factor, "" if factor is not None else f"unknown unit {unit[:20]!r}"
    return (None, "no unit") if isinstance(miner.factor, str) else (miner.factor, "")


def _number(document: object, places: tuple[str, ...], algorithm: str) -> float | None:
    return paths.first_number(document, _filled(places, algorithm))


def _filled(places: tuple[str, ...], algorithm: str) -> tuple[str, ...]:
    # A miner may say anything, but only what is a plain key can be looked up as one.
    key = algorithm if _KEY.fullmatch(algorithm) else "?"
    return tuple(place.replace(ALGORITHM, key) for place in places)
