"""Contracts: what the farm has promised to whom, at what price, and when it is owed.

The ledger of commitments as its owner writes it. Which groups serve a contract is decided in
`contract_cover`; nothing here looks at a group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.core.fault import Fault, repeated

SECONDS_PER_DAY = 86_400.0


class Curtailed(StrEnum):
    """What a contract does when its site may not draw enough for everybody."""

    SERVE = "serve"
    """It goes before the site's power cap: the plan says that the cap is exceeded."""
    YIELD = "yield"
    """The cap goes before it: its groups stand still once nothing else is left to save."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSettings:
    """One commitment: so many GPUs that serve a workload from `start` to `end`."""

    name: str
    """Unique; people and metrics call it so."""
    customer: str
    """Who is owed."""
    desk: str = ""
    """Desk that it belongs to; empty: the one that owns its workload."""
    workload: str
    """What the customer uses, as rigs call it."""
    gpus: int
    """GPUs that serve it at any time."""
    warm_spare_gpus: int = 0
    """More GPUs that run the workload idle, to take over when others fail."""
    sites: tuple[str, ...] = ()
    """Sites that may serve it; none: all."""
    rig_classes: tuple[str, ...] = ()
    """Classes that may serve it; none: all."""
    price_usd_per_gpu_h: float
    """What the customer pays, US dollars per GPU-hour."""
    penalty_usd_per_gpu_h: float
    """What a missing GPU costs beside its price, US dollars per GPU-hour."""
    availability_ratio: float = 0.99
    """Part of the owed GPU-hours of a month below which the penalty is due."""
    start: datetime
    """Owed from then on, with its zone."""
    end: datetime | None = None
    """Owed until then, with its zone; none: until notice has run out."""
    notice_days: float = 30.0
    """Days that it is still owed after notice was given."""
    notice_given: datetime | None = None
    """When either side ended it; none: nobody has."""
    prepare_s: float = 900.0
    """Least seconds before `start` at which groups begin to move; more if switches take longer."""
    curtailed: Curtailed = Curtailed.SERVE
    """Whether it goes before the power cap of its site (`serve`) or after it (`yield`)."""

    @property
    def starts_at(self) -> float:
        """Epoch seconds from which it is owed."""
        return self.start.timestamp()

    @property
    def ends_at(self) -> float:
        """Epoch seconds until which it is owed; infinite without an end."""
        end = math.inf if self.end is None else self.end.timestamp()
        if self.notice_given is None:
            return end
        return min(end, self.notice_given.timestamp() + self.notice_days * SECONDS_PER_DAY)

    @property
    def income_usd_per_h(self) -> float:
        """What it pays when it is served in full."""
        return self.gpus * self.price_usd_per_gpu_h

    def in_force(self, now: float) -> bool:
        """Whether it is owed now."""
        return self.starts_at <= now < self.ends_at


def problems(contracts: Sequence[ContractSettings]) -> Iterator[Fault]:
    """What in a ledger cannot be meant."""
    for index, contract in enumerate(contracts):
        yield from (fault.under(index) for fault in _problems(contract))
    yield from repeated([contract.name for contract in contracts])


def _problems(contract: ContractSettings) -> Iterator[Fault]:
    for key in ("name", "customer", "workload"):
        if not getattr(contract, key):
            yield Fault((key,), "must not be empty")
    if contract.gpus < 1:
        yield Fault(("gpus",), f"must be 1 or more, not {contract.gpus}")
    if contract.warm_spare_gpus < 0:
        yield Fault(("warm_spare_gpus",), "must be 0 or more")
    for key in ("price_usd_per_gpu_h", "penalty_usd_per_gpu_h", "notice_days", "prepare_s"):
        if not 0 <= getattr(contract, key) < math.inf:
            yield Fault((key,), f"must be 0 or more and finite, not {getattr(contract, key):g}")
    if not 0 < contract.availability_ratio <= 1:
        yield Fault(("availability_ratio",), "must be above 0 to 1, e.g. 0.995")
    yield from _instants(contract)


def _instants(contract: ContractSettings) -> Iterator[Fault]:
    naive = [
        key
        for key in ("start", "end", "notice_given")
        if (at := getattr(contract, key)) is not None and at.tzinfo is None
    ]
    for key in naive:
        yield Fault((key,), "write the zone too, e.g. 2026-12-01T00:00:00Z")
    if not naive and contract.ends_at <= contract.starts_at:
        yield Fault(("end",), "the contract ends before it starts; mend `start`, `end` or notice")
