"""Desks: who answers for which workloads, with how much of the fleet, and who may order there.

A desk's share is a requirement on the whole plan; what a choice counts towards it stands with the
choice. Nothing here chooses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.core.fault import Fault, repeated
from controller.core.requirement import Requirement
from wire.model import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSettings:
    """A part of the business with workloads, people and a share of the fleet of its own."""

    name: str
    """Unique, e.g. `mining` or `ai`."""
    kinds: tuple[Kind, ...] = ()
    """Kinds whose workloads are the desk's, unless another desk names them."""
    workloads: tuple[str, ...] = ()
    """Workloads that are the desk's, whatever their kind."""
    operators: tuple[str, ...] = ()
    """Who may order the desk's workloads, as in the API's tokens; none: everybody."""
    min_share_ratio: float = 0.0
    """Part of the fleet's GPUs that the desk's workloads run on at least."""
    max_share_ratio: float = 1.0
    """Part of the fleet's GPUs that they run on at most."""
    weight_usd_per_gpu_h: float = 1.0
    """What a GPU too few or too many counts when not everything can be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of a desk that a rule sets for a time."""

    min_share_ratio: float | None = None
    """None: as the desk has it."""
    max_share_ratio: float | None = None
    """None: as the desk has it."""


def title(desk: str) -> str:
    """What its requirement is called."""
    return f"desk {desk}"


def owner(
    desks: Sequence[DeskSettings], workload: str | None, kind: Kind | None
) -> DeskSettings | None:
    """The desk that answers for a workload; none: nobody's."""
    if workload is None:
        return None
    named = (desk for desk in desks if workload in desk.workloads)
    by_kind = (desk for desk in desks if kind in desk.kinds)
    return next(named, None) or next(by_kind, None)


def requirements(desks: Sequence[DeskSettings], gpus: int) -> Iterator[Requirement]:
    """The shares of a fleet of so many GPUs; desks without bounds ask for nothing."""
    for desk in desks:
        if desk.min_share_ratio > 0.0 or desk.max_share_ratio < 1.0:
            yield Requirement(
                name=title(desk.name),
                unit="GPUs",
                least=desk.min_share_ratio * gpus,
                most=desk.max_share_ratio * gpus,
                weight_usd_per_h=desk.weight_usd_per_gpu_h,
            )


def trespassed(
    desks: Sequence[DeskSettings], operator: str, workload: str | None, kind: Kind | None
) -> DeskSettings | None:
    """The desk whose workload this operator may not order; none: they may.

    Who is in no desk's list is nobody's operator, and may order everywhere.
    """
    if not any(operator in desk.operators for desk in desks):
        return None
    desk = owner(desks, workload, kind)
    return desk if desk is not None and desk.operators and operator not in desk.operators else None


def problems(desks: Sequence[DeskSettings]) -> Iterator[Fault]:
    """What in these mandates cannot be meant."""
    for index, desk in enumerate(desks):
        if not desk.name:
            yield Fault((index, "name"), "must not be empty")
        yield from bounds(desk.min_share_ratio, desk.max_share_ratio, index)
        if not desk.weight_usd_per_gpu_h >= 0:
            yield Fault((index, "weight_usd_per_gpu_h"), "must be 0 or more")
    yield from repeated([desk.name for desk in desks])
    yield from _claimed_twice(desks)
    least = sum(desk.min_share_ratio for desk in desks)
    if least > 1.0:
        text = f"the least shares of all desks come to {least:.0%} of the fleet; lower some"
        yield Fault((0, "min_share_ratio"), text)


def bounds(least: float, most: float, *where: str | int) -> Iterator[Fault]:
    """What is wrong with a least and a most share."""
    for key, share in (("min_share_ratio", least), ("max_share_ratio", most)):
        if not 0 <= share <= 1:
            yield Fault((*where, key), f"must be 0 to 1, not {share:g}")
    if least > most:
        yield Fault((*where, "min_share_ratio"), "is above `max_share_ratio`")


def _claimed_twice(desks: Sequence[DeskSettings]) -> Iterator[Fault]:
    owners: dict[tuple[str, str], str] = {}
    for index, desk in enumerate(desks):
        claims: Mapping[str, Sequence[str]] = {"workloads": desk.workloads, "kinds": desk.kinds}
        for key, names in claims.items():
            for name in names:
                first = owners.setdefault((key, name), desk.name)
                if first != desk.name:
                    yield Fault((index, key), f"{name} is desk {first}'s already")
