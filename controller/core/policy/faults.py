"""All that cannot be meant in a policy, each with its place; conditions in CEL apart."""

from __future__ import annotations

from collections.abc import Iterator

from controller.core.fault import Fault
from controller.core.policy import contract, maintenance, mandate, signals, treasury
from controller.core.policy import settings as policy
from controller.core.policy.settings import PolicySettings

CONTRACTS_MAX = 200
"""Each is looked at for every group at every plan."""


def faults(settings: PolicySettings) -> Iterator[Fault]:
    """What in a whole policy cannot be meant."""
    for text in policy.problems(settings):
        key, _, rest = text.partition(" ")
        yield Fault(tuple(key.split(".")), rest)
    for name, found in (
        ("contracts", contract.problems(settings.contracts)),
        ("desks", mandate.problems(settings.desks)),
        ("treasury", treasury.problems(settings.treasury)),
        ("rules", signals.problems(settings.rules, settings.desks)),
        ("maintenance", maintenance.problems(settings.maintenance)),
    ):
        yield from (fault.under(name) for fault in found)
    yield from _contracts(settings)


def _contracts(settings: PolicySettings) -> Iterator[Fault]:
    if len(settings.contracts) > CONTRACTS_MAX:
        text = f"{len(settings.contracts)} are too many; write at most {CONTRACTS_MAX}"
        yield Fault(("contracts",), text)
    desks = {desk.name for desk in settings.desks}
    for index, one in enumerate(settings.contracts):
        if one.desk and one.desk not in desks:
            yield Fault(("contracts", index, "desk"), f"no desk {one.desk!r} stands under `desks`")
