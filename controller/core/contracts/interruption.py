"""Maintenance that would interrupt a contract which can hardly bear it, told in good time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from controller.core import reasons
from controller.core.contracts.candidates import Party
from controller.core.model import GroupKey
from controller.core.obligation import Availability
from controller.core.policy.contract import ContractSettings
from controller.core.policy.maintenance import Act, MaintenanceSettings, covers
from controller.core.policy.settings import PolicySettings

AHEAD_S = 86_400.0
"""How long before it begins a window is told of."""


def warnings(
    parties: Sequence[Party],
    keys: Sequence[GroupKey],
    policy: PolicySettings,
    known: Mapping[str, Availability],
    now: float,
) -> Iterator[str]:
    """Windows that stop who serves a guarded contract; members are places of `keys`."""
    soon = [
        one
        for one in policy.maintenance
        if one.act is Act.OFF and one.begin.timestamp() - AHEAD_S <= now < one.end.timestamp()
    ]
    for contract in policy.contracts if soon else ():
        stands = known.get(contract.name)
        if stands is None or not stands.guarded:
            continue
        for window in soon:
            gpus = _gpus(parties, keys, contract, window)
            if gpus:
                left = reasons.span(max(0.0, stands.left_s))
                yield (
                    f"maintenance {window.name} at {_minute(window.begin)} stops {gpus} GPUs that "
                    f"serve contract {contract.name}, which may be down for {left} more this month"
                )


def _gpus(
    parties: Sequence[Party],
    keys: Sequence[GroupKey],
    contract: ContractSettings,
    window: MaintenanceSettings,
) -> int:
    return sum(
        len(party.case.view.offer.gpus)
        for party in parties
        if party.case.view.committed and party.case.view.assigned == contract.workload
        for member in party.members
        if covers(window, party.case.view.site, keys[member].rig)
    )


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
